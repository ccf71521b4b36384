"""A dashboard, read from Grafana's JSON (the classic schema) as far as its queries and its looks need it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from quantities import seconds

Json = dict[str, Any]
Source = Literal["prometheus", "loki"]
SOURCES: tuple[Source, ...] = ("prometheus", "loki")
"""The kinds of data sources that can be asked; targets of others, such as traces, are left out."""


@dataclass(frozen=True)
class Target:
    """One query of a panel or an annotation."""

    ref: str
    """Its name within the panel: `A`, `B`, …"""
    expr: str
    """PromQL or LogQL, with Grafana's variables."""
    legend: str
    """What a series is called: text with `{{label}}` in it."""
    source: Source
    instant: bool
    """Whether it is asked at the end of the time range only."""
    min_step: str
    """The query's own shortest step, a duration or a variable; empty for none."""
    max_lines: int | None
    """How many log lines are wanted; None for a query whose result is numbers."""
    oldest_first: bool
    """Whether the first lines of the time range are wanted, rather than the last ones."""


@dataclass(frozen=True)
class Panel:
    """One panel; `board` is the uid of its dashboard."""

    board: str
    id: int
    title: str
    kind: str
    """Grafana's name of the visualisation: `timeseries`, `stat`, `bargauge`, `state-timeline`, `table`, `logs`, …"""
    description: str
    targets: tuple[Target, ...]
    empty: str | None
    """What it says where there is no data and that is no fault; None if there must be data."""
    min_step: str
    """The shortest step of its queries, a duration or a variable; empty for the data source's own."""
    width: int
    """Columns, of 24."""
    height: int
    """Rows of the grid, of 30 px."""
    since: int | None
    """Seconds before now at which its own time range starts; None for that of its dashboard."""
    raw: Json = field(repr=False, compare=False)
    """The panel's JSON, for units, thresholds, mappings, transformations and overrides."""


@dataclass(frozen=True)
class Row:
    """Panels under a heading."""

    title: str
    """Empty for the panels above the first heading."""
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """A choice that queries are bound to. Variables that choose the data source are none of these."""

    name: str
    label: str
    kind: str
    """Grafana's name of the kind: `query`, `interval`, `custom`, `textbox`, …"""
    source: Source | None
    """Where a query's values come from."""
    query: str | None
    """`label_values(…)`, for the kind `query`."""
    options: tuple[str, ...]
    """The values that a variable without a query lists itself."""
    all_value: str | None
    """What stands for all values, such as `.+`; None if not all can be chosen."""
    chosen: tuple[str, ...]
    """The values that it opens with; `$__all` is all of them."""


@dataclass(frozen=True)
class Annotation:
    """Marks on every graph: where the query has a value, or at the moments that its values are, or for each line."""

    name: str
    target: Target


@dataclass(frozen=True)
class Board:
    """A dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    annotations: tuple[Annotation, ...]
    since: int
    """Seconds before now at which its time range starts when it is opened."""

    @property
    def panels(self) -> Iterator[Panel]:
        """Every panel, in reading order."""
        return (panel for row in self.rows for panel in row.panels)


def read(text: str) -> Board:
    """Read a dashboard's JSON text. Raises KeyError or ValueError if it is none of the classic schema."""
    raw: Json = json.loads(text)
    uid = raw["uid"]
    return Board(
        uid=uid,
        title=raw["title"],
        description=raw.get("description", ""),
        rows=tuple(_rows(uid, raw["panels"])),
        variables=tuple(_variable(item) for item in raw["templating"]["list"] if item["type"] != "datasource"),
        annotations=tuple(_annotation(item) for item in raw["annotations"]["list"] if "target" in item),
        since=_back(raw["time"]["from"]),
    )


def _back(start: str) -> int:
    """Seconds from the start of a time range, such as `now-6h` or a panel's `6h`, until now."""
    return seconds(start.removeprefix("now-"))


def _rows(uid: str, items: list[Json]) -> Iterator[Row]:
    """The panels of a row follow it in the list."""
    title, panels = "", list[Panel]()
    for item in items:
        if item["type"] != "row":
            panels.append(_panel(uid, item))
            continue
        if title or panels:
            yield Row(title, tuple(panels))
        title, panels = item["title"], []
    yield Row(title, tuple(panels))


def _panel(uid: str, raw: Json) -> Panel:
    return Panel(
        board=uid,
        id=raw["id"],
        title=raw["title"],
        kind=raw["type"],
        description=raw.get("description", ""),
        targets=tuple(
            _target(item, logs=raw["type"] == "logs") for item in raw.get("targets", ()) if _source(item) is not None
        ),
        empty=raw.get("fieldConfig", {}).get("defaults", {}).get("noValue"),
        min_step=raw.get("interval") or "",
        width=raw["gridPos"]["w"],
        height=raw["gridPos"]["h"],
        since=_back(raw["timeFrom"]) if raw.get("timeFrom") else None,
        raw=raw,
    )


def _target(raw: Json, *, logs: bool = False) -> Target:
    source = _source(raw)
    if source is None:
        raise ValueError(f"query {raw.get('refId')}: its data source is none of {', '.join(SOURCES)}")
    return Target(
        ref=raw["refId"],
        expr=raw["expr"],
        legend=raw.get("legendFormat") or "",
        source=source,
        instant=bool(raw.get("instant")) or raw.get("queryType") == "instant",
        min_step=raw.get("interval") or "",
        max_lines=(raw.get("maxLines") or 1000) if logs else None,
        oldest_first=raw.get("direction") == "forward",
    )


def _source(raw: Json) -> Source | None:
    kind = raw.get("datasource", {}).get("type")
    return cast(Source, kind) if kind in SOURCES else None


def _variable(raw: Json) -> Variable:
    query, kind = raw.get("query"), raw["type"]
    listed = query if kind in {"interval", "custom"} and isinstance(query, str) else ""
    values = [item.strip() for item in listed.split(",") if item.strip()]
    current = raw.get("current", {}).get("value", "")
    return Variable(
        name=raw["name"],
        label=raw.get("label") or raw["name"],
        kind=kind,
        source=_source(raw),
        query=raw.get("definition") if kind == "query" else None,
        options=tuple(item.partition(" : ")[2] or item for item in values),  # "text : value"
        all_value=(raw.get("allValue") or ".*") if raw.get("includeAll") else None,
        chosen=tuple(current) if isinstance(current, list) else (current,),
    )


def _annotation(raw: Json) -> Annotation:
    target = raw["target"] | {"datasource": raw["datasource"]}
    return Annotation(raw["name"], _target({"refId": "Anno"} | target, logs=raw["datasource"]["type"] == "loki"))
