"""`make drill`: runs drills against a rehearsal of their own, and writes the page of what happened."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import httpx
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from drills import model
from drills.page import page
from drills.run import Result, Runner
from drills.stack import deployment
from drills.summary import latencies, line
from rehearsal import interruption, ports, speed
from rehearsal.errors import RehearsalError
from rehearsal.lifecycle import Rehearsal
from rehearsal.ports import Ports
from rehearsal.state import ROOT, State
from validation import InvalidInputError

CONSOLE = Console(highlight=False, soft_wrap=True)
SPEED = 30
"""The speed of drills unless SPEED says another."""
OFFSET = 15_000
"""Of the ports of a rehearsal for drills, unless PORT_OFFSET says another: one that people use may run beside it."""
HELD, FAILED, UNABLE, INTERRUPTED = 0, 1, 2, 130


@click.command()
@click.option("--name", "names", multiple=True, metavar="NAME", help="Only this drill; may be given several times.")
@click.option("--list", "listed", is_flag=True, help="Say which drills there are, and run none.")
def main(names: Sequence[str], listed: bool) -> None:
    """Break a rehearsal of its own in the ways that drills.yaml declares, and say whether the right people are told.

    Each drill begins in a stack that is quiet and ends when it is again. Exit code 0 if all held, 1 if one did not,
    2 if they could not be run, 130 if interrupted; what was started is stopped in each case.

    Environment: SPEED, by default 30, is how many times as fast the stack's time goes; PORT_OFFSET moves the ports,
    by default by 15000; STATE is the directory, by default .rehearsal-drills.
    """
    interruption.listen()
    try:
        drills = model.chosen(model.read(), tuple(names))
        if listed:
            _list()
            return
        results = _run(drills)
    except (RehearsalError, InvalidInputError) as error:
        CONSOLE.print(f"Error: {error}", markup=False)
        sys.exit(UNABLE)
    except httpx.HTTPError as error:
        CONSOLE.print(f"Error: a process of the rehearsal did not answer: {error}", markup=False)
        sys.exit(UNABLE)
    except KeyboardInterrupt:
        CONSOLE.print("interrupted")
        sys.exit(INTERRUPTED)
    sys.exit(HELD if all(result.verdict.held for result in results) else FAILED)


def _list() -> None:
    for drill in model.read():
        CONSOLE.print(f"{drill.name:20} {drill.about}", markup=False)


def _run(drills: Sequence[model.Drill]) -> list[Result]:
    state = State(_directory())
    asked = ports.from_environment() or Ports(OFFSET)
    rehearsal = Rehearsal(state, asked, pace=speed.from_environment() or SPEED)
    if rehearsal.supervisor.running:
        raise RehearsalError(f"STATE={state.root}: a rehearsal runs there; stop it: make down STATE={state.root}")
    began = time.time()
    results: list[Result] = []
    with _stopped_at_the_end(rehearsal):
        rehearsal.clean()
        CONSOLE.print(f"starting a rehearsal {rehearsal.speed} times as fast as deployed …")
        stack = deployment(rehearsal)
        stack.up()
        runner = Runner(rehearsal, stack.catalogue)
        for drill in drills:
            runner.check(drill)
        try:
            _drill(runner, drills, results)
        finally:  # what was found is told, also where the rest could not be run
            file = state.root / "drills.html"
            file.write_bytes(page(results, speed=rehearsal.speed, began=began))
            _tell(results, time.time() - began)
            CONSOLE.print(f"  {file.as_uri()}", markup=False)
    return results


def _directory() -> Path:
    return Path(os.environ.get("STATE") or ROOT / ".rehearsal-drills").resolve()


@contextmanager
def _stopped_at_the_end(rehearsal: Rehearsal) -> Iterator[None]:
    """Stop what runs when the block ends, however it does; a second Ctrl-C does not keep it from that."""
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        rehearsal.down()


def _drill(runner: Runner, drills: Sequence[model.Drill], results: list[Result]) -> None:
    columns = (
        TextColumn("{task.description:20}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=CONSOLE) as progress:
        whole = progress.add_task("drills", total=len(drills))
        for drill in drills:
            task = progress.add_task(drill.name, total=drill.healed)
            result = runner.run(drill, lambda minutes, task=task: progress.update(task, completed=minutes))  # type: ignore[misc]
            results.append(result)
            progress.remove_task(task)
            progress.advance(whole)
            CONSOLE.print(line(result), markup=False)


def _tell(results: Sequence[Result], real_seconds: float) -> None:
    for text in latencies(results):
        CONSOLE.print(text, markup=False)
    held = sum(result.verdict.held for result in results)
    CONSOLE.print(f"{held} of {len(results)} drills held, in {real_seconds / 60:.1f} min", markup=False)


if __name__ == "__main__":
    main(prog_name="make drill")
