"""The report draws as Grafana does: texts, names, colours, tables and axes, compared with Grafana's own libraries.

Every panel of the dashboards is drawn by both over the same sample data, and both are asked of values, names and axes
that no dashboard has today. What neither library decides is written down in test_drawings.py.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import pytest

import catalogue
import dashboards
from checks.dashboard_json import has_numbers
from checks.grafana.drawn import Drawn, Frame, draw
from checks.grafana.frames import NO_DATA, NOW, Sample, samples
from checks.grafana.scales import Case, ends
from facts import ROOT
from report import board, charts, colours, tables, units
from report import draw as drawing
from report.axes import Axis
from report.board import Panel
from report.charts import Frame as Page
from report.legends import CALCULATIONS, last
from report.look import field
from report.sources import Period, Series, Shown

CHANCE = random.Random()  # noqa: S311 - each test begins with the same seed
PAGE = Page(Period(NOW / 1000 - 3600, NOW / 1000, 30.0), 30.0)


@pytest.fixture(autouse=True)
def _the_same_cases_each_time() -> None:
    CHANCE.seed(16)


# --- the dashboards' panels -------------------------------------------------------------------------------------------
def shown(panel: Panel, frames: Sequence[Frame]) -> Shown:
    """What the data sources return, for the report."""
    return Shown(tuple(one for frame in frames for one in _series(panel, frame)))


def _series(panel: Panel, frame: Frame) -> Iterator[Series]:
    fields, values = frame["schema"]["fields"], frame["data"]["values"]
    (target,) = (target for target in panel.targets if target.ref == frame["schema"]["refId"])
    if not fields:
        return
    times, numbers = [time / 1000 for time in values[0]], [math.nan if it is None else it for it in values[-1]]
    if "labels" in fields[-1]:
        name, labels = fields[-1]["config"].get("displayNameFromDS", ""), fields[-1]["labels"]
        yield Series(target, name, labels, tuple(zip(times, numbers, strict=True)))
        return
    names = [field["name"] for field in fields[1:-1]]
    for time, *texts, number in zip(times, *values[1:-1], numbers, strict=True):
        yield Series(target, "", dict(zip(names, texts, strict=True)), ((time, number),))


@cache
def drawn() -> list[tuple[Panel, Sample, Drawn]]:
    """Every panel of numbers with all its sample data, as Grafana draws it."""
    boards = dashboards.load(catalogue.load(ROOT / "services.yaml")).values()
    panels = [panel for text in boards for panel in board.read(text).panels if panel.targets and has_numbers(panel.raw)]
    asked = [
        (panel, sample)
        for panel in panels
        for sample in samples(panel.raw)
        if sample.complete or sample.what == NO_DATA or panel.kind == "table"  # a series more or less is nothing new
    ]
    answers = draw([(panel.raw, sample.frames) for panel, sample in asked], NOW)
    return [(panel, sample, one) for (panel, sample), one in zip(asked, answers, strict=True)]


def of_kind(*kinds: str) -> list[tuple[Panel, Sample, Drawn]]:
    """Those panels of these kinds for which there is data."""
    found = [
        one for one in drawn() if one[0].kind in kinds and any(frame["schema"]["fields"] for frame in one[1].frames)
    ]
    assert len({panel.title for panel, _, _ in found}) > 3
    return found


def test_names_colours_and_values_over_time_are_grafanas() -> None:
    for panel, sample, grafana in of_kind("timeseries", "state-timeline"):
        own = drawing.renamed(panel, shown(panel, sample.frames)).series
        fields = [field for field in grafana.fields if field.type == "number"]
        assert [one.legend for one in own] == [one.name for one in fields], panel.title
        if panel.kind == "timeseries":
            assert charts.colours(panel, own) == [one.shade for one in fields], panel.title
        for one, theirs in zip(own, fields, strict=True):
            look = field(panel, one.legend)
            assert [look.text(value) for _, value in one.points if not math.isnan(value)] == [
                cell.text for raw, cell in zip(theirs.raw, theirs.cells, strict=True) if raw is not None
            ], panel.title
            if panel.kind == "state-timeline":
                shades = [cell.shade for cell in theirs.cells]
                assert [look.shade(value) for _, value in one.points] == shades, panel.title


def test_tiles_and_bars_are_grafanas() -> None:
    for panel, sample, grafana in of_kind("stat", "bargauge"):
        own = drawing.renamed(panel, shown(panel, sample.frames))
        assert tiles(panel, own) == [(tile.name, tile.text, tile.shade) for tile in grafana.tiles], panel.title
        if panel.kind == "bargauge":
            bounds = {(tile.min, tile.max) for tile in grafana.tiles}
            assert bounds == {drawing.reach(panel, own)}, panel.title


def tiles(panel: Panel, own: Shown) -> list[tuple[str, str, str]]:
    """Name, text and colour of the tiles that the report draws."""
    values = [last([value for _, value in one.points]) for one in own.series]
    looks = [field(panel, one.legend) for one in own.series]
    return [
        (one.legend, look.reduced(value), look.colour(place, one.legend, value))
        for place, (one, look, value) in enumerate(zip(own.series, looks, values, strict=True))
    ]


def test_a_tile_or_a_bar_without_data_is_grafanas() -> None:
    without = [
        one for one in drawn() if one[0].kind in {"stat", "bargauge"} and not shown(one[0], one[1].frames).series
    ]
    assert len(without) > 40
    for panel, _, grafana in without:
        (tile,), own = grafana.tiles, drawing.empty(panel)
        assert "".join(own.itertext()) == tile.text, panel.title
        assert tile.shade in own.attrib["style"], panel.title


def test_tables_are_grafanas() -> None:
    for panel, sample, grafana in of_kind("table"):
        own = shown(panel, sample.frames)
        names = [one.name for one in grafana.fields]
        theirs = list(zip(*([cell.text for cell in one.cells] for one in grafana.fields), strict=True))
        table = tables.table(panel, own)
        rows = [
            tuple("".join(cell.itertext()) for cell in row.iter("td"))
            for row in drawing.body(panel, own, PAGE).iter("tr")
        ]
        assert sorted(filter(None, rows)) == sorted(theirs), panel.title
        assert not rows or list(table.columns) == names, panel.title


# --- values -----------------------------------------------------------------------------------------------------------
BORDERS = (
    *(0.0, 1.0, 100.0, math.nan, math.inf),
    *(7.0, 26.0, 60.0, 365.0, 3600.0, 86_400.0, 604_800.0, 2_592_000.0, 31_536_000.0),
    *(10.0**power for power in range(-12, 19)),
    *(1024.0**power for power in range(1, 7)),
)
"""Where another suffix or another number of decimals begins."""
DECIMALS = (None, 0, 2)


def amounts(count: int) -> list[float]:
    """Values at, just below and just above the borders, and `count` of any size; of both signs."""
    near = [border * factor for border in BORDERS for factor in (1, 1 - 1e-9, 1 + 1e-3, 2.25)]
    chosen = [10 ** CHANCE.uniform(-9, 15) for _ in range(count)]
    rounded = [round(CHANCE.uniform(0, 1000), CHANCE.randrange(4)) for _ in range(count)]
    return [value * CHANCE.choice((1, -1)) for value in (*near, *chosen, *rounded)]


def frame(values: Sequence[float | None], name: str = "one") -> Frame:
    """A series as Grafana's server sends it: what JSON has no number for is listed beside the values."""
    words = {"nan": "NaN", "inf": "Inf", "-inf": "NegInf"}
    places = {
        word: [place for place, value in enumerate(values) if str(value) == written] for written, word in words.items()
    }
    times = [NOW - 30_000 * (len(values) - place) for place in range(len(values))]
    numbers = [value if value is not None and math.isfinite(value) else None for value in values]
    fields = [
        {"name": "Time", "type": "time"},
        {"name": "Value", "type": "number", "labels": {"name": name}, "config": {"displayNameFromDS": name}},
    ]
    return {
        "schema": {"refId": "A", "fields": fields},
        "data": {"values": [times, numbers], "entities": [None, places]},
    }


