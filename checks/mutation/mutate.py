"""`make mutate`: how many mistakes in the rules would their tests notice?

Every rule of `alerts/` and of the generated normalisation is given one mistake at a time (see mutants.py), in a copy,
and the promtool tests that can notice it run. A mutant that they let pass has survived: either a test is missing, or
the mutant means the same as the rule; then it is listed in `equivalent/<rule file>.yaml` with its reason.
`make mutate` fails on a survivor that is not listed there, and on an entry that does not survive.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Annotated

import click
from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

import documents
from checks.mutation.rule_files import Key, Mutant, all_mutants
from checks.mutation.trial import Trial, controls, suites, survivors, trials
from engine.toolchain import ToolchainError, tool
from invalid import one_of
from local import interruption
from local.errors import explained
from problems import validated
from targets import Misuse, Target
from validation import InvalidInputError, Line, Section, text

EQUIVALENT = Path(__file__).with_name("equivalent")
"""Directory of the lists of mutants that no test can kill, one for each rule file that has some."""
NEEDED = 0.90
"""Share of all mutants that must be killed: equivalent ones exist, but a long list of them is an excuse."""
BATCH = 32
"""How many mutants one promtool tries at most."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


Change = Annotated[str, text(r"[\s\S]+", "a change as make mutate shows it")]


class Equivalent(Section):
    """Mutants of one rule that mean the same as the rule, and why."""

    rule: Line
    operator: Line
    changes: tuple[Change, ...] = Field(min_length=1)
    reason: Annotated[str, text(r"[\s\S]{20,}", "a reason of at least 20 letters")]

    @property
    def keys(self) -> list[Key]:
        """Keys of the mutants."""
        return [(self.rule, self.operator, change) for change in self.changes]


@dataclass(frozen=True)
class Outcome:
    """What a run found."""

    mutants: list[Mutant]
    survivors: list[Mutant]
    explained: set[Key]
    """What the list says is equivalent."""
    needed: float = NEEDED

    @property
    def killed(self) -> int:
        """Number of mutants that a test noticed."""
        return len(self.mutants) - len(self.survivors)

    @property
    def equivalent(self) -> int:
        """Number of survivors that are listed."""
        return sum(mutant.key in self.explained for mutant in self.survivors)

    def problems(self) -> list[str]:
        """What makes the run fail, each with its remedy."""
        survived = {mutant.key for mutant in self.survivors}
        found = [
            f"survived: {mutant}\n    Add a test that fails on it, or list it in {EQUIVALENT.name}/{mutant.file}.yaml "
            "with its reason."
            for mutant in self.survivors
            if mutant.key not in self.explained
        ]
        stale = [" | ".join(key) for key in sorted(self.explained - survived)]
        found += [f"{EQUIVALENT.name}/: no such mutant survives, remove it: {key}" for key in stale]
        if self.killed < self.needed * len(self.mutants):
            share = self.killed / len(self.mutants)
            found.append(
                f"only {share:.1%} of all mutants were killed; {self.needed:.0%} are needed, equivalent or not"
            )
        return found


def equivalents(directory: Path = EQUIVALENT) -> list[Equivalent]:
    """The survivors that are equivalent. Raises InvalidInputError if a list is not as it must be."""
    return [
        validated(Equivalent, entry, path, f"{directory.name}/{path.name}", below=(number,))
        for path in sorted(directory.glob("*.yaml"))
        for number, entry in enumerate(documents.read(path) or [])
    ]


class TestsFailError(Exception):
    """The tests fail without a mistake, so they can notice none."""


def plain_console() -> Console:
    """A console that prints names and expressions as they are."""
    return Console(emoji=False, highlight=False, soft_wrap=True)


