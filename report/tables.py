"""A table panel's rows: one for each series, joined and ordered by the panel's transformations as Grafana does it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from report.board import Json, Panel
from report.look import LookError
from report.sources import Shown

TIME = "Time"
"""The column of the time of each row, in milliseconds since 1970."""

Cell = float | str
Row = dict[str, Cell]


@dataclass(frozen=True)
class Table:
    """Named columns and their rows; a row lacks the columns it has nothing for."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def table(panel: Panel, shown: Shown) -> Table:
    """What a table panel shows. Raises LookError for a transformation that the report does not know."""
    frames = [_frame(panel, target.ref, shown) for target in panel.targets]
    for item in panel.raw.get("transformations") or ():
        match item["id"]:
            case "joinByField":
                frames = [_joined(frames, item["options"]["byField"])]
            case "merge":
                frames = [_merged(frames)]
            case "organize":
                frames = [_organized(frame, item["options"]) for frame in frames]
            case "labelsToFields":
                pass  # a row here has its labels as columns from the start
            case other:
                raise LookError(f"{panel.title}: transformation {other!r}: the report does not know it")
    if len(frames) != 1:
        raise LookError(f"{panel.title}: {len(frames)} queries that nothing joins: Grafana would show only the first")
    return _sorted(frames[0], (panel.raw.get("options") or {}).get("sortBy") or ())


def _frame(panel: Panel, ref: str, shown: Shown) -> Table:
    """The result of one query: time, labels, and a value named as Grafana names it."""
    value = "Value" if len(panel.targets) == 1 else f"Value #{ref}"
    rows = [
        {TIME: 1000 * time} | dict(one.labels) | {value: number}
        for one in shown.series
        if one.target.ref == ref
        for time, number in one.points
    ]
    return Table(tuple(dict.fromkeys([TIME, *(name for row in rows for name in row)])), tuple(rows))


def _joined(frames: Iterable[Table], key: str) -> Table:
    """An outer join on the column `key`; columns that several frames have are numbered, as Grafana numbers them."""
    frames = list(frames)
    shared = Counter(name for frame in frames for name in frame.columns if name != key)
    columns, rows, seen = [key], dict[Cell, Row](), Counter[str]()
    for frame in frames:
        seen.update(frame.columns)
        names = {name: f"{name} {seen[name]}" if shared[name] > 1 else name for name in frame.columns}
        columns += [names[name] for name in frame.columns if name != key]
        for row in frame.rows:
            if key in row:
                rows.setdefault(row[key], {}).update({names[name]: cell for name, cell in row.items()})
    return Table(tuple(columns), tuple(rows.values()))


def _merged(frames: Iterable[Table]) -> Table:
    """One table of all, in which rows that agree in every column they share are one row."""
    frames = list(frames)
    shared = set[str].intersection(*(set(frame.columns) for frame in frames))
    rows: dict[tuple[Cell, ...], Row] = {}
    for frame in frames:
        keys = [name for name in frame.columns if name in shared and not name.startswith("Value")]
        for row in frame.rows:
            rows.setdefault(tuple(row.get(key, "") for key in sorted(keys)), {}).update(row)
    return Table(tuple(dict.fromkeys(name for frame in frames for name in frame.columns)), tuple(rows.values()))


def _organized(frame: Table, options: Json) -> Table:
    left_out, places, names = (options.get(key) or {} for key in ("excludeByName", "indexByName", "renameByName"))
    kept = [name for name in frame.columns if not left_out.get(name)]
    kept.sort(key=lambda name: places.get(name, len(places)))
    return Table(
        tuple(names.get(name) or name for name in kept),
        tuple({names.get(name) or name: row[name] for name in kept if name in row} for row in frame.rows),
    )


def _sorted(frame: Table, by: Iterable[Mapping[str, object]]) -> Table:
    rows = list(frame.rows)
    for item in by:
        column = str(item["displayName"])
        have = [row for row in rows if column in row]
        have.sort(key=lambda row: (isinstance(row[column], str), row[column]), reverse=bool(item.get("desc")))
        rows = have + [row for row in rows if column not in row]
    return Table(frame.columns, tuple(rows))