def panel(kind: str = "timeseries", options: dict[str, Any] | None = None, **defaults: Any) -> Panel:
    """A panel with these options of its fields."""
    target = {"refId": "A", "expr": "up", "legendFormat": "{{name}}", "datasource": {"type": "prometheus"}}
    place = {"x": 0, "y": 0, "w": 8, "h": 8}
    raw = {"id": 1, "title": "A panel", "type": kind, "gridPos": place, "targets": [target], "options": options or {}}
    return board._panel("one", raw | {"fieldConfig": {"defaults": defaults, "overrides": []}})


def one_by_one(panels: Sequence[Panel], frames: Sequence[Sequence[Frame]]) -> list[Drawn]:
    """What Grafana draws of each panel with its frames."""
    return draw([(of.raw, several) for of, several in zip(panels, frames, strict=True)], NOW)


def test_every_unit_is_written_as_grafana_writes_it() -> None:
    cases = [(name, decimals, amounts(30)) for name in units.UNITS for decimals in DECIMALS]
    panels = [panel(unit=name, decimals=decimals) for name, decimals, _ in cases]
    answers = one_by_one(panels, [[frame(values)] for _, _, values in cases])
    wrong = [
        f"{value!r} in {name} with decimals {decimals}: {own!r}, Grafana has {cell.text!r}"
        for (name, decimals, values), answer in zip(cases, answers, strict=True)
        for value, cell in zip(values, answer.fields[1].cells, strict=True)
        if (own := units.text(value, name, decimals)) != cell.text
    ]
    assert not wrong, "\n".join([f"{len(wrong)}", *wrong[:40]])