def run(chosen: list[Mutant], jobs: int, console: Console, everything: bool = True) -> Outcome:
    """Try mutants, which are all unless `everything` says otherwise.

    Raises InvalidInputError if a list of equivalent mutants is wrong, ToolchainError if there is no promtool,
    TestsFailError, and RuntimeError if promtool does not work.
    """
    rules = {mutant.rule for mutant in chosen}
    explained = {key for entry in equivalents() for key in entry.keys if key[0] in rules or everything}
    tool("promtool")
    covering = suites()
    unharmed = controls(chosen)
    passing = _survivors("rules as they are", trials(unharmed, covering), jobs, console)
    if failing := [control.rule for control in unharmed if control not in passing]:
        raise TestsFailError(
            f"tests fail without a mistake in {', '.join(failing)}; see: pytest tests/contract/test_rules.py"
        )
    living = _survivors("mutants", trials(chosen, covering), jobs, console)
    return Outcome(chosen, living, explained, NEEDED if everything else 0)


def _survivors(what: str, found: list[Trial], jobs: int, console: Console) -> list[Mutant]:
    """Those that survive, in their order. Threads do, as promtool does the work."""
    size = min(BATCH, math.ceil(len(found) / jobs))
    batches = [found[start : start + size] for start in range(0, len(found), size)]
    stop = Event()
    with ThreadPoolExecutor(jobs) as pool, _progress(what, len(found), console) as advance:
        running = {pool.submit(survivors, batch, stop): batch for batch in batches}
        try:
            for done in as_completed(running):
                advance(len(running[done]))
            return [mutant for done in running for mutant in done.result()]
        except BaseException:
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@contextmanager
def _progress(what: str, total: int, console: Console) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, otherwise a line for each tenth."""
    if not console.is_terminal:
        done = 0

        def advance(more: int) -> None:
            nonlocal done
            done += more
            if done * 10 // total > (done - more) * 10 // total:
                console.print(f"{what}: {done} of {total}")

        yield advance
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda more: progress.advance(task, more)


def report(outcome: Outcome, console: Console) -> None:
    """Print the score of each operator, and both scores of all."""
    table = Table("operator", "killed", "mutants", "score", box=None)
    survivors = Counter(mutant.mutation.operator for mutant in outcome.survivors)
    for operator, made in Counter(mutant.mutation.operator for mutant in outcome.mutants).items():
        killed = made - survivors[operator]
        table.add_row(operator, str(killed), str(made), f"{killed / made:.1%}")
    total = len(outcome.mutants)
    table.add_row("all", str(outcome.killed), str(total), f"{outcome.killed / total:.1%}", style="bold")
    console.print(table)
    console.print(f"Survivors: {len(outcome.survivors)}, of which {outcome.equivalent} are listed as equivalent.")
    if real := total - outcome.equivalent:
        console.print(f"Score: {outcome.killed / real:.1%} of the {real} others are killed.", style="bold")


def _chosen(file: str | None, rule: str | None) -> list[Mutant]:
    known = all_mutants()
    found = [mutant for mutant in known if file in (None, mutant.file) and rule in (None, mutant.rule)]
    if not found:
        files = sorted({mutant.file for mutant in known})
        if file not in (None, *files):
            raise Misuse(f"FILE={file}: expected {one_of(files, str(file))}")
        names = sorted({mutant.rule for mutant in known if file in (None, mutant.file)})
        raise Misuse(f"RULE={rule}: expected {one_of(names, str(rule))}")
    return found


@click.command(cls=Target, example="make mutate FILE=services RULE=ServiceDown")
@click.option("--file", help="Only the rules of this file: its name without .yaml, or `normalisation`.")
@click.option("--rule", help="Only this alert, or this recorded series.")
@click.option("--jobs", type=click.IntRange(1, os.cpu_count()), default=os.cpu_count(), help="How many at once.")
def main(file: str | None, rule: str | None, jobs: int) -> None:
    """Make one mistake at a time in the rules, and count how many their tests notice.

    Fails if one is not noticed and not in equivalent/, if one listed there is noticed or gone, and if fewer than
    90 % of all are noticed.
    """
    interruption.listen()
    console, started = plain_console(), time.monotonic()
    with explained():
        chosen = _chosen(file, rule)
    try:
        outcome = run(chosen, jobs, console, everything=not (file or rule))
    except (InvalidInputError, ToolchainError, TestsFailError, RuntimeError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        console.print("Interrupted.")
        sys.exit(INTERRUPTED)
    report(outcome, console)
    problems = outcome.problems()
    for problem in problems:
        console.print(problem, markup=False)
    console.print(f"{time.monotonic() - started:.0f} s")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
