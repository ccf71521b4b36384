"""`make review`: writes what the alerts of the last days were worth, as a page and as a table for a pull request."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from local import state
from quantities import duration, seconds
from rehearsal.__main__ import CONSOLE, reported
from review.findings import Review, questions, review
from review.history import History, of_cluster, of_rehearsal
from review.page import headline, looked_at, page, table
from review.where import asked, page_options, running, words
from targets import Misuse, Target
from verify.cluster import Kubectl

SINCE, LONGEST = "14d", "52w"
FILE, TABLE = "review.html", ".md"


def _since(_: click.Context, __: click.Parameter, value: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,9}[smhdw]", value):
        raise Misuse(f"SINCE={value}: expected a duration of more than 0 in s, m, h, d or w such as 12h or {SINCE}")
    if not 3600 <= seconds(value) <= seconds(LONGEST):
        raise Misuse(f"SINCE={value}: expected from 1h to {LONGEST}")
    return seconds(value)


@click.command(cls=Target, example="make review SINCE=14d OUT=review.html STACK=prod CONTEXT=kind-dev")
@click.option("--since", default=SINCE, callback=_since, help=f"How far to look back; {SINCE} by default.")
@page_options(FILE, beside=TABLE)
@reported
def main(since: int, out: Path | None, stack: str | None, context: str | None) -> None:
    """Review the alerts of the last days, from what Prometheus and Alertmanager remember; nothing is changed.

    Exit code 1 if a question was not answered; the page is written all the same, and says which.
    """
    context = asked(stack, context)
    file = out or state.from_environment().root / FILE
    file.parent.mkdir(parents=True, exist_ok=True)
    with _history(context) as history:
        found = _reviewed(history, since)
    file.write_bytes(page(found, where=words(context), since=since))
    beside = file.with_suffix(TABLE)
    beside.write_text(table(found, where=words(context), since=since))
    for line in (f"{headline(found)}.", *looked_at(found, since), f"  {file.resolve().as_uri()}", f"  {beside}"):
        CONSOLE.print(line, markup=False)
    for problem in found.problems:
        CONSOLE.print(f"not known: {problem}", markup=False)
    sys.exit(1 if found.problems else 0)


@contextmanager
def _history(context: str | None) -> Iterator[History]:
    if context:
        with closing(Kubectl(context)) as cluster:
            yield of_cluster(cluster)
        return
    yield of_rehearsal(running().ports)


def _reviewed(history: History, since: int) -> Review:
    CONSOLE.print(f"reviewing the last {duration(since)} …", markup=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=CONSOLE) as progress:
        task = progress.add_task("questions", total=None)
        history.on_asked = lambda: progress.advance(task)
        rules = history.rules()
        period = history.period(since, time.time(), min((rule.interval for rule in rules), default=60))
        progress.update(task, total=questions(rules, period))
        return review(history, rules, period)


if __name__ == "__main__":
    main(prog_name="make review")
