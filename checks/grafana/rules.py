"""What an eye must find on a panel. A rule takes a panel as Grafana's library shows it, and returns what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from checks.dashboard_json import Board, has_numbers, panels
from checks.grafana.drawn import Cell, Drawn, Field, Limits, Panel, Tile, draw
from checks.grafana.frames import DATE, NO_DATA, OVER_TIME, Sample, columns_of, samples, words_of


@dataclass(frozen=True)
class Shown:
    """A panel with sample data, and what Grafana shows of it."""

    panel: Panel
    sample: Sample
    drawn: Drawn

    @property
    def kind(self) -> str:
        """What draws it, such as `stat`."""
        return str(self.panel["type"])

    @property
    def fields(self) -> list[Field]:
        """What a legend or a table's head names: not the times of a graph's points."""
        return [field for field in self.drawn.fields if self.kind == "table" or field.type != "time"]

    @property
    def tiles(self) -> Sequence[Tile]:
        """The tiles or bars of series: not that which is there where there is no series."""
        return self.drawn.tiles if self.sample.complete else []


Rule = Callable[[Shown], Iterable[str]]

BROKEN = re.compile(r"\bNaN\b|Invalid date|undefined|\bnull\b|Infinity|\[object|\$\{|\{\{")
"""What no name and no text may contain, unless it is a text that is shown as it is."""
NAMELESS = re.compile(r"(Value|Series|Time)( \(?#?\w+\)?)?")
"""What Grafana calls what has no name."""
ALARMING = {"red", "orange", "yellow"}
BAD = re.compile(
    r"\b(fail\w*|errors?|reject\w*|unknown|pending|lost|dropped|refused|down|critical|warning|killed|restarts?|missing|"
    r"not ready|unschedulable)\b",
    re.IGNORECASE,
)
"""Things of which none is the best there can be."""
LEFT = re.compile(r"\b(left|until|success|(down|failing) now)\b", re.IGNORECASE)
"""Of these, none is bad, or the name itself tells of an outage."""
SERIES_COLOURS = {
    re.compile(r"\b(ERROR|FATAL|CRITICAL|5\d\d)$", re.IGNORECASE): {"red"},
    re.compile(r"\b(WARN|WARNING)$", re.IGNORECASE): {"orange", "yellow"},
}
"""Colours of the series of a level or a status code, by the end of their names."""
CALM = re.compile(r"\b(INFO|DEBUG|TRACE|2\d\d)$", re.IGNORECASE)
"""The ends of names of series that have none of the alarming colours."""
CALM_SCHEMES = {"Blues", "Greens", "Greys", "Purples"}
"""Colours of heatmaps that mean neither good nor bad."""
TOPS = {"percentunit": 1.0, "percent": 100.0}
"""The whole, in units that are shares of it."""


def shown(boards: Iterable[Board]) -> list[Shown]:
    """All panels of numbers with all their sample data. Panels that are alike are drawn once."""
    unlike = {json.dumps(panel): panel for board in boards for panel in panels(board) if has_numbers(panel)}
    asked = [(panel, sample) for panel in unlike.values() for sample in samples(panel)]
    drawn = draw([(panel, sample.frames) for panel, sample in asked])
    return [Shown(panel, sample, one) for (panel, sample), one in zip(asked, drawn, strict=True)]


def problems(rule: Rule, everything: Iterable[Shown]) -> list[str]:
    """What a rule says of panels, each problem once."""
    found = (f"{one.panel['title']} ({one.panel['type']}): {problem}" for one in everything for problem in rule(one))
    return list(dict.fromkeys(found))


def texts_can_be_read(one: Shown) -> Iterator[str]:
    """Every value has a text, in which nothing failed, as has every cell of a table; texts are shown as they are."""
    words = words_of(one.panel)
    for name, raw, cell in _cells(one):
        if isinstance(raw, str):
            if cell.text != words.get(raw, raw):
                yield f"{name} shows the text {raw!r} as {cell.text!r}"
        elif BROKEN.search(cell.text) or (not cell.text.strip() and (raw is not None or one.kind == "table")):
            yield f"{name} shows {raw} as {cell.text!r}"


def names_say_what_is_shown(one: Shown) -> Iterator[str]:
    """A legend, a bar, a tile and a table's head have a name of ours."""
    ours = set(columns_of(one.panel).values())
    named: list[Field | Tile] = [*one.fields, *one.tiles]
    yield from (
        f"a series or column is called {item.name!r}"
        for item in named
        if item.name not in ours
        and (not item.name.strip() or BROKEN.search(item.name) or NAMELESS.fullmatch(item.name))
    )


def tables_have_their_columns(one: Shown) -> Iterator[str]:
    """In the order that the table names them, and no other, such as the time of its query."""
    wanted = list(dict.fromkeys(columns_of(one.panel).values()))
    columns = [field.name for field in one.fields]
    if one.kind == "table" and one.sample.complete and columns != wanted:
        yield f"the columns are {columns}, not {wanted}"


def colours_follow_the_limits(one: Shown) -> Iterator[str]:
    """Of a tile, a bar or a state: that of the highest step which the value reaches."""
    for name, limits, cell in _coloured(one):
        if cell.number is not None and cell.colour != (right := _colour(limits, cell.number)):
            yield f"{name} is {cell.colour} at {cell.text}, not {right}"


