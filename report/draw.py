"""What is inside a panel: a graph for the page's script to draw, or numbers, tables and log lines as HTML."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from xml.etree.ElementTree import Element

import screen
from report import charts, colours, columns, units
from report.board import Panel
from report.charts import Frame
from report.legends import Entry, Legend, last, legend
from report.look import Field, Link, LookError, field
from report.markup import data, moment, prose, tag
from report.sources import Line, Series, Shown
from report.sources import legend as legend_of
from report.tables import TIME, Row, table

LEVELS = {"error": "red", "critical": "red", "fatal": "red", "warn": "orange", "warning": "orange", "info": "blue"}
"""Colours of log levels; others are grey."""


def body(panel: Panel, shown: Shown, frame: Frame) -> Element:
    """What a panel shows. Raises LookError or UnknownUnitError for what the report cannot draw."""
    if panel.kind == "text":
        return tag("div", *prose(panel.raw["options"]["content"]), class_="prose")
    if panel.kind not in KINDS:
        raise LookError(f"{panel.title}: the report does not draw panels of kind {panel.kind!r}")
    if not panel.targets:
        return tag("div", f"Asks {_source(panel)}, which the rehearsal does not run", class_="nothing")
    return empty(panel) if shown.empty else KINDS[panel.kind](panel, renamed(panel, shown), frame)


def renamed(panel: Panel, shown: Shown) -> Shown:
    """The series under the names that the panel gives them: by `renameByRegex`, or else by `displayName`."""
    named = []
    for one in shown.series:
        name = _by_pattern(panel, one.legend)
        named.append(replace(one, legend=field(panel, one.legend).name_of(one) if name is None else name))
    return replace(shown, series=tuple(named))


def _by_pattern(panel: Panel, name: str) -> str | None:
    """What a panel's `renameByRegex` makes of a name; None where none does."""
    found = None
    for item in panel.raw.get("transformations") or ():
        if item["id"] == "renameByRegex":
            pattern, form = item["options"]["regex"], re.sub(r"\$(\d)", r"\\\1", item["options"]["renamePattern"])
            name, times = re.subn(pattern, form, name, count=1)
            found = name if times else found
    return found


def _source(panel: Panel) -> str:
    return str(panel.raw["targets"][0]["datasource"]["type"]).capitalize()


def empty(panel: Panel) -> Element:
    """A panel without data: its own words where that may be, which Grafana does not show for logs."""
    look, words = field(panel), "No data" if panel.kind == "logs" else panel.empty
    unexpected = "nothing unexpected" if panel.empty is None else "nothing"
    if panel.kind not in {"stat", "bargauge"}:
        return tag("div", words or "No data", class_=unexpected)
    # These say it in the colour of a value: of the lowest, if none is given.
    none, shade = look.words.get("nan"), look.shade(math.nan)
    text, painted = (none and none.text) or words or "No data", panel.kind == "stat"
    style = f"background:{shade};color:{colours.ink(shade)}" if painted else f"color:{shade}"
    return tag("div", text, class_=unexpected, style=style)


def early(wanted: float, age: float) -> Element:
    """A panel that needs data for longer than there is."""
    wanted_text, had = (units.text(length, "s") for length in (wanted, age))
    return tag("div", f"No data yet: needs up to {wanted_text} of data, and there is {had}", class_="nothing")


def failed(error: Exception) -> Element:
    """A panel that could not be asked or drawn."""
    return tag("pre", f"{error}" or type(error).__name__, class_="error")


def _lines(panel: Panel, shown: Shown, frame: Frame) -> Element:
    beside = legend(panel, shown)
    parts = [_graph(charts.lines(panel, shown, frame)), _legend(panel, beside, shown, frame) if beside else None]
    return tag("div", *parts, class_="graph beside" if beside and beside.beside else "graph")


def _states(panel: Panel, shown: Shown, frame: Frame) -> Element:
    """Bands, of which Grafana shows `perPage` at a time."""
    at_once = (panel.raw.get("options") or {}).get("perPage") or len(shown.series)
    pages = math.ceil(len(shown.series) / at_once)
    first = replace(shown, series=shown.series[:at_once])
    pager = tag("div", f"page 1 of {pages}: {len(shown.series)} bands", class_="pager") if pages > 1 else None
    return tag("div", _graph(charts.states(panel, first, frame)), pager, class_="graph")


