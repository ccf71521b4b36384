"""`make soak`: a healthy system's noise, and whether anybody is told of it.

`HOURS=4` plays it against a rehearsal of its own, `DAYS=14` through all rules by promtool.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from catalogue import Objectives
from drills import own
from drills.bounds import Bounds
from drills.noise import Noise, plan
from drills.noisemaker import Noisemaker, undone
from drills.own import CONSOLE
from drills.silence import TOLD, Outcome, Played, clock, report
from drills.watch import Watch
from facts import ROOT
from local import interruption
from local.errors import RehearsalError
from quantities import seconds
from rehearsal import health
from rehearsal.deployed import Deployed
from rehearsal.deployment import Deployment
from rehearsal.lifecycle import Rehearsal
from targets import Misuse, Target

LOOK_SECONDS, LOOK_REAL_SECONDS = 5.0, 0.5
"""Between two looks at Alertmanager, in the stack's time; but by the real clock not more often than this."""
OBJECTIVE = Objectives().availability
"""What the catalogue promises where it says nothing else: percentage of the requests that do not fail."""

DAYS, LONGEST_DAYS = 14, 60
"""That are played through the rules by default, and at most: promtool has all of their samples in memory."""

Tell = Callable[[str], None]
Now = Callable[[float, str], None]
"""Is told how many minutes have been played, and what is played now."""


class Soak:
    """Plays noise against one rehearsal from its start on, and notes what comes of it.

    The rehearsal is made without customers (`rate=0`).
    """

    def __init__(
        self, rehearsal: Rehearsal, tell: Tell = lambda _: None, now: Now = lambda _minutes, _what: None
    ) -> None:
        self._rehearsal, self._ports, self._speed = rehearsal, rehearsal.ports, rehearsal.speed
        self._noisemaker = Noisemaker(rehearsal)
        self._tell, self._now = tell, now
        self._played: list[Played] = []
        self._said = 0

    def up(self) -> None:
        """Start the stack. What that tells is part of the soak, whose time begins when all of it works."""
        began = time.time()
        Deployment(self._rehearsal, lambda _: None).up()
        bounds = Bounds(Deployed(self._rehearsal.state.cluster))
        self._severities = {name: rule["labels"]["severity"] for name, rule in bounds.alerts.items()}
        self._waits = {name: seconds(rule.get("for", "0s")) for name, rule in bounds.alerts.items()}
        self._brief = self._waits["ServiceDown"] - bounds.scrape_seconds
        self._watch = Watch(self._ports, self._speed, began, bounds.evaluation_seconds)
        self._zero = self._watch.stack(time.time())

    def play(self, noises: Sequence[Noise], minutes: float) -> None:
        """Play this noise, and go on until so many minutes have been played since the soak began."""
        for noise in noises:
            self._wait(min(noise.at, minutes))
            if self._minutes() >= minutes:
                break
            at = 60 * self._minutes()
            self._tell(f"{clock(at)} {noise.words}")
            self._now(at / 60, noise.words)
            away, undo = self._noisemaker.makes(noise)
            self._played.append(Played(noise, at, away))
            with undone(undo):
                self._wait(self._minutes() + noise.minutes, noise.words)
        self._wait(minutes)

    def outcome(self) -> Outcome:
        """All that has come of it so far."""
        end, zero = time.time(), self._zero
        counts = health.get(f"{self._ports.url('load')}/counts")
        return Outcome(
            length=self._watch.stack(end) - zero,
            played=self._played,
            spans=[replace(span, begin=span.begin - zero, end=span.end - zero) for span in self._watch.spans(end)],
            messages=[replace(message, at=message.at - zero) for message in self._watch.messages()],
            notes=frozenset(name for name, severity in self._severities.items() if severity == "info"),
            beats=health.get(f"{self._ports.url('receivers')}/heartbeat")["count"],
            counts=counts["responses"],
            unanswered=counts["unanswered"],
            waits=self._waits,
            brief=self._brief,
        )

    def _minutes(self) -> float:
        """Since the soak began."""
        return (self._watch.stack(time.time()) - self._zero) / 60

    def _wait(self, minute: float, what: str = "") -> None:
        while (left := minute - self._minutes()) > 0:
            interruption.check()
            self._watch.look()
            self._say_what_is_new()
            self._now(self._minutes(), what)
            time.sleep(min(max(LOOK_SECONDS / self._speed, LOOK_REAL_SECONDS), 60 * left / self._speed))

    def _say_what_is_new(self) -> None:
        sent = self._watch.sent
        for item in sent[self._said :]:
            severity = self._severities.get(item.alert, "unknown")
            mark = "FIRES" if severity in TOLD else "is noted"
            self._tell(f"{clock(item.at - self._zero)} {item.alert} of {item.service} {mark} ({severity})")
        self._said = len(sent)