def test_an_age_is_told_as_grafana_tells_it() -> None:
    day = 86_400
    sizes = [10 ** CHANCE.uniform(0, math.log10(25 * day)) for _ in range(500)]
    sizes += [border + step for border in (45, 90, 2670, 5370, 77_400, 126_000) for step in (-1, 1)]
    sizes += [day * days for days in (26, 40, 100, 200, 300, 360, 500, 800, 4000)]
    of = panel(unit=units.AGE)
    ages = [sign * size for size in (0, *sizes) for sign in (1, -1)]
    (answer,) = one_by_one([of], [[frame([NOW - 1000 * age for age in ages])]])
    assert [units.age(age) for age in ages] == [cell.text for cell in answer.fields[1].cells]


def test_series_are_reduced_as_grafana_reduces_them() -> None:
    special = (None, math.nan, math.inf)
    cases = [[CHANCE.choice([CHANCE.gauss(0, 9), *special[: size % 4]]) for _ in range(size)] for size in range(1, 30)]
    asked = [
        (panel("stat", {"reduceOptions": {"calcs": [name]}}, unit="none", noValue="nothing"), name, values)
        for name in CALCULATIONS
        for values in cases
    ]
    answers = one_by_one([of for of, _, _ in asked], [[frame(values)] for _, _, values in asked])
    for (of, name, values), answer in zip(asked, answers, strict=True):
        numbers = [value for value in values if value is not None and not math.isnan(value)]
        assert field(of).reduced(CALCULATIONS[name][1](numbers)) == answer.tiles[0].text, (name, values)


# --- colours ----------------------------------------------------------------------------------------------------------
def test_names_of_colours_and_their_limits_are_grafanas() -> None:
    steps = [
        sorted([CHANCE.uniform(-5, 5) for _ in range(CHANCE.randrange(5))], key=lambda _: CHANCE.random() < 0.1)
        for _ in range(60)
    ]
    names = [*colours.NAMED, "#123456"]
    panels = [panel(thresholds=limits([None], [name])) for name in names]
    panels += [panel(thresholds=limits([None, *bounds], CHANCE.choices(names, k=5))) for bounds in steps]
    values = [*(CHANCE.uniform(-6, 6) for _ in range(30)), math.nan, math.inf, -math.inf, 0.0]
    for of, answer in zip(panels, one_by_one(panels, [[frame(values)]] * len(panels)), strict=True):
        assert [field(of).shade(value) for value in values] == [cell.shade for cell in answer.fields[1].cells], of.raw


def limits(bounds: Sequence[float | None], names: Sequence[str]) -> dict[str, Any]:
    steps = [{"value": bound, "color": name} for bound, name in zip(bounds, names, strict=False)]
    return {"mode": "absolute", "steps": steps}


def test_the_colours_of_series_are_grafanas() -> None:
    letters = "abcxyz-_ 019é€𝄞/"
    names = ["".join(CHANCE.choices(letters, k=CHANCE.randrange(1, 40))) for _ in range(300)]
    panels = [panel(color={"mode": mode}) for mode in ("palette-classic", "palette-classic-by-name")]
    frames = [frame([1.0], name) for name in names]
    for of, answer in zip(panels, one_by_one(panels, [frames, frames]), strict=True):
        shades = [one.shade for one in answer.fields if one.type == "number"]
        assert charts.colours(of, shown(of, frames).series) == shades


# --- axes -------------------------------------------------------------------------------------------------------------
def axes(count: int) -> Iterator[Case]:
    """Axes with bounds near the values that are drawn on them."""
    for _ in range(count):
        size = 10 ** CHANCE.uniform(-4, 9)
        low, high = sorted(CHANCE.choice([0.0, 1.0, -1.0, CHANCE.uniform(-1, 1)]) * size for _ in range(2))
        soft_min, soft_max, least, most = (
            CHANCE.choice([None, None, 0.0, 1.0, CHANCE.uniform(-2, 2) * size]) for _ in range(4)
        )
        if least is not None and most is not None:  # Grafana exchanges them otherwise
            least, most = sorted((least, most))
        logarithmic = CHANCE.random() < 0.2
        if logarithmic:
            low, high = sorted(10 ** CHANCE.uniform(-6, 9) for _ in range(2))
        yield Axis(soft_min, soft_max, least, most, whole=CHANCE.random() < 0.3, logarithmic=logarithmic), low, high


def test_an_axis_ends_where_grafanas_does() -> None:
    cases = list(axes(2000))
    wrong = [
        f"{axis} from {low} to {high}: {own}, Grafana has {theirs}"
        for (axis, low, high), theirs in zip(cases, ends(cases), strict=True)
        if (own := axis.reach(low, high)) != pytest.approx(theirs, rel=1e-9, abs=1e-12)
    ]
    assert not wrong, "\n".join([f"{len(wrong)}", *wrong[:20]])
