"""Asks Prometheus and Loki what a panel asks them, and returns what it then shows."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from local.errors import RehearsalError
from report.board import Annotation, Panel, Source, Target
from report.variables import Choice, Period, interpolate

__all__ = ["Line", "Period", "QueryError", "Series", "Shown", "Sources", "in_steps"]

TIMEOUT_SECONDS = 30.0
NANOSECONDS = 10**9

_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")

Json = dict[str, Any]


class QueryError(RehearsalError):
    """A query was refused; the message names the panel, the query as it was sent, and the server's words."""


@dataclass(frozen=True)
class Series:
    """One series: Unix seconds and values; of an instant query one point, the sample at the end of the period."""

    target: Target
    legend: str
    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Line:
    """One log line; its labels are those of the stream and what was parsed from it."""

    time: float
    labels: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Shown:
    """What a panel shows; its lines in the order that it asks for."""

    series: tuple[Series, ...] = ()
    lines: tuple[Line, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see: no line, and no value that is a number."""
        return not self.lines and all(math.isnan(value) for one in self.series for _, value in one.points)


@dataclass(frozen=True)
class Sources:
    """A Prometheus and a Loki, by URL. May be asked from several threads at once."""

    prometheus: str
    loki: str
    client: httpx.Client = field(
        default_factory=lambda: httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False), repr=False, compare=False
    )

    def ask(self, panel: Panel, choice: Choice, period: Period) -> Shown:
        """What a panel shows. Raises QueryError if a query is refused, httpx.HTTPError if there is no answer."""
        answers = [self.run(target, choice, period, panel.title, panel.min_step) for target in panel.targets]
        return Shown(
            tuple(series for answer in answers for series in answer.series),
            tuple(line for answer in answers for line in answer.lines),
        )

    def age(self, period: Period) -> float:
        """Seconds from the first scrape within a period until its end; 0 without any. Raises as `ask` does."""
        target = Target("A", "count(up)", "", "prometheus", False, "", None, False)
        found = self.run(target, {}, period, "age of the data").series
        return max((period.end - one.points[0][0] for one in found), default=0.0)

    def marks(self, annotation: Annotation, choice: Choice, period: Period) -> Shown:
        """What an annotation marks on the graphs. Raises as `ask` does."""
        return self.run(annotation.target, choice, period, annotation.name)

    def run(self, target: Target, choice: Choice, period: Period, where: str, min_step: str = "") -> Shown:
        """The result of one query; `where` names it in errors, `min_step` is its panel's. Raises as `ask` does."""
        period = period.with_min_step(*(interpolate(text, choice, period) for text in (min_step, target.min_step)))
        query = interpolate(target.expr, choice, period, instant=target.instant)
        server = self._prometheus if target.source == "prometheus" else self._loki
        result = server(query, target, period, where)
        if result["resultType"] == "streams":
            return Shown(lines=tuple(sorted(_lines(result), key=lambda at: at.time, reverse=not target.oldest_first)))
        return Shown(tuple(_series(target, query, result)))

    def label_values(self, source: Source, label: str, selector: str | None, period: Period) -> list[str]:
        """The values of a label within a period, of the series that a selector finds or of all.

        Raises QueryError if the selector is refused.
        """
        if source == "prometheus":
            chosen = {"match[]": selector} if selector else {}
            parameters = chosen | {"start": f"{period.start:.3f}", "end": f"{period.end:.3f}"}
            url = f"{self.prometheus}/api/v1/label/{label}/values"
        else:
            parameters = ({"query": selector} if selector else {}) | _nanoseconds(period)
            url = f"{self.loki}/loki/api/v1/label/{label}/values"
        answer = self.client.get(url, params=parameters)
        found: list[str] | None = _data(answer, f"values of {label}", selector or "")
        return found or []

    def _prometheus(self, query: str, target: Target, period: Period, where: str) -> Json:
        if target.instant:
            path, when = "query", {"time": f"{period.end:.3f}"}
        else:
            path, when = "query_range", in_steps(period)
        answer = self.client.post(f"{self.prometheus}/api/v1/{path}", data={"query": query} | when)
        result: Json = _data(answer, where, query)
        return result

    def _loki(self, query: str, target: Target, period: Period, where: str) -> Json:
        if target.instant:
            path, when = "query", {"time": str(round(period.end * NANOSECONDS))}
        else:
            path, when = "query_range", _nanoseconds(period) | {"step": f"{period.step:g}"}
        direction = "forward" if target.oldest_first else "backward"
        lines = {"limit": str(target.max_lines), "direction": direction} if target.max_lines else {}
        answer = self.client.get(f"{self.loki}/loki/api/v1/{path}", params={"query": query} | when | lines)
        result: Json = _data(answer, where, query)
        return result


def in_steps(period: Period) -> dict[str, str]:
    """What Prometheus is asked for a graph of a period: start, end and step.

    Grafana starts and ends at multiples of the step, so that a graph does not flicker when it is refreshed.
    """
    start, end = (math.floor(moment / period.step) * period.step for moment in (period.start, period.end))
    return {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{period.step:g}"}


def _nanoseconds(period: Period) -> dict[str, str]:
    return {"start": str(round(period.start * NANOSECONDS)), "end": str(round(period.end * NANOSECONDS))}


def _data(answer: httpx.Response, where: str, query: str) -> Any:
    try:
        document = answer.json()
    except ValueError:  # Loki refuses in plain text
        document = {"error": answer.text.strip()}
    if answer.status_code != httpx.codes.OK:
        raise QueryError(f"{where}: refused with {answer.status_code}: {document.get('error')}\n{query}")
    return document.get("data")


def _series(target: Target, query: str, result: Json) -> Iterator[Series]:
    if result["resultType"] == "scalar":
        yield Series(target, legend(target.legend, {}) or query, {}, (_point(result["result"]),))
        return
    for item in result["result"]:
        points = item["values"] if result["resultType"] == "matrix" else [item["value"]]
        name = legend(target.legend, item["metric"]) or query
        yield Series(target, name, item["metric"], tuple(_point(point) for point in points))


def _point(sample: tuple[float, str]) -> tuple[float, float]:
    moment, value = sample
    return float(moment), float(value)


def legend(form: str, labels: Mapping[str, str]) -> str:
    """The name of a series: `{{label}}` filled in, with nothing where it has no such label.

    Without a form it is the series' own name and labels.
    """
    if form:
        return _LABEL.sub(lambda match: labels.get(match[1], ""), form)
    named = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
    return f"{labels.get('__name__', '')}{{{named}}}" if labels else ""


def _lines(result: Json) -> Iterator[Line]:
    for stream in result["result"]:
        for moment, text, *_ in stream["values"]:
            yield Line(int(moment) / NANOSECONDS, stream["stream"], text)
