"""Runs drills one after another, each in a stack that has no memory of the one before."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace

import httpx

from catalogue import Catalogue
from drills.bounds import Bounds
from drills.faults import LOAD, Breaker, Undo
from drills.history import remember, usual
from drills.judge import Verdict, judge
from drills.model import Drill, Fault
from drills.timeline import Broken, Message, Timeline
from drills.watch import Watch, left_out
from local import interruption
from local.errors import RehearsalError
from rehearsal import health
from rehearsal.deployed import Deployed
from rehearsal.lifecycle import Rehearsal

LOOK_SECONDS, WAIT_SECONDS = 0.2, 0.5
"""Between two looks at Alertmanager while faults are played, and at everything while it is to become quiet; by the real
clock, as looking costs the processor that all share."""
QUIET_MINUTES = 30
"""In which a stack without a memory must be quiet, in the stack's time; what is slow to start may be told before."""
CALM_SECONDS, SETTLED_SECONDS = 30, 90
"""For so long all must have been quiet before a drill: two evaluations; and when it is over: more than a group of pages
waits for its next message."""

Progress = Callable[[float], None]
"""Is told how many minutes of the stack's time a drill has taken."""


@dataclass(frozen=True)
class Result:
    """One drill that was run."""

    drill: Drill
    timeline: Timeline
    verdict: Verdict
    real_seconds: float


class _Quiet:
    """Since when nothing happens, and for how long it must be so; in seconds of the stack's time."""

    def __init__(self, needed: float) -> None:
        self._needed = needed
        self._since: float | None = None

    def settled(self, now: float, *, quiet: bool) -> bool:
        """Whether it has been quiet for long enough, as it is or is not now."""
        if not quiet:
            self._since = None
        elif self._since is None:
            self._since = now
        return self._since is not None and now - self._since > self._needed