def nothing_bad_is_no_alarm(one: Shown) -> Iterator[str]:
    """A failed or a pending thing that there is not, is neither red nor orange."""
    for tile in one.tiles:
        words = f"{one.panel['title']}: {tile.name}"
        bad = BAD.search(words) and not LEFT.search(words)
        if bad and tile.number == 0 and tile.colour in ALARMING:
            yield f"{tile.name} is {tile.colour} at {tile.text}"


def absence_is_no_alarm_and_not_good(one: Shown) -> Iterator[str]:
    """A tile without a value is neither red nor green: Grafana gives it the colour of the lowest values."""
    for tile in one.drawn.tiles if one.sample.what == NO_DATA else ():
        if tile.colour in {*ALARMING, "green"}:
            yield f"{tile.text!r} is {tile.colour}"


def levels_have_their_colours(one: Shown) -> Iterator[str]:
    """Errors and 5xx are red, and what is in order is not: of lines, and of tiles that count something."""
    tiles = [tile for tile in one.tiles if len(one.tiles) > 1 and tile.number]
    several: Sequence[Field | Tile] = one.fields if one.kind == "timeseries" else tiles
    for item in several:
        for pattern, colours in SERIES_COLOURS.items():
            if pattern.search(item.name) and item.colour not in colours:
                yield f"{item.name} is {item.colour}, not {' or '.join(sorted(colours))}"
        if CALM.search(item.name) and item.colour in ALARMING:
            yield f"{item.name} is {item.colour}"


def scales_fit(one: Shown) -> Iterator[str]:
    """A fixed scale has a length, a share ends at the whole, a bar begins at zero: else the smallest has no length."""
    for field in one.fields:
        top = TOPS.get(field.unit or "", field.max)
        if field.min is not None and field.max is not None and (field.min >= field.max or field.max != top):
            yield f"{field.name} is drawn from {field.min:g} to {field.max:g} {field.unit}"
    for tile in one.tiles if one.kind == "bargauge" else ():
        if tile.min is None or tile.min > 0:
            yield f"the bar of {tile.name} begins at the smallest value, not at zero"


def heatmaps_are_of_buckets(one: Shown) -> Iterator[str]:
    """Read as cumulative buckets, with bounds in a unit, and in colours none of which is one of trouble."""
    if one.kind != "heatmap":
        return
    if one.panel["options"].get("calculate") or any(t.get("format") != "heatmap" for t in one.panel["targets"]):
        yield "its rows hold what is in the rows below them, too"
    if (scheme := one.panel["options"]["color"].get("scheme")) not in CALM_SCHEMES:
        yield f"its colours are {scheme}"
    yield from (
        f"the bound of a row is {field.name}"
        for field in one.fields
        if not re.fullmatch(r"\+Inf|[\d.]+ \S+", field.name) and one.sample.complete
    )


def dates_are_shown(one: Shown) -> Iterator[str]:
    """What is a time reads like one, and only numbers are."""
    for field in one.fields:
        if DATE.match(field.unit or ""):
            yield from (
                f"{field.name} shows the {field.type} {raw} as {cell.text}"
                for raw, cell in zip(field.raw, field.cells, strict=True)
                if raw is not None and (field.type == "string" or not re.search(r" ago$|\d\d:\d\d", cell.text))
            )


def words_are_shown(one: Shown) -> Iterator[str]:
    """Where there is a word for a value, it is shown."""
    words = words_of(one.panel) if one.sample.complete else {}
    for name, raw, cell in _cells(one):
        if raw is not None and cell.text != words.get(raw, cell.text):
            yield f"{name} shows {raw} as {cell.text!r}, not {words[raw]!r}"


def nothing_is_passed_over(one: Shown) -> Iterator[str]:
    """Grafana knows every option, and every override has a series."""
    if one.sample.complete:
        yield from (f"Grafana passes over the {what}" for what in one.drawn.ignored)


RULES: tuple[Rule, ...] = (
    texts_can_be_read,
    names_say_what_is_shown,
    tables_have_their_columns,
    colours_follow_the_limits,
    nothing_bad_is_no_alarm,
    absence_is_no_alarm_and_not_good,
    levels_have_their_colours,
    scales_fit,
    heatmaps_are_of_buckets,
    dates_are_shown,
    words_are_shown,
    nothing_is_passed_over,
)


def _cells(one: Shown) -> Iterator[tuple[str, float | str | None, Cell]]:
    """Name, value and text of everything that is shown."""
    for field in one.fields:
        yield from ((field.name, raw, cell) for raw, cell in zip(field.raw, field.cells, strict=True))
    yield from ((tile.name, tile.number, tile) for tile in one.drawn.tiles)


def _coloured(one: Shown) -> Iterator[tuple[str, Limits, Cell]]:
    """Name, limits and value of everything that has its colour by its value."""
    yield from ((tile.name, tile.limits, tile) for tile in one.tiles if tile.limits)
    for field in one.fields if one.kind in OVER_TIME else ():
        yield from ((field.name, field.limits, cell) for cell in field.cells if field.limits)


def _colour(limits: Limits, value: float) -> str:
    """The colour of the highest step that a value reaches; of two at the same height that of the later."""
    lowest = float("-inf")
    steps = [(lowest if limit is None else limit, colour) for limit, colour in limits]
    return sorted((step for step in steps if step[0] <= value), key=lambda step: step[0])[-1][1]
