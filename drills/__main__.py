"""`make drill`: runs drills against a rehearsal of their own, and writes the page of what happened."""

from __future__ import annotations

import time
from collections.abc import Sequence

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from drills import model, own
from drills.own import CONSOLE
from drills.page import page
from drills.run import Result, Runner
from drills.stack import deployment
from drills.summary import latencies, line
from targets import Target

SPEED = 30
"""The speed of drills unless SPEED says another."""


@click.command(cls=Target, example="make drill NAME=killed")
@click.option("--name", "names", multiple=True, metavar="NAME", help="Only this drill; may be given several times.")
@click.option("--list", "listed", is_flag=True, help="Say which drills there are, and run none.")
def main(names: Sequence[str], listed: bool) -> None:
    """Break a rehearsal of its own in the ways that drills.yaml declares, and say whether the right people are told.

    Each drill begins in a stack that is quiet and ends when it is again. Exit code 0 if all held, 1 if one did not,
    2 if they could not be run, 130 if interrupted; what was started is stopped in each case.

    Environment: SPEED, by default 30, is how many times as fast the stack's time goes; PORT_OFFSET moves the ports,
    by default by 15000; STATE is the directory, by default .rehearsal-drills.
    """
    own.ended(lambda: _chosen(names, listed))


def _chosen(names: Sequence[str], listed: bool) -> bool:
    """Run the drills of these names, or say which there are; returns whether all held."""
    drills = model.chosen(model.read(), tuple(names))
    if listed:
        _list()
        return True
    return all(result.verdict.held for result in _run(drills))


def _list() -> None:
    for drill in model.read():
        CONSOLE.print(f"{drill.name:20} {drill.about}", markup=False)


def _run(drills: Sequence[model.Drill]) -> list[Result]:
    began = time.time()
    results: list[Result] = []
    with own.rehearsal(SPEED) as rehearsal:
        CONSOLE.print(f"starting a rehearsal {rehearsal.speed} times as fast as deployed …")
        stack = deployment(rehearsal)
        stack.up()
        runner = Runner(rehearsal, stack.catalogue)
        for drill in drills:
            runner.check(drill)
        try:
            _drill(runner, drills, results)
        finally:  # what was found is told, also where the rest could not be run
            file = rehearsal.state.root / "drills.html"
            file.write_bytes(page(results, speed=rehearsal.speed, began=began))
            _tell(results, time.time() - began)
            CONSOLE.print(f"  {file.as_uri()}", markup=False)
    return results


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
