"""`make bench-dashboards`: what does it cost Prometheus to show each dashboard?

A snapshot of a rehearsal is grown to many services and many days, imported as blocks, and served by a Prometheus that
does nothing but answer. Each dashboard is asked for what Grafana would ask for, with everything chosen.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import httpx
from rich.console import Console

import catalogue as catalogues
import dashboards
from benchmarks import dashboard_tables as tables
from benchmarks import dataset, queries, snapshot, stack
from benchmarks.command import reported
from benchmarks.dashboard_tables import Load, Results
from benchmarks.dataset import Extent, Kept, Made
from benchmarks.errors import BenchmarkError
from benchmarks.fleet import grown
from benchmarks.progress import Progress, Tell
from benchmarks.queries import Query
from benchmarks.snapshot import Seen
from catalogue import Catalogue
from checks import promql
from facts import ROOT
from quantities import seconds
from report.board import Board, read
from settings import Settings
from simulation.exporters.shapes import DAY
from targets import Target, writable

SERVICES = 60
DAYS = 15.0
ROUNDS = 3
INFRASTRUCTURE_SECONDS = 60
"""Between two samples of nodes, Kubernetes and the monitoring itself: the production stack's interval is a quarter of
it, but these series are half of all, and the text of which blocks are made would be 150 GB."""
EVALUATION = "15s"
"""How often rules are evaluated where their group says nothing else: the production stack's interval."""


@dataclass(frozen=True)
class Stack:
    """What a number of services is observed with."""

    settings: Settings
    catalogue: Catalogue
    boards: tuple[Board, ...]
    intervals: Mapping[str, str]
    """Time between two samples of each recorded series."""

    @classmethod
    def of(cls, catalogue: Catalogue, settings: Settings) -> Stack:
        """The dashboards and the rules that the program deploys for a catalogue."""
        boards = tuple(map(read, dashboards.load(catalogue, settings).values()))
        intervals = {
            rule["record"]: group.get("interval", EVALUATION)
            for group in stack.rules_of(catalogue, settings).groups
            for rule in group["rules"]
            if "record" in rule
        }
        return cls(settings, catalogue, boards, intervals)

    @property
    def scrape(self) -> float:
        """Seconds between two scrapes, as the data source states them."""
        return seconds(self.settings.scrape.applications)

    def queries(self, board: Board, length: float, end: float) -> list[Query]:
        """The queries of a dashboard."""
        return queries.of_board(board, length, end, self.scrape)

    @property
    def names(self) -> set[str]:
        """Names of all series that the dashboards read."""
        found: set[str] = set()
        for board in self.boards:
            found |= {name for selector in queries.selectors(board) for name in reads(selector)}
            for query in self.queries(board, board.since, time.time()):
                found |= reads(query.expr)
        return found - dataset.INVENTED

    def step(self, seen: Seen) -> int:
        """Seconds between two samples of a series."""
        evaluated = self.intervals.get(seen.name)
        services = {service.name for service in self.catalogue.services}
        if evaluated:
            return seconds(evaluated)
        of_service = seen.labels.get("job") in services | {"service-probes"}
        return seconds(self.settings.scrape.applications) if of_service else INFRASTRUCTURE_SECONDS


def reads(expr: str) -> set[str]:
    """Names of the series that an expression reads; of a choice of names its pattern."""
    return {promql.metric(selector) for selector in promql.selectors(promql.parse(expr))}


def make(kept: Kept, services: int, days: float, tell: Tell) -> tuple[Made, Stack]:
    """The data set of a directory, made if there is none, and the stack that it is of.

    Raises BenchmarkError if the directory has another data set.
    """
    production = stack.production()
    model = Stack.of(catalogues.load(ROOT / "services.yaml").of_stack(production), production)
    if services < len(model.catalogue.services):
        raise BenchmarkError(f"--services {services}: the application has {len(model.catalogue.services)} already")
    catalogue, copy_of = grown(model.catalogue, services)
    whole = Stack.of(catalogue, model.settings)
    if made := kept.made():
        dataset.check(made, services, days, model.names, kept.directory)
        return made, whole
    extent = Extent(services, days, tuple(sorted(model.names)), dataset.ends(time.time()))
    seen = _snapshot(extent.names, kept.directory / "snapshot.json", tell)
    series = list(dataset.stored(seen, catalogue, copy_of, model.step, extent.start))
    return kept.make(extent, series, lambda text: tell(text, 0)), whole


def _snapshot(names: Collection[str], file: Path, tell: Tell) -> list[Seen]:
    if (kept := snapshot.read(names, file)) is not None:
        return kept
    with tempfile.TemporaryDirectory(prefix="bench-dashboards-") as name:
        seen = snapshot.take(names, Path(name), tell)
    snapshot.write(names, seen, file)
    return seen


def measure(client: httpx.Client, made: Made, whole: Stack, tell: Tell) -> Results:
    """Ask for every dashboard, over every time range that the data set has."""
    loads: list[Load] = []
    for board in whole.boards:
        for name, length in tables.ranges(board.since, made.extent.days * DAY):
            tell(f"{board.title}, {name}", 0)
            asked = whole.queries(board, length, made.extent.end)
            load = Load(
                board.title,
                name,
                length,
                asked,
                queries.one_after_another(client, asked, ROUNDS),
                queries.at_once(client, asked, ROUNDS),
                queries.variables(client, board, length, made.extent.end, ROUNDS),
            )
            loads.append(load)
    return Results(made, loads)


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep
    else:
        with tempfile.TemporaryDirectory(prefix="bench-dashboards-") as name:
            yield Path(name)


def run(services: int, days: float, keep: Path | None, tell: Tell) -> Results:
    """Make the data set and measure the dashboards on it."""
    with _directory(keep) as directory:
        made, whole = make(Kept(directory), services, days, tell)
        with stack.answering(directory, whole.settings) as client:
            return measure(client, made, whole, tell)


@click.command(cls=Target, example="make bench-dashboards SERVICES=60 DAYS=15 KEEP=data")
@click.option("--services", type=click.IntRange(1), default=SERVICES, show_default=True, help="How many services.")
@click.option("--days", type=click.FloatRange(0.5), default=DAYS, show_default=True, help="How many days of history.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    callback=writable,
    help="Directory to keep the data set in, and to measure it again if it is there already.",
)
@reported
def main(services: int, days: float, keep: Path | None) -> None:
    """Measure what the dashboards cost a real Prometheus, and write docs/dashboards.md.

    Fails if a query of a dashboard is refused or given up. Only the default sizes are written down.
    """
    console = Console(highlight=False, soft_wrap=True)
    with Progress(console) as progress:
        results = run(services, days, keep, progress.of(services))
    tables.show(results, console)
    if (services, days) == (SERVICES, DAYS):
        tables.PAGE.write_text(tables.with_results(tables.PAGE.read_text(), results))
        console.print(f"written to docs/{tables.PAGE.name}")
    sys.exit(bool(results.failures))


if __name__ == "__main__":
    main()