@click.command(cls=Target, example="make soak DAYS=14, or HOURS=4 SEED=7")
@click.option("--days", type=click.IntRange(1, LONGEST_DAYS), help="Through all rules instead; 14 by default.")
@click.option("--hours", type=click.FloatRange(0, 24 * 14, min_open=True), help="Of the stack's time.")
@click.option("--seed", type=int, help="Plays the same noise again; by default another one each time.")
def main(days: int | None, hours: float | None, seed: int | None) -> None:
    """Play hours of a healthy system's noise against a rehearsal of its own: nobody may be told anything but notes.

    It begins with the stack's start and a quiet night. Then customers come, in bursts and lulls, and err; services and
    parts of the monitoring restart, are rolled out and reloaded; scrapes are missed, and single requests fail. Exit
    code 0 if nothing critical and no warning fired and no receiver was told anything but an info, 1 otherwise, 2 if it
    could not be run, 130 if interrupted; what was started is stopped in each case.

    Environment: SPEED, by default 1, is how many times as fast the stack's time goes. Customers are not: beyond SPEED=3
    a window of 5 min holds fewer requests, 3/SPEED of them, and each one that fails weighs more. A restart takes two
    real seconds, which are SPEED times as long to the stack: beyond 1 customers wait for its end instead of failing,
    and beyond 10 it may be an outage. PORT_OFFSET moves the ports, by default by 15000; STATE is the directory, by
    default .rehearsal-drills.
    """
    if hours is None:
        sys.exit(_days(days or DAYS, seed))
    if days is not None:
        raise Misuse(
            f"DAYS={days} plays a healthy system through all rules, HOURS={hours:g} in the running stack: give one"
        )
    own.ended(lambda: _soak(hours, random.SystemRandom().randrange(10_000) if seed is None else seed))


def _days(days: int, seed: int | None) -> int:
    """What the test of so many days says."""
    if seed is not None:
        raise Misuse(f"SEED={seed} is for HOURS: days are the same each time")
    click.echo(f"playing {days} days of a healthy system through all rules, about a minute a day …")
    command = [sys.executable, "-m", "pytest", "tests/signals/test_healthy.py"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"DAYS": str(days)}, check=False).returncode


def _soak(hours: float, seed: int) -> bool:
    """Whether it was silent. Raises RehearsalError if what was told is of a machine that was too slow."""
    columns = (
        TextColumn("{task.fields[now]:32}"),
        BarColumn(),
        TextColumn("{task.fields[played]}"),
        TimeElapsedColumn(),
    )
    with own.rehearsal(1, rate=0) as rehearsal, Progress(*columns, console=CONSOLE) as progress:
        whole = progress.add_task("", total=60 * hours, now="starting", played="")

        def tell(text: str) -> None:
            CONSOLE.print(text, markup=False)

        def now(minutes: float, what: str) -> None:
            played = f"{clock(60 * minutes)} of {clock(3600 * hours)}"
            progress.update(whole, completed=minutes, now=what or "the usual", played=played)

        tell(f"SEED={seed}: starting a rehearsal {rehearsal.speed} times as fast as deployed …")
        soak = Soak(rehearsal, tell, now)
        soak.up()
        try:
            soak.play(plan(60 * hours, seed), 60 * hours)
        finally:  # what was found is told, also where the rest could not be played
            outcome = soak.outcome()
            for line in report(outcome, OBJECTIVE):
                tell(line)
    if not outcome.silent and outcome.too_long:
        raise RehearsalError(
            f"restarts took longer than the {outcome.brief:.0f} s of the stack's time in which they are no outage: "
            f"the machine is too busy for SPEED={rehearsal.speed}; try a lower one"
        )
    return outcome.silent


if __name__ == "__main__":
    main(prog_name="make soak")
