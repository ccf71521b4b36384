"""The report draws by Grafana's rules, as a real server and its libraries showed them, so that both look alike."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from local.errors import RehearsalError
from report import __main__ as command
from report import charts, colours, columns, draw, gather, images, legends, look
from report.axes import Axis
from report.board import Panel, read
from report.charts import Frame
from report.gather import Drawing
from report.sources import Period, Shown, Sources
from tests.unit.report_samples import FRAME, config, dashboard, instant, panel, panel_json, series, styles, text


def graph(*, height: int = 8, legend: dict[str, Any] | None = None, **defaults: Any) -> Panel:
    place = {"x": 0, "y": 0, "w": 8, "h": height}
    return panel("timeseries", gridPos=place, fieldConfig=config(**defaults), options={"legend": legend or {}})


def override(kind: str, options: str, **properties: Any) -> dict[str, Any]:
    changed = [{"id": key, "value": value} for key, value in properties.items()]
    return {"matcher": {"id": kind, "options": options}, "properties": changed}


# --- axes: the ends were computed by Grafana 13.2.3's scale builder and uPlot 1.6.32 ----------------------------------
@pytest.mark.parametrize(
    ("axis", "low", "high", "ends"),
    [
        (Axis(), 0, 0, (0, 100)),  # zeros alone: percentages are then drawn up to 10,000 %
        (Axis(), 5, 5, (0, 10)),
        (Axis(), -5, -5, (-10, 0)),
        (Axis(), 40, 46, (39.4, 46.6)),  # not from zero: memory looks like a leak
        (Axis(), 0.3, 10, (0, 11)),  # near zero it begins there
        (Axis(), -1, 10, (-3, 12)),
        (Axis(soft_min=0), 40, 46, (0, 46.6)),
        (Axis(soft_min=0, soft_max=0.05), 0, 0, (0, 0.05)),
        (Axis(soft_min=0, soft_max=0.05), 0, 0.2, (0, 0.22)),  # a soft end gives way to a value
        (Axis(soft_min=0), -1, 10, (-3, 12)),
        (Axis(soft_max=1), 0.98, 1, (0.978, 1)),
        (Axis(minimum=0, maximum=1), 0.2, 0.4, (0, 1)),
        (Axis(minimum=0, maximum=1), 3, 4, (0, 1)),
        (Axis(whole=True), 0.3, 0.4, (0, 1)),
        (Axis(logarithmic=True), 0.3, 250, (0.1, 1000)),
        (Axis(logarithmic=True), 10, 10, (1, 100)),
        (Axis(logarithmic=True, whole=True), 0.01, 0.2, (1, 10)),
    ],
)
def test_an_axis_ends_where_grafanas_does(axis: Axis, low: float, high: float, ends: tuple[float, float]) -> None:
    assert axis.reach(low, high) == pytest.approx(ends, rel=1e-9)


def test_a_graph_is_drawn_on_that_axis_in_its_unit() -> None:
    of = graph(unit="percentunit")
    drawn = charts.lines(of, Shown((series(of, 0.0, 0.0),)), FRAME)["layout"]["yaxis"]
    assert (drawn["range"], drawn["ticksuffix"]) == ([0, 10_000], "%")
    soft = graph(unit="percentunit", custom={"axisSoftMin": 0, "axisSoftMax": 0.05})
    assert charts.lines(soft, Shown((series(soft, 0.0, 0.0),)), FRAME)["layout"]["yaxis"]["range"] == [0, 5]


def test_a_stacked_graph_reaches_from_the_lowest_series_to_the_sum() -> None:
    of = graph(custom={"stacking": {"mode": "normal"}})
    assert charts.reach(of, Shown((series(of, 10.0), series(of, 20.0)))) == (8, 32)


@pytest.mark.parametrize("style", ["line", "dashed"])
def test_thresholds_are_drawn_within_the_axis_and_do_not_stretch_it(style: str) -> None:
    steps = [{"value": bound, "color": "red"} for bound in (None, 3.0, 50.0)]
    of = graph(thresholds={"mode": "absolute", "steps": steps}, custom={"thresholdsStyle": {"mode": style}})
    shapes = charts.lines(of, Shown((series(of, 2.0, 6.0),)), FRAME)["layout"]["shapes"]
    assert [(shape["y0"], shape["line"].get("dash")) for shape in shapes] == [
        (3, "dash" if style == "dashed" else None)
    ]


def test_a_lone_value_is_seen_only_where_points_are_drawn() -> None:
    modes = []
    for custom in ({}, {"showPoints": "never"}):
        of = graph(custom=custom)
        trace = charts.lines(of, Shown((series(of, 1.0, at=(1030.0,)),)), FRAME)["data"][0]
        modes.append(trace["mode"])
    assert modes == ["lines+markers", "lines"]


# --- legends --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("height", "placement", "in_sight"),
    [(8, "bottom", 2), (10, "bottom", 3), (5, "bottom", 1), (8, "right", 9)],
)
def test_a_legend_has_as_many_rows_in_sight_as_grafana(height: int, placement: str, in_sight: int) -> None:
    of = graph(height=height, legend={"placement": placement, "calcs": ["lastNotNull"]})
    found = legends.legend(of, Shown(tuple(series(of, 1.0, service=f"s{number}") for number in range(12))))
    assert found is not None
    assert (found.in_sight, found.beside) == (in_sight, placement == "right")


@pytest.mark.parametrize(
    ("by", "down", "names"),
    [
        (None, False, ["s10", "s9", "S1", "none"]),
        ("Last *", True, ["s9", "S1", "s10", "none"]),
        ("Last *", False, ["none", "s10", "S1", "s9"]),
        ("Max", True, ["S1", "s9", "s10", "none"]),
        ("Name", False, ["none", "S1", "s9", "s10"]),
    ],
)
def test_a_legend_is_sorted_as_the_panel_says(by: str | None, down: bool, names: list[str]) -> None:
    of = graph(legend={"calcs": ["lastNotNull", "max"], "sortBy": by, "sortDesc": down})
    values = {"s10": (1.0, 1.0), "s9": (2.0, 7.0), "S1": (9.0, 5.0), "none": (math.nan,)}
    shown = Shown(tuple(series(of, *points, service=name) for name, points in values.items()))
    found = legends.legend(of, shown)
    assert found is not None
    assert [entry.series.legend for entry in found.entries] == names
    (drawn,) = [part for part in draw.body(of, shown, FRAME) if part.get("class") == "legend"]
    assert [row.findtext(".//span") for row in drawn.iter("tr")][1:] == names
    assert drawn.get("style") == "max-height:69px"  # the headings and two rows, and no half of a third


def test_a_panel_can_do_without_a_legend_and_what_is_not_known_is_refused() -> None:
    assert legends.legend(graph(legend={"showLegend": False}), Shown()) is None
    with pytest.raises(look.LookError, match="a legend with 'stdDev': the report knows lastNotNull"):
        legends.legend(graph(legend={"calcs": ["stdDev"]}), Shown())


# --- colours: those that @grafana/data 13.2.3 returns ---------------------------------------------------------------
def test_colours_follow_the_order_of_the_palette() -> None:
    of = graph(color={"mode": "palette-classic"})
    shown = tuple(series(of, 1.0, service=name) for name in ("a", "b", "c", "d", "e"))
    assert charts.colours(of, shown) == ["#73bf69", "#f2cc0c", "#5794f2", "#ff9830", "#f2495c"]


def test_a_name_has_its_colour_in_every_panel() -> None:
    of = graph(color={"mode": "palette-classic-by-name"})
    names = {"order-service": "#c0d8ff", "gateway": "#ea6460", "auth-service": "#d683ce", "é€𝄞 x": "#82b5d8"}
    shown = tuple(series(of, 1.0, service=name) for name in names)
    assert charts.colours(of, shown) == list(names.values())
    assert charts.colours(of, shown[::-1]) == list(names.values())[::-1]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [("/ERROR$/", True), ("/error$/", False), ("/error$/i", True), ("ERROR", False), (".*ERROR", True)],
)
def test_an_override_by_pattern_finds_what_grafanas_does(pattern: str, matches: bool) -> None:
    fixed = override("byRegexp", pattern, color={"mode": "fixed", "fixedColor": "red"})
    of = panel("timeseries", fieldConfig=config(color={"mode": "palette-classic"}) | {"overrides": [fixed]})
    shade = charts.colours(of, [series(of, 1.0, service="gateway ERROR")])[0]
    assert shade == colours.NAMED["red" if matches else "green"]


def test_a_word_has_its_own_colour_and_dark_text_where_that_is_bright() -> None:
    mapping = {"type": "value", "options": {"0": {"text": "none", "color": "yellow"}}}
    of = panel(fieldConfig=config(mappings=[mapping]))
    drawn = draw.body(of, Shown((series(of, 0.0, service="a"),)), FRAME)
    assert f"background:{colours.NAMED['yellow']};color:#202226" in styles(drawn)


def test_a_scheme_of_colours_that_is_not_known_is_refused() -> None:
    with pytest.raises(look.LookError, match="colours by 'continuous-GrYlRd'"):
        look.field(graph(color={"mode": "continuous-GrYlRd"}))


# --- tables ---------------------------------------------------------------------------------------------------------
COLUMNS = ("Side", "Created", "Executed", "Cancelled", "Rejected", "Volume")


def table(*overrides: dict[str, Any], **defaults: Any) -> Panel:
    place = {"x": 0, "y": 0, "w": 12, "h": 5}
    return panel("table", gridPos=place, fieldConfig=config(**defaults) | {"overrides": list(overrides)})


@pytest.mark.parametrize(
    ("of", "in_sight", "first"),
    [
        (table(), 4, 150),
        (table(custom={"minWidth": 60}), 6, 102),
        (table(override("byName", "Side", **{"custom.width": 300})), 3, 300),
        (table(*(override("byName", name, **{"custom.width": 80}) for name in COLUMNS[1:])), 6, 212),
    ],
    ids=["by default", "least width", "one wide", "narrow numbers"],
)
def test_columns_are_as_wide_as_grafanas(of: Panel, in_sight: int, first: float) -> None:
    assert columns.widths(of, COLUMNS)[0] == first
    assert columns.in_sight(of, COLUMNS) == list(COLUMNS[:in_sight])


def test_the_page_lays_the_columns_out_so() -> None:
    of = table(override("byName", "Value", **{"custom.width": 90}), custom={"minWidth": 60})
    (drawn,) = draw.body(of, Shown((series(of, 1.0, service="a"),)), FRAME)
    assert drawn.get("style") == "grid-template-columns:minmax(60px, 1fr) minmax(60px, 1fr) 90px"


@pytest.mark.parametrize("wrapped", [{"custom.wrapText": True}, {"custom.cellOptions": {"wrapText": True}}])
def test_text_is_cut_unless_it_is_wrapped(wrapped: dict[str, Any]) -> None:
    found = []
    for of in (table(), table(override("byName", "service", **wrapped))):
        cells = draw.body(of, Shown((series(of, 1.0, service="a"),)), FRAME).iter("td")
        found.append([cell.get("class") for cell in cells])
    assert found == [[None, None, "number"], [None, "wrapped", "number"]]


def test_a_text_under_a_unit_of_times_is_refused_as_grafana_shows_nan() -> None:
    of = table(unit="dateTimeFromNow")
    with pytest.raises(look.LookError, match=r"A panel: column 'service' holds text.*'dateTimeFromNow'.*NaN"):
        draw.body(of, Shown((series(of, 1_000_000.0, service="a"),)), FRAME)


def test_a_cell_without_a_value_says_what_the_panel_says() -> None:
    join = {"id": "joinByField", "options": {"byField": "service", "mode": "outer"}}
    of = panel("table", 2, transformations=[join], fieldConfig=config(noValue="-"))
    drawn = draw.body(of, Shown((series(of, 1.0, service="a"), series(of, 2.0, query=1, service="b"))), FRAME)
    assert [text(cell) for cell in drawn.iter("td")].count("-") == 4


# --- names, pages of bands, empty texts -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("keys", "services", "names"),
    [({}, ["a", "b"], ["a", "b"]), ({}, ["a"], []), ({"displayName": "${__field.labels.service}!"}, ["a"], ["a!"])],
)
def test_a_lone_bar_has_no_name_of_the_querys(keys: dict[str, str], services: list[str], names: list[str]) -> None:
    of = panel("bargauge", fieldConfig=config(**keys))
    drawn = draw.body(of, Shown(tuple(series(of, 1.0, service=name) for name in services)), FRAME)
    assert [text(part) for part in drawn if part.get("class") == "name"] == names


@pytest.mark.parametrize(("at_once", "drawn", "words"), [(2, 2, "page 1 of 2: 3 bands"), (0, 3, ""), (20, 3, "")])
def test_bands_are_shown_by_the_page(at_once: int, drawn: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of = panel("state-timeline", options={"perPage": at_once})
    seen: list[int] = []

    def states(_: Panel, shown: Shown, __: Frame) -> dict[str, Any]:
        seen.append(len(shown.series))
        return {}

    monkeypatch.setattr(charts, "states", states)
    body = draw.body(of, Shown(tuple(series(of, 1.0, service=name) for name in "abc")), FRAME)
    assert (seen, "".join(part.text or "" for part in body if part.get("class") == "pager")) == ([drawn], words)


def test_lines_that_are_missing_are_told_as_grafana_tells_it() -> None:
    of = panel("logs", fieldConfig=config(noValue="No error is logged"))
    assert text(draw.body(of, Shown(), FRAME)) == "No data"


@pytest.mark.parametrize(
    ("kind", "keys", "said", "style"),
    [
        ("stat", {}, "No data", "background:#f2495c;color:#f7f8fa"),  # the colour of the lowest values
        ("stat", {"noValue": "no order"}, "no order", "background:#f2495c;color:#f7f8fa"),
        ("stat", {"mappings": "null"}, "none", "background:#5794f2;color:#f7f8fa"),
        ("bargauge", {"mappings": "null+nan"}, "none", "color:#5794f2"),
        ("stat", {"mappings": "nan"}, "No data", "background:#f2495c;color:#f7f8fa"),
        ("table", {"noValue": "no order"}, "no order", None),
    ],
)
def test_what_has_no_value_has_the_colour_that_grafana_gives_it(
    kind: str, keys: dict[str, Any], said: str, style: str | None
) -> None:
    steps = [{"value": None, "color": "red"}, {"value": 1, "color": "green"}]
    special = {
        "type": "special",
        "options": {"match": keys.get("mappings"), "result": {"text": "none", "color": "blue"}},
    }
    changed = {"mappings": [special]} if "mappings" in keys else keys
    of = panel(kind, fieldConfig=config(thresholds={"mode": "absolute", "steps": steps}, **changed))
    drawn = draw.body(of, Shown(), FRAME)
    assert (text(drawn), drawn.get("style")) == (said, style)


# --- time ranges ----------------------------------------------------------------------------------------------------
class Young:
    """Sources whose first scrape was some seconds ago, and which have no other series."""

    def __init__(self, age: float) -> None:
        self.age = age
        self.asked: list[dict[str, str]] = []
        self.sources = Sources("http://prometheus", "http://loki", httpx.Client(transport=httpx.MockTransport(self)))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        asked = dict(httpx.QueryParams(request.content.decode()))
        self.asked.append(asked)
        found: list[Any] = []
        if asked["query"] == "count(up)":
            start, end, step = (float(asked[key]) for key in ("start", "end", "step"))
            times = [start + step * number for number in range(round((end - start) / step) + 1)]
            values = [[time, "1"] for time in times if time > end - self.age]
            found = [{"metric": {}, "values": values}] if values else []
        kind = "matrix" if "step" in asked else "vector"
        return httpx.Response(200, json={"data": {"resultType": kind, "result": found}})


@pytest.mark.parametrize(
    ("age", "since", "length"),
    [(1200, None, 1200), (90, None, 300), (90_000, None, 3600), (1200, 7200, 1200), (1200, 600, 600), (0, None, 300)],
    ids=["young", "very young", "old", "asked for more", "asked for less", "no data"],
)
def test_a_board_opens_at_the_age_of_the_data(age: float, since: float | None, length: float) -> None:
    period = gather.plan(dashboard(panel_json()), since, Young(age).sources).period
    assert period.length == pytest.approx(length, abs=31)


def test_a_panel_has_its_own_range_as_far_as_there_is_data() -> None:
    lengths = []
    for age in (86400 * 60, 7200):
        young = Young(age)
        plan = gather.plan(dashboard(panel_json("timeseries", timeFrom="30d")), 3600)
        gather.gather(plan, young.sources, {})
        (asked,) = [asked for asked in young.asked if asked["query"] == "metric_0"]
        lengths.append(float(asked["end"]) - float(asked["start"]))
    assert lengths == [pytest.approx(30 * 86400, rel=0.01), pytest.approx(7200, abs=3700)]


@pytest.mark.parametrize(
    ("expr", "age", "state"),
    [
        ("rate(x[12h])", 600, "early"),
        ("x offset 1d", 600, "early"),
        ("service:slo_burn_rate:ratio_increase12h", 600, "early"),
        ("rate(x[12h])", 86400, "empty"),
        ("rate(x[5m])", 600, "empty"),
        ("x", 600, "empty"),
        ("x", 60, "early"),
    ],
)
def test_a_panel_that_needs_older_data_says_so(expr: str, age: float, state: str) -> None:
    raw = instant()
    raw["targets"][0]["expr"] = expr
    (found,) = gather.gather(gather.plan(dashboard(raw)), Young(age).sources, {}).panels
    assert found.state == state
    if state == "early":
        assert "No data yet: needs up to" in text(found.body)


@pytest.mark.parametrize(
    ("words", "age", "state"),
    [
        ("No data: needs a stack with AWS", 60, "early"),
        ("No data: needs a stack with AWS", 600, "healthy"),
        ("No alert is firing", 60, "healthy"),
    ],
)
def test_in_the_first_minutes_what_is_missing_may_only_not_be_there_yet(words: str, age: float, state: str) -> None:
    raw = instant(fieldConfig={"defaults": {"noValue": words}, "overrides": []})
    (found,) = gather.gather(gather.plan(dashboard(raw)), Young(age).sources, {}).panels
    assert found.state == state


# --- the command ----------------------------------------------------------------------------------------------------
def test_a_range_that_is_none_is_refused_in_the_spelling_of_make() -> None:
    for since, expected in (
        ("1x", "SINCE=1x: expected a duration of more than 0 in s, m, h, d or w such as 30m or 1h"),
        ("5000w", "SINCE=5000w: expected at most 520w"),
    ):
        done = CliRunner().invoke(command.main, ["--since", since])
        assert done.exit_code == 1
        assert expected in done.output


def drawn_board() -> Drawing:
    board = read(dashboard(panel_json(gridPos={"x": 0, "y": 20, "w": 8, "h": 10})))
    return Drawing(board, Period(0, 60), {}, (), ())


def test_a_picture_is_taken_of_each_board_at_full_height(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = tmp_path / "chromium"
    browser.write_text('#!/bin/sh\nfor word; do case $word in --screenshot=*) echo "$@" > "${word#*=}";; esac; done\n')
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (file,) = images.pictures(tmp_path / "report.html", [drawn_board()], tmp_path / "made" / "images")
    assert file == tmp_path / "made" / "images" / "one.png"
    words = file.read_text()
    assert f"{tmp_path.as_uri()}/report.html#one" in words
    assert "--window-size=1300,1388" in words


def test_each_picture_is_named_as_soon_as_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take minutes together on a busy machine."""
    browser = tmp_path / "chromium"
    browser.write_text('#!/bin/sh\nfor word; do case $word in --screenshot=*) : > "${word#*=}";; esac; done\n')
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    made = images.pictures(tmp_path / "report.html", [drawn_board(), drawn_board()], tmp_path / "made")
    picture = next(made)
    picture.unlink()
    assert list(made) == [picture], "the second is taken after the first was named"
    assert picture.exists()


def test_a_missing_browser_is_said_before_anything_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(command.main, ["--images", str(tmp_path / "made")])
    assert done.exit_code == 1
    assert "on PATH; install Chromium" in done.output


def test_without_a_browser_it_says_which_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RehearsalError, match=r"IMAGES=.*no chromium or .* on PATH; install Chromium"):
        images.pictures(tmp_path / "report.html", [drawn_board()], tmp_path)