def _heatmap(panel: Panel, shown: Shown, frame: Frame) -> Element:
    return tag("div", _graph(charts.heat(panel, shown, frame)), class_="graph")


def _graph(figure: dict[str, Any]) -> Element:
    return tag("div", data(figure), class_="plot")


def _legend(panel: Panel, of: Legend, shown: Shown, frame: Frame) -> Element:
    shades = charts.colours(panel, shown.series)
    heads = (tag("th"), *(tag("th", heading, class_="number") for heading in of.headings))
    rows = (_entry(panel, entry, shades[entry.place], frame) for entry in of.entries)
    style = None if of.beside else f"max-height:{(of.in_sight + 1) * screen.LEGEND_ROW}px"
    return tag("div", tag("table", tag("tr", *heads), *rows), class_="legend", style=style)


def _entry(panel: Panel, entry: Entry, shade: str, frame: Frame) -> Element:
    look = field(panel, entry.series.legend)
    numbers = (tag("td", look.reduced(number), class_="number") for number in entry.numbers.values())
    swatch = tag("button", style=f"background:{shade}", data_series=entry.place, title="Show or hide")
    return tag("tr", tag("td", swatch, _name(look, entry.series, frame)), *numbers)


def _value(one: Series) -> float:
    """The last value of a series that is a number; NaN if there is none."""
    return last([value for _, value in one.points])


def _name(look: Field, one: Series, frame: Frame) -> Element:
    """The name of a series, linked to where a click leads."""
    known = {f"__field.labels.{name}": value for name, value in one.labels.items()}
    return _linked(look.link(known), one.legend, frame)


def _linked(link: Link | None, text: str, frame: Frame) -> Element:
    address = link and _address(link, frame)
    if not link or not address:
        return tag("span", text, class_="name", title=text)
    return tag("a", text, class_="name", href=address, title=f"{text}\n{link.title}")


def _address(link: Link, frame: Frame) -> str:
    """Where a link leads: on the page if it has the board with the choice that the link makes, or to who draws it."""
    board = frame.boards.get(link.board)
    chosen = {item.name: item.chosen for item in board.variables} if board else {}
    if board and all(chosen.get(name) == (value,) for name, value in link.chosen.items()):
        return f"#{link.board}"
    query = urlencode({f"var-{name}": value for name, value in link.chosen.items()})
    return f"{frame.others}/d/{link.board}?{query}".rstrip("?") if frame.others else ""


