"""`make incident`: writes one page of an incident, from what the stack remembers of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from incident.facts import last_page
from incident.found import LAST_PAGE_SECONDS, Incident, last, look
from incident.page import headline, page
from incident.place import Place, place
from incident.when import Moment, around, checked, clock, moment
from local import state
from local.errors import RehearsalError
from rehearsal.__main__ import CONSOLE, reported
from review.where import asked, page_options
from targets import Target, variable

FILE = "incident.html"


def _moment(_: click.Context, parameter: click.Parameter, value: str | None) -> Moment | None:
    return None if value is None else Moment(value, moment(variable(parameter), value, time.time()))


@click.command(cls=Target, example="make incident FROM=14:05 TO=15:00 OUT=incident.html STACK=prod CONTEXT=kind-dev")
@click.option(
    "--from", "start", callback=_moment, help="When it began, as 14:05, 2026-12-03T14:05, or 90m for so long ago."
)
@click.option("--to", callback=_moment, help="When it was over; by default now.")
@page_options(FILE)
@reported
def main(start: Moment | None, to: Moment | None, out: Path | None, stack: str | None, context: str | None) -> None:
    """Write one page of an incident: timeline, panels that moved, errors in the logs, what was muted.

    Without FROM it is the last page that fired, from 15 min before it to 5 min after it, or its first 7 days if it
    fired for longer. Nothing is changed.

    Exit code 1 if a question was not answered; the page is written all the same, and says which.
    """
    now = time.time()
    named = checked(start, to, now) if start else None
    context = asked(stack, context)
    file = out or state.from_environment().root / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    with place(context) as at:
        found = _found(at, *(named or _around_last_page(at, to.at if to else now, now)), now)
        file.write_bytes(page(found, at))
    CONSOLE.print(f"{headline(found)}.\n  {file.resolve().as_uri()}", markup=False)
    for problem in found.problems:
        CONSOLE.print(f"not known: {problem}", markup=False)
    sys.exit(1 if found.problems else 0)


def _around_last_page(at: Place, to: float, now: float) -> tuple[float, float]:
    """The time of the last page that began before `to`."""
    CONSOLE.print("looking for the last page; FROM= names another time …", markup=False)
    found = last_page(last(at.history, to))
    if found is None:
        days = LAST_PAGE_SECONDS // 86_400
        raise RehearsalError(f"no page fired in the {days} days before {clock(to)}; name the time: FROM=14:05")
    start, end = around(found, min(to, now))
    if end < found[1]:
        CONSOLE.print(f"the last page lasted until {clock(found[1])}: shown until {clock(end)}", markup=False)
    return start, end


def _found(at: Place, start: float, end: float, now: float) -> Incident:
    CONSOLE.print(f"asking about {clock(start)} to {clock(end)} …", markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=CONSOLE) as progress:

        def begin(panels: int) -> Callable[[], object]:
            task = progress.add_task("panels", total=panels)
            return lambda: progress.advance(task)

        return look(at, start, end, now, begin)


if __name__ == "__main__":
    main(prog_name="make incident")
