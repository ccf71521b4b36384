"""Plays the matrix of notifications against real Alertmanagers, and finds what was not heard as expected."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from tests.signals.alertmanager import Alertmanager, Labels, Receivers, Told, alertmanager, receivers, staged
from tests.signals.matrix import Case, Heard, Run, Step

LATE_SECONDS = 1.0
"""Real time that a message may be late: twice what a busy machine may take. None may be early."""
CLOCK_SECONDS = 0.02
"""What clocks that are read one after the other may differ by."""
RESOLVED_MINUTES = 15
"""For so long Prometheus repeats that an alert is resolved."""
START_SECONDS = 3.0
"""Real time from the start of an Alertmanager to the first alert."""


@dataclass(frozen=True)
class Played:
    """A run that is over, and everything that was heard of it."""

    run: Run
    zero: float
    """Epoch second of minute 0."""
    told: Sequence[Told]

    def wrong(self, case: Case) -> list[str]:
        """What was not heard of a case although expected, and what was heard besides."""
        surplus = sorted((each for each in self.told if each.labels["case"] == case.name), key=lambda each: each.at)
        missing = []
        for expected in case.heard:
            found = next((message for message in surplus if self._is(message, expected)), None)
            if found:
                surplus.remove(found)
            else:
                missing.append(f"not heard in time: {expected}")
        messages = {each.message for each in self.told if each.labels["case"] == case.name}
        if case.messages not in (None, len(messages)):
            missing.append(f"heard in {len(messages)} messages, expected {case.messages}")
        return missing + [f"heard besides: {self._describe(message)}" for message in surplus]

    def _is(self, message: Told, expected: Heard) -> bool:
        earliest = self.zero + 60 * expected.earliest / self.run.factor - CLOCK_SECONDS
        latest = self.zero + 60 * expected.latest / self.run.factor + LATE_SECONDS
        same = (message.who, message.status, _own(message.labels)) == (expected.who, expected.status, expected.alert)
        return same and earliest <= message.at <= latest

    def _describe(self, message: Told) -> str:
        minute = (message.at - self.zero) * self.run.factor / 60
        return f"at {minute:.2f} min {message.who} {message.status} {_own(message.labels)}"


@contextmanager
def played(runs: Sequence[Run], configuration: dict[str, Any], directory: Path) -> Iterator[dict[str, Played]]:
    """Every run by its name, all played at the same time; leaving the block ends those that still play."""
    interrupted = threading.Event()
    with receivers() as server, ThreadPoolExecutor(len(runs)) as pool:
        players = {run.name: _Player(run, configuration, server, interrupted) for run in runs}
        plays = {name: pool.submit(player.play, directory / name) for name, player in players.items()}
        try:
            zeros = {name: play.result() for name, play in plays.items()}
            yield {run.name: Played(run, zeros[run.name], players[run.name].told) for run in runs}
        finally:
            interrupted.set()


class _Player:
    """Plays one run."""

    def __init__(
        self, run: Run, configuration: dict[str, Any], server: Receivers, interrupted: threading.Event
    ) -> None:
        self._run = run
        self._configuration = configuration
        self._server = server
        self._interrupted = interrupted
        self._cases = {case.name for case in run.cases}
        self._zero = 0.0

    @property
    def told(self) -> list[Told]:
        """What was heard of the run's cases."""
        return [message for message in self._server.told if message.labels["case"] in self._cases]

    def play(self, directory: Path) -> float:
        """Play all cases to the end; returns the epoch second of minute 0."""
        steps = sorted(
            ((case.name, step) for case in self._run.cases for step in case.steps), key=lambda pair: pair[1].minute
        )
        self._zero = time.time() + START_SECONDS - 60 * steps[0][1].minute / self._run.factor
        configuration = staged(self._configuration, self._run.factor, sorted(self._cases), self._server.url)
        with alertmanager(configuration, directory) as running:
            for minute, together in groupby(steps, key=lambda pair: pair[1].minute):
                self._wait_for(minute, running)
                self._act(running, dict(together))
            self._wait_for(self._run.until, running)
        return self._zero

    def _act(self, running: Alertmanager, steps: dict[str, Step]) -> None:
        """What happens to each case at one moment; what fires together does so in one request."""
        for case, step in steps.items():
            self._server.away |= {(who, case) for who in step.away}
            self._server.away -= {(who, case) for who in step.back}
        self._change(running, steps)
        for case, step in steps.items():
            for alert in _of_case(case, step.silences):
                running.silence(alert, datetime.fromtimestamp(self._moment(step.until), UTC))
        if fires := [alert for case, step in steps.items() for alert in _of_case(case, step.fires)]:
            running.fire(*fires)
        if resolves := [alert for case, step in steps.items() for alert in _of_case(case, step.resolves)]:
            running.resolve(*resolves)

    def _change(self, running: Alertmanager, steps: dict[str, Step]) -> None:
        """What happens to Alertmanager itself, and so to all cases."""
        if any(step.reloads for step in steps.values()):
            running.reload()
        if any(step.restarts for step in steps.values()):
            running.stop()
            running.start()

    def _moment(self, minute: float) -> float:
        return self._zero + 60 * minute / self._run.factor

    def _wait_for(self, minute: float, running: Alertmanager) -> None:
        """Wait, and meanwhile repeat each minute what was posted, or as often as this machine can."""
        minutes = timedelta(minutes=1) / self._run.factor
        while (left := self._moment(minute) - time.time()) > 0 and not self._interrupted.is_set():
            self._interrupted.wait(min(left, minutes.total_seconds()))
            if left > minutes.total_seconds():
                running.repeat(RESOLVED_MINUTES * minutes)


def _of_case(case: str, alerts: Sequence[Labels]) -> list[Labels]:
    """Alerts with the label that tells them from those of other cases."""
    return [alert | {"case": case} for alert in alerts]


def _own(labels: Labels) -> Labels:
    return {name: value for name, value in labels.items() if name != "case"}
