"""Whether a drill held: what was told compared with what it says is told. Pure functions."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from drills.model import Drill, Told
from drills.timeline import Message, Timeline, of_key

Key = tuple[str, str, str]
"""Alert, service, channel."""
Bound = Callable[[Told, str], float]
"""From the fault to the message in a channel, in seconds."""


@dataclass(frozen=True)
class Latency:
    """How long one message took from its fault, and how long it may; in seconds of the stack's time."""

    told: Told
    channel: str
    seconds: float
    bound: float


@dataclass
class Verdict:
    """What is wrong with a drill, a sentence each; nothing if it held."""

    problems: list[str] = field(default_factory=list)
    latencies: list[Latency] = field(default_factory=list)

    @property
    def held(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def judge(drill: Drill, timeline: Timeline, bound: Bound) -> Verdict:
    """Compare what happened with what the drill says."""
    verdict = Verdict()
    expected = _expected(drill)
    for key, episodes in expected.items():
        _judge_key(key, episodes, timeline, bound, verdict)
    others = [
        item
        for item in timeline.messages
        if (item.alert, item.service, item.channel) not in expected and item.alert not in drill.maybe
    ]
    verdict.problems += [
        f"{item.channel} was told at {clock(item.at)} that {_of(item.alert, item.service)} is {item.status}, "
        "which the drill does not say"
        for item in others
    ]
    verdict.problems += [
        f"{fault.words}, from {clock(fault.begin)} on, was never seen in the series"
        for fault in timeline.faults
        if fault.looked and fault.shown is None
    ]
    verdict.problems += _labels(drill, timeline)
    verdict.problems += [
        f"{span.alert} fired at {clock(span.begin)}, and the drill says that it does not"
        for span in timeline.spans
        if span.state == "firing" and span.alert in drill.not_firing
    ]
    if timeline.remaining:
        verdict.problems.append(
            f"{drill.patience:g} min after the last fault had healed, it was not over: {', '.join(timeline.remaining)}"
        )
    return verdict


def clock(seconds: float) -> str:
    """A moment of the drill, as `12:05`: minutes and seconds of the stack's time."""
    return f"{'-' if seconds < 0 else ''}{int(abs(seconds)) // 60}:{int(abs(seconds)) % 60:02}"


def _expected(drill: Drill) -> dict[Key, list[Told]]:
    """What is told by key, in the order of the faults."""
    expected: dict[Key, list[Told]] = {}
    for told in sorted(drill.told, key=lambda item: item.of):
        for channel in told.by:
            expected.setdefault((told.alert, told.service, channel), []).append(told)
    return expected


def _judge_key(key: Key, episodes: list[Told], timeline: Timeline, bound: Bound, verdict: Verdict) -> None:
    alert, service, channel = key
    got = of_key(timeline.messages, alert, service, channel)
    wanted = [status for told in episodes for status in (("firing", "resolved") if told.resolved else ("firing",))]
    if [item.status for item in got] != wanted:
        verdict.problems.append(_difference(key, episodes, got, timeline))
    firing = [item for item in got if item.status == "firing"]
    for told, item in zip(episodes, firing, strict=False):
        if told.alerts not in (None, item.alerts):
            verdict.problems.append(
                f"{channel} was told of {_of(alert, service)} in a message of {item.alerts} alerts, not {told.alerts}"
            )
        latency = Latency(told, channel, item.at - _begin(told, timeline), bound(told, channel))
        verdict.latencies.append(latency)
        if latency.seconds < 0:
            verdict.problems.append(f"{channel} was told of {_of(alert, service)} before its fault began")
        elif latency.seconds > latency.bound:
            verdict.problems.append(
                f"{channel} was told of {_of(alert, service)} {clock(latency.seconds)} after the fault, "
                f"which is later than {clock(latency.bound)}"
            )


def _difference(key: Key, episodes: list[Told], got: list[Message], timeline: Timeline) -> str:
    alert, service, channel = key
    what = f"{channel}: {_of(alert, service)}"
    firing = sum(item.status == "firing" for item in got)
    resolved = sum(item.status == "resolved" for item in got)
    over = sum(told.resolved for told in episodes)
    if firing < len(episodes):
        link = broken_link(episodes[firing], timeline)
        return f"{what} was told {_times(firing)} instead of {_times(len(episodes))}; first broken link: {link}"
    if firing > len(episodes):
        return f"{what} was told {_times(firing)} instead of {_times(len(episodes))}"
    if resolved != over:
        return f"{what} was told to be over {_times(resolved)} instead of {_times(over)}"
    return f"{what} was told out of order: {', '.join(f'{item.status} {clock(item.at)}' for item in got)}"


def broken_link(told: Told, timeline: Timeline) -> str:
    """The first link of the chain from the fault to the message that does not hold."""
    links = list(chain(told, timeline))
    for (before, _), (after, at) in itertools.pairwise(links):
        if at is None:
            return f"{before} → {after}"
    return f"{links[-1][0]} → received"


def chain(told: Told, timeline: Timeline) -> Iterator[tuple[str, float | None]]:
    """Each link, and when it was reached; None if it was not. What nobody looked at is left out."""
    begin = _begin(told, timeline)
    yield "fault", begin
    of = [fault for fault in timeline.faults if fault.planned == told.of and fault.looked]
    if of:
        yield "series", min((fault.shown for fault in of if fault.shown is not None), default=None)
    firing = timeline.first("firing", told.alert, told.service, begin)
    pending = timeline.first("pending", told.alert, told.service, begin)
    if pending is not None or firing is None:  # an alert without a `for` is never pending
        yield "pending", pending
    yield "firing", firing
    yield "sent", timeline.first_sent(told.alert, told.service, begin)


def _begin(told: Told, timeline: Timeline) -> float:
    """When the fault really began that is planned for this minute."""
    return min((fault.begin for fault in timeline.faults if fault.planned == told.of), default=60 * told.of)


def _labels(drill: Drill, timeline: Timeline) -> Iterator[str]:
    for told in drill.told:
        spans = [
            span
            for span in timeline.spans
            if (span.alert, span.service, span.state) == (told.alert, told.service, "firing")
        ]
        if spans and not any(told.labels.items() <= span.labels.items() for span in spans):
            yield f"{_of(told.alert, told.service)} fired with the labels {spans[0].labels}, not with {told.labels}"


def _of(alert: str, service: str) -> str:
    return f"{alert} of {service}" if service else alert


def _times(number: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(number, f"{number} times")