def _tiles(panel: Panel, shown: Shown, frame: Frame) -> Element:
    """A tile for each series, in as many lines as keep them wide, but no more than are high enough to read."""
    lines = min(math.ceil(len(shown.series) / max(panel.width // 3, 1)), max((panel.height - 1) // 2, 1))
    across = math.ceil(len(shown.series) / lines)
    tiles = (_tile(panel, shown, place, frame) for place in range(len(shown.series)))
    return tag("div", *tiles, class_="tiles", style=f"--columns:{across}")


def named(panel: Panel, shown: Shown, look: Field) -> bool:
    """Whether a tile or a bar says its name; Grafana leaves that of a lone bar out, unless the panel gives it one."""
    if panel.kind == "bargauge":
        first = shown.series[0]
        given = bool(look.name) or first.legend != legend_of(first.target.legend, first.labels)
        return len(shown.series) > 1 or given
    return (panel.raw.get("options") or {}).get("textMode") == "value_and_name"


def _tile(panel: Panel, shown: Shown, place: int, frame: Frame) -> Element:
    one = shown.series[place]
    look, value = field(panel, one.legend), _value(one)
    shade = look.colour(place, one.legend, value)
    # A unit that tells times needs the time itself, for the zone of who looks.
    number = _time(look, value) if look.unit in units.TIMES else tag("span", look.reduced(value))
    number.set("class", "value")
    name = _name(look, one, frame) if named(panel, shown, look) else None
    return tag("div", name, number, class_="tile", style=f"background:{shade};color:{colours.ink(shade)}")


def reach(panel: Panel, shown: Shown) -> tuple[float, float]:
    """From where to where bars are drawn: to the highest value, unless the panel says otherwise."""
    look = field(panel)
    most = max((value for value in map(_value, shown.series) if math.isfinite(value)), default=0.0)
    return look.minimum or 0.0, most if look.maximum is None else look.maximum


def _bars(panel: Panel, shown: Shown, frame: Frame) -> Element:
    low, high = reach(panel, shown)
    bars = []
    for place, one in enumerate(shown.series):
        look, value = field(panel, one.legend), _value(one)
        shade = look.colour(place, one.legend, value)
        share = min(max((value - low) / (high - low), 0), 1) if high > low and not math.isnan(value) else 0
        bars.append(_name(look, one, frame) if named(panel, shown, look) else tag("span"))
        fill = tag("div", class_="fill", style=f"width:{100 * share:.2f}%;background:{shade}")
        bars.append(tag("div", fill, class_="track"))
        bars.append(tag("span", look.reduced(value), class_="number", style=f"color:{shade}"))
    return tag("div", *bars, class_="bars")


def _table(panel: Panel, shown: Shown, frame: Frame) -> Element:
    content = table(panel, shown)
    heads = [
        tag("th", name, class_="number" if any(isinstance(row.get(name), float) for row in content.rows) else None)
        for name in content.columns
    ]
    rows = [tag("tr", *(_cell(panel, name, row, frame) for name in content.columns)) for row in content.rows]
    drawn = tag(
        "table",
        tag("thead", tag("tr", *heads)),
        tag("tbody", *rows),
        style=f"grid-template-columns:{columns.tracks(panel, content.columns)}",
    )
    return tag("div", drawn, class_="rows")


def _cell(panel: Panel, name: str, row: Row, frame: Frame) -> Element:
    value, look = row.get(name), field(panel, name)
    wrapped = "wrapped" if look.wrapped else None
    if value is None:
        return tag("td", look.empty)
    if isinstance(value, str):
        if look.unit in units.TIMES:
            raise LookError(
                f"{panel.title}: column {name!r} holds text and has the unit {look.unit!r}: Grafana shows NaN; "
                "give that unit to columns of times only, by an override"
            )
        known = {f"__data.fields.{column}": cell for column, cell in row.items() if isinstance(cell, str)}
        word = look.words.get(value)
        said, shade = (word.text or value, word.colour) if word else (value, None)
        return tag("td", _linked(look.link(known), said, frame), class_=wrapped, style=shade and f"color:{shade}")
    if name == TIME:
        return tag("td", moment(value / 1000))
    shown = _time(look, value, frame.period.end) if look.unit in units.TIMES else look.text(value)
    return tag("td", shown, class_="number", style=f"color:{look.shade(value)}" if look.coloured else None)


def _time(look: Field, milliseconds: float, now: float | None = None) -> Element:
    if math.isnan(milliseconds):
        return tag("span", "NaN")
    words = None
    if look.unit == units.AGE and now is not None:
        words = units.age(now - milliseconds / 1000)
    return moment(milliseconds / 1000, words)


def _log(_: Panel, shown: Shown, __: Frame) -> Element:
    return tag("div", *(log_line(line) for line in shown.lines), class_="lines")


def log_line(line: Line) -> Element:
    """A line, which opens to show its labels."""
    labels = line.labels
    level = (labels.get("detected_level") or labels.get("severity_text") or "").lower()
    colour = colours.NAMED[LEVELS.get(level, "text")]
    details = tag(
        "dl", *(part for name, value in sorted(labels.items()) for part in (tag("dt", name), tag("dd", value)))
    )
    summary = tag(
        "summary",
        moment(line.time),
        tag("span", level or "?", class_="level", style=f"color:{colour}"),
        tag("span", labels.get("service_name", ""), class_="service"),
        tag("span", line.text, class_="text"),
    )
    return tag("details", summary, details)


KINDS: dict[str, Callable[[Panel, Shown, Frame], Element]] = {
    "bargauge": _bars,
    "heatmap": _heatmap,
    "logs": _log,
    "stat": _tiles,
    "state-timeline": _states,
    "table": _table,
    "timeseries": _lines,
}
"""How each kind of panel that asks for data is drawn."""
