"""Whether a soak was silent: what fired, what was told and what came near to it. Plain data and pure functions.

Times are in seconds of the stack's time since the soak began; what is before 0 is of the stack's start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from drills.noise import SERVICES_RESTARTED, Noise
from drills.timeline import Message, Span

TOLD = frozenset({"critical", "warning"})
"""Severities that a healthy system must not have. An info alert is a note."""
BEFORE_MINUTES = 30
"""How far back the noise is listed that came before what fired."""


@dataclass(frozen=True)
class Played:
    """A noise as it was played."""

    noise: Noise
    at: float
    away: float = 0
    """For how long what was restarted did not answer."""


@dataclass
class Outcome:
    """All of one soak."""

    length: float
    played: list[Played] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    notes: frozenset[str] = frozenset()
    """Alerts that are an info."""
    beats: int = 0
    """Heartbeats that were received."""
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Answers by the service that the request was for, and by status."""
    unanswered: int = 0
    waits: Mapping[str, float] = field(default_factory=dict)
    """For how long an alert is pending before it fires."""
    brief: float = 30
    """A service that is away for longer is not healthy any more, whoever restarts it."""

    @property
    def fired(self) -> list[Span]:
        """What must not fire, and did."""
        return [span for span in self.spans if span.state == "firing" and span.labels.get("severity") in TOLD]

    @property
    def told(self) -> list[Message]:
        """What somebody was told that is no note. The dead man's switch counts from the first heartbeat on."""
        return [
            message
            for message in self.messages
            if message.alert not in self.notes and (message.channel != "heartbeat" or message.at > 0)
        ]

    @property
    def silent(self) -> bool:
        """Whether nothing fired and nobody was told anything."""
        return not self.fired and not self.told

    @property
    def too_long(self) -> list[Played]:
        """Restarts of services that took so long that they were an outage."""
        restarts = [item for item in self.played if item.noise.kind in SERVICES_RESTARTED]
        return [item for item in restarts if item.away > self.brief]


def clock(seconds: float) -> str:
    """A moment of the soak, as `1:02:05`: hours, minutes and seconds of the stack's time."""
    whole = int(abs(seconds))
    return f"{'-' if seconds < 0 else ''}{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def problems(outcome: Outcome) -> Iterator[str]:
    """What was not silent, a line each, with the noise before it."""
    for span in outcome.fired:
        labels = ", ".join(f"{name}={value}" for name, value in sorted(span.labels.items()))
        yield f"{span.alert} fired from {clock(span.begin)} to {clock(span.end)} ({labels})"
        for item in _before(outcome.played, span.begin):
            yield f"    after {clock(item.at)} {item.noise.words}{_lasted(item)}"
    for message in outcome.told:
        of = f" of {message.service}" if message.service else ""
        yield f"{message.channel} was told at {clock(message.at)} that {message.alert}{of} is {message.status}"


def _before(played: Iterable[Played], moment: float) -> list[Played]:
    return [item for item in played if moment - 60 * BEFORE_MINUTES <= item.at <= moment]


def _lasted(item: Played) -> str:
    return f", away for {item.away:.0f} s" if item.away else ""


def report(outcome: Outcome, objective: float) -> Iterator[str]:
    """What was played, what came of it and what was near to firing; `objective` is the promised percentage."""
    kinds = Counter(item.noise.kind for item in outcome.played)
    yield f"noise: {', '.join(f'{kind} {number}' for kind, number in sorted(kinds.items()))}"
    if away := [item.away for item in outcome.played if item.noise.kind in SERVICES_RESTARTED]:
        yield f"services restarted: away for {max(away):.0f} s at most, below {outcome.brief:.0f} s is no outage"
    whole: Counter[str] = Counter()
    for service, answers in sorted(outcome.counts.items()):
        whole.update(answers)
        yield f"  {service:18} {_shares(answers)}"
    yield f"requests: {_shares(whole)}, {outcome.unanswered} without an answer; failed may {100 - objective:.2g} %"
    yield f"heartbeats: {outcome.beats}"
    for alert, length in _longest_pending(outcome.spans).items():
        yield f"pending, which tells nobody: {alert} for {clock(length)} of {clock(outcome.waits.get(alert, 0))}"
    for message in outcome.messages:
        if message.alert in outcome.notes:
            yield f"noted: {message.alert} in {message.channel} at {clock(message.at)}, {message.status}"
    yield from problems(outcome)
    yield "nobody was told anything" if outcome.silent else "NOT silent"


def _shares(answers: Mapping[str, int]) -> str:
    whole = sum(answers.values())
    client, failed = (sum(n for status, n in answers.items() if status[0] == digit) for digit in "45")
    return f"{whole:7} answered, {_percent(client, whole)} client errors, {failed} failed ({_percent(failed, whole)})"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.2f} %"


def _longest_pending(spans: Iterable[Span]) -> dict[str, float]:
    longest: dict[str, float] = {}
    for span in sorted(spans, key=lambda item: item.alert):
        if span.state == "pending":
            longest[span.alert] = max(longest.get(span.alert, 0), span.end - span.begin)
    return longest
