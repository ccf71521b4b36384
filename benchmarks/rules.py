"""`make bench-rules`: does evaluating the rules stay cheap as services are added?"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console

from benchmarks import report, stack
from benchmarks.command import reported
from benchmarks.fleet import catalogue_of
from benchmarks.history import backfill, check_full
from benchmarks.measurement import measure
from benchmarks.progress import Progress, Tell
from benchmarks.report import Run
from catalogue import Catalogue
from quantities import seconds
from settings import Settings
from targets import Misuse, Target

SIZES = (6, 60, 600)
WARM_UP_SECONDS = 60
"""Every target has been scraped twice then, and every group but the budget's evaluated four times."""


def run_all(sizes: Sequence[int], measured_seconds: float, progress: Progress) -> list[Run]:
    """Measure each number of services. Rules are made before anything starts, so that an edit cannot come between."""
    settings = stack.production()
    prepared = [(catalogue, stack.rules_of(catalogue, settings)) for catalogue in map(catalogue_of, sizes)]
    return [
        run(catalogue, settings, rules, measured_seconds, progress.of(len(catalogue.services)))
        for catalogue, rules in prepared
    ]


def run(catalogue: Catalogue, settings: Settings, rules: stack.Rules, measured_seconds: float, tell: Tell) -> Run:
    """Measure one number of services, from an empty directory that is removed at the end."""
    services, interval = len(catalogue.services), seconds(settings.scrape.infrastructure)
    with tempfile.TemporaryDirectory(prefix="bench-rules-") as name:
        storage = Path(name) / "data"
        storage.mkdir()
        backfill(catalogue, storage, lambda text: tell(text, 0))
        with stack.running(catalogue, settings, rules, Path(name)) as client:
            cost = measure(client, interval, WARM_UP_SECONDS, measured_seconds, tell)
            check_full(client, services)
    return Run(services, rules.plain, rules.generated, cost)


@click.command(cls=Target, example="make bench-rules SIZES=6,60,600")
@click.option("--sizes", default=",".join(map(str, SIZES)), show_default=True, help="Numbers of services, ascending.")
@click.option(
    "--minutes",
    type=click.FloatRange(min=3.5),
    default=4,
    show_default=True,
    help="How long each is measured, after a minute of warm-up; the error budget is evaluated every 3 minutes.",
)
@reported
def main(sizes: str, minutes: float) -> None:
    """Measure what the rules cost a real Prometheus with 6, 60 and 600 services, and write docs/benchmarks.md.

    Fails if an iteration was missed, an evaluation failed, the number of plain rules depends on the services, or time
    grows faster than they do. Only the default sizes are written down.
    """
    console = Console(highlight=False, soft_wrap=True)
    counts = _counts(sizes)
    with Progress(console) as progress:
        runs = run_all(counts, 60 * minutes, progress)
    report.show(runs, console)
    found = report.problems(runs)
    for problem in found:
        console.print(problem, style="red")
    if not found and tuple(counts) == SIZES:
        report.PAGE.write_text(report.with_results(report.PAGE.read_text(), runs))
        console.print(f"written to docs/{report.PAGE.name}")
    sys.exit(bool(found))


def _counts(sizes: str) -> list[int]:
    try:
        counts = [int(size) for size in sizes.split(",")]
    except ValueError:
        counts = []
    if not counts or counts != sorted(set(counts)) or counts[0] < 1:
        raise Misuse(f"SIZES={sizes}: expected ascending numbers such as 6,60,600")
    return counts


if __name__ == "__main__":
    main()