class Runner:
    """Runs drills against one rehearsal that is up."""

    def __init__(self, rehearsal: Rehearsal, catalogue: Catalogue) -> None:
        self._rehearsal, self._speed, self._catalogue = rehearsal, rehearsal.speed, catalogue
        self._breaker = Breaker(rehearsal)
        self._bounds = Bounds(Deployed(rehearsal.state.cluster))
        self._breaker.usual_load()

    def check(self, drill: Drill) -> None:
        """Raises RehearsalError if the drill tells of what is not deployed."""
        for told in drill.told:
            for channel in told.by:
                self._bounds.of(told, channel)

    def run(self, drill: Drill, progress: Progress = lambda _: None) -> Result:
        """Run one drill. Raises RehearsalError if the stack is not quiet to begin with."""
        started = time.monotonic()
        self._breaker.usual_load(orders=drill.customers == "usual")
        self._forget()
        self._wait_until_quiet(drill)
        self._pass(60 * drill.healthy)
        health.CLIENT.delete(f"{self._rehearsal.ports.url('receivers')}/notifications").raise_for_status()
        watch = self._watch(drill)
        with self._healing() as heal:
            broken = self._play(drill, watch, heal, progress)
        timeline = self._finish(drill, watch, broken, progress)
        return Result(drill, timeline, judge(drill, timeline, self._bounds.of), time.monotonic() - started)

    def _forget(self) -> None:
        """Start Prometheus and Alertmanager anew, without what they stored: windows of hours are those of health."""
        state, supervisor = self._rehearsal.state, self._rehearsal.supervisor
        parts = ("prometheus", "alertmanager")
        for name in parts:
            supervisor.stop_program(name)
            shutil.rmtree(state.data / name, ignore_errors=True)
        counts = health.get(f"{self._rehearsal.ports.url('load')}/counts")
        remember(state, usual(self._catalogue, counts, LOAD), self._speed)
        for name in parts:
            supervisor.start_program(name)
        health.wait_for_processes(parts, self._rehearsal.ports, supervisor)

    def _watch(self, drill: Drill) -> Watch:
        """One that begins now."""
        ports, evaluation = self._rehearsal.ports, self._bounds.evaluation_seconds
        return Watch(ports, self._speed, time.time(), evaluation, left_out(drill))

    def _wait_until_quiet(self, drill: Drill) -> None:
        ports = self._rehearsal.ports
        watch = self._watch(drill)
        calm = _Quiet(CALM_SECONDS)
        active: list[str] | None = None
        while watch.stack(time.time()) < 60 * QUIET_MINUTES:
            interruption.check()
            active, now = watch.active(), watch.stack(time.time())
            quiet = active is not None and set(active) <= set(drill.outlast)
            up = all(target.up for target in health.targets(ports))
            beaten = health.get(f"{ports.url('receivers')}/heartbeat")["missed"] is False
            if calm.settled(now, quiet=quiet and up and beaten):
                return
            time.sleep(WAIT_SECONDS)
        raise RehearsalError(
            f"after {QUIET_MINUTES} min of the stack's time without a fault it is not quiet: "
            f"{', '.join(active or ['a target or the heartbeat is missing'])}. The machine may be too busy for "
            f"SPEED={self._speed}; try a lower one"
        )

    def _pass(self, stack_seconds: float) -> None:
        end = time.monotonic() + stack_seconds / self._speed
        while time.monotonic() < end:
            interruption.check()
            time.sleep(min(LOOK_SECONDS, max(0.0, end - time.monotonic())))

    def _play(self, drill: Drill, watch: Watch, heal: dict[int, Undo], progress: Progress) -> list[Broken]:
        """Break and heal at the minutes that the drill says; returns when it really was, in the order of the drill."""
        begun: dict[int, float] = {}
        broken: dict[int, Broken] = {}
        moments = [(60 * fault.end, False, number) for number, fault in enumerate(drill.faults) if fault.to is not None]
        moments += [(60 * fault.from_, True, number) for number, fault in enumerate(drill.faults)]
        for moment, breaks, number in sorted(moments):
            self._look_until(watch, moment, progress)
            fault, now = drill.faults[number], watch.stack(time.time())
            if breaks:
                begun[number] = now
                heal[number] = self._breaker.breaks(fault)
                broken[number] = Broken(fault.words, fault.from_, now, now)
            else:
                heal.pop(number)()
                broken[number] = Broken(fault.words, fault.from_, begun[number], now)
        return [broken[number] for number in range(len(drill.faults))]

    def _look_until(self, watch: Watch, moment: float, progress: Progress) -> None:
        while (now := watch.stack(time.time())) < moment:
            interruption.check()
            watch.look()
            progress(now / 60)
            time.sleep(max(0.0, min(LOOK_SECONDS, (moment - now) / self._speed)))

    def _finish(self, drill: Drill, watch: Watch, broken: list[Broken], progress: Progress) -> Timeline:
        """Wait until all is over, or patience is; and gather what happened."""
        deadline = 60 * (drill.healed + drill.patience)
        calm = _Quiet(SETTLED_SECONDS)
        remaining = ["nothing was looked at"]
        while (now := watch.stack(time.time())) < deadline:
            interruption.check()
            progress(now / 60)
            remaining = self._remaining(drill, watch)
            if calm.settled(now, quiet=not remaining):
                break
            time.sleep(WAIT_SECONDS)
        end = time.time()
        return Timeline(
            faults=[_shown(fault, item, watch, end) for fault, item in zip(drill.faults, broken, strict=True)],
            spans=watch.spans(end),
            sent=watch.sent,
            messages=watch.messages(),
            remaining=remaining,
            length=watch.stack(end),
        )

    def _remaining(self, drill: Drill, watch: Watch) -> list[str]:
        """What is not over yet: alerts, messages that are to come, and what was told and is not told to be over."""
        active = watch.active()
        if active is None:
            return ["Prometheus or Alertmanager does not answer"]
        messages = watch.messages()
        return [
            *(name for name in active if name not in drill.outlast),
            *_to_come(drill, messages),
            *_open(drill, messages),
        ]

    @contextmanager
    def _healing(self) -> Iterator[dict[int, Undo]]:
        """What undoes the faults in force, by their number; those that are left when the block fails are undone."""
        heal: dict[int, Undo] = {}
        try:
            yield heal
        finally:
            for undo in heal.values():
                with suppress(httpx.HTTPError, RehearsalError):
                    undo()


def _shown(fault: Fault, item: Broken, watch: Watch, end: float) -> Broken:
    """The fault, with when it was seen in the series."""
    if not fault.shows:
        return item
    begin = watch.began + item.begin / watch.speed
    return replace(item, shown=watch.first_shown(fault.shows, begin, end), looked=True)


def _to_come(drill: Drill, messages: list[Message]) -> list[str]:
    """Messages that the drill expects and that have not come."""
    wanted: Counter[tuple[str, str, str]] = Counter(
        (told.alert, told.service, channel) for told in drill.told for channel in told.by
    )
    got = Counter((item.alert, item.service, item.channel) for item in messages if item.status == "firing")
    return [f"{channel} is not told of {alert}" for alert, _, channel in (wanted - got)]


def _open(drill: Drill, messages: list[Message]) -> list[str]:
    """What was told last as firing, and will be told to be over."""
    last = {(item.alert, item.service, item.channel): item.status for item in messages}
    for_good = {(told.alert, told.service, channel) for told in drill.told if not told.resolved for channel in told.by}
    return [
        f"{channel} is not told that {alert} is over"
        for (alert, service, channel), status in last.items()
        if status == "firing" and (alert, service, channel) not in for_good and alert not in drill.outlast
    ]
