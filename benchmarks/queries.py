"""The queries of a dashboard as Grafana sends them, and what answering them costs Prometheus."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import httpx

from local import interruption
from report.board import Board, Panel, Source, Target
from report.sources import Sources, in_steps
from report.variables import Choice, Period, everything, interpolate, values

COLUMNS = 24
COLUMN_PIXELS = 80
"""Width of one of the columns on a screen 1920 pixels wide; Grafana asks for a point for each pixel."""
AT_ONCE = 6
"""Requests that a browser has under way to one server with HTTP/1.1; with HTTP/2 there may be more."""
LIMIT_SECONDS = 60
"""Time after which a query is given up."""


@dataclass(frozen=True)
class Query:
    """One query, ready to be sent."""

    panel: str
    """Title of its panel."""
    expr: str
    period: Period
    instant: bool

    @property
    def parameters(self) -> dict[str, str]:
        """The form that is sent."""
        if self.instant:
            return {"query": self.expr, "time": f"{self.period.end:.3f}"}
        return {"query": self.expr} | in_steps(self.period)


@dataclass(frozen=True)
class Cost:
    """What a query cost."""

    seconds: float
    """From the request to the last byte of the answer."""
    samples: int
    """Samples that were read, as Prometheus counts them: one that several steps read counts for each of them."""
    peak: int
    """Most samples that were in memory at once; Prometheus refuses a query above `--query.max-samples`."""
    series: int
    """Series of the answer."""
    error: str | None = None
    """The server's words, if it refused or gave up."""


def of_board(board: Board, length: float, end: float, scrape: float) -> list[Query]:
    """Every PromQL query of a dashboard with everything chosen, over the last `length` seconds before `end`."""
    choice = everything(board)

    def query(title: str, columns: int, min_step: str, target: Target) -> Query:
        period = Period.last(length, end=end, points=COLUMN_PIXELS * columns, scrape=scrape)
        return _query(title, target, choice, period, min_step)

    marks = [mark for mark in board.annotations if _prometheus(mark.target)]
    return [
        *(query(f"{mark.name} (marks on every graph)", COLUMNS, "", mark.target) for mark in marks),
        *(query(panel.title, panel.width, panel.min_step, target) for panel, target in _targets(board)),
    ]


def _query(title: str, target: Target, choice: Choice, period: Period, min_step: str) -> Query:
    shortest = [interpolate(text, choice, period) for text in (min_step, target.min_step)]
    period = period.with_min_step(*shortest)
    expr = interpolate(target.expr, choice, period, instant=target.instant)
    return Query(title, expr, period, target.instant)


def _targets(board: Board) -> Iterator[tuple[Panel, Target]]:
    return ((panel, target) for panel in board.panels for target in panel.targets if _prometheus(target))


def _prometheus(target: Target) -> bool:
    return target.source == "prometheus"


def ask(client: httpx.Client, query: Query, limit: float = LIMIT_SECONDS) -> Cost:
    """What a query costs, which is given up after `limit` seconds."""
    interruption.check()
    path = "/api/v1/query" if query.instant else "/api/v1/query_range"
    began = time.perf_counter()
    answer = client.post(path, data=query.parameters | {"stats": "true", "timeout": f"{limit:g}s"}, timeout=limit + 30)
    seconds = time.perf_counter() - began
    document = answer.json()
    if document["status"] != "success":
        return Cost(seconds, 0, 0, 0, document["error"])
    counted = document["data"]["stats"]["samples"]
    result = document["data"]["result"]
    found = 1 if document["data"]["resultType"] == "scalar" else len(result)
    return Cost(seconds, counted["totalQueryableSamples"], counted["peakSamples"], found)


def one_after_another(client: httpx.Client, queries: Sequence[Query], rounds: int) -> list[Cost]:
    """What each query costs: the median of `rounds`, in each of which all are asked once."""
    asked = [[ask(client, query) for query in queries] for _ in range(rounds)]
    return [
        replace(costs[0], seconds=statistics.median(cost.seconds for cost in costs), error=_first_error(costs))
        for costs in zip(*asked, strict=True)
    ]


def _first_error(costs: Sequence[Cost]) -> str | None:
    return next((cost.error for cost in costs if cost.error), None)


def at_once(client: httpx.Client, queries: Sequence[Query], rounds: int) -> float:
    """Seconds until all queries are answered, AT_ONCE of them under way at any time: the median of `rounds`."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda query: ask(client, query), queries))
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def selectors(board: Board) -> set[str]:
    """The selectors that the values of a dashboard's variables are asked of."""
    heard = _Heard(set())
    values(_of_prometheus(board), heard)
    return heard.selectors


@dataclass(frozen=True)
class _Heard:
    """Notes what the values of labels are asked of."""

    selectors: set[str]

    def label_values(self, _source: Source, _label: str, selector: str | None, _period: Period) -> list[str]:
        if selector:
            self.selectors.add(selector)
        return []


def _of_prometheus(board: Board) -> Board:
    return replace(board, variables=tuple(each for each in board.variables if each.source != "loki"))


def variables(client: httpx.Client, board: Board, length: float, end: float, rounds: int) -> float:
    """Seconds that the values of a dashboard's variables take, but those of logs: the median of `rounds`."""
    asked = _of_prometheus(board)
    sources = Sources(str(client.base_url).rstrip("/"), "", client)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        values(asked, sources, Period.last(length, end=end))
        times.append(time.perf_counter() - began)
    return statistics.median(times)
