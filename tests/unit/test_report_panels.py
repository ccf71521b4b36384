"""What panels of the report show: values, colours, words, graphs and tables, as Grafana shows them."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest

import catalogue
import dashboards
from facts import ROOT
from report import board, charts, colours, draw, look, tables, units
from report.board import Panel
from report.charts import Frame, Mark
from report.sources import Series, Shown
from tests.unit.report_samples import (
    FRAME,
    config,
    dashboard,
    panel,
    panel_json,
    series,
    styles,
    text,
)


# --- values ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("value", "unit", "decimals", "told"),
    [
        (0.25, "s", None, "250 ms"),
        (7300, "s", None, "2.03 hours"),
        (0, "s", None, "0 s"),
        (42, "ms", None, "42 ms"),
        (4200, "ms", None, "4.20 s"),
        (0.1234, "percentunit", None, "12.3%"),
        (0.99996, "percentunit", None, "100.0%"),  # what matters needs decimals
        (1, "percentunit", None, "100%"),
        (12.5, "percent", None, "12.5%"),
        (1536, "bytes", None, "1.50 KiB"),
        (2_500_000, "decbytes", None, "2.50 MB"),
        (12.3, "reqps", None, "12.3 req/s"),
        (1_234_567, "currencyUSD", None, "$1.23M"),
        (-5, "currencyUSD", 2, "-$5.00"),
        (1234.5, "short", None, "1.23 K"),
        (0.0123, "short", None, "0.0123"),
        (3, "short", 0, "3"),
        (math.nan, "short", None, "NaN"),
        (math.inf, "s", None, "∞ years"),
        (0.25, "short", None, "0.250"),
        (1234.5, "locale", None, "1,234.5"),
    ],
)
def test_values_are_written_as_grafana_writes_them(value: float, unit: str, decimals: int | None, told: str) -> None:
    assert units.text(value, unit, decimals) == told


def test_a_value_is_never_shown_without_its_unit() -> None:
    with pytest.raises(units.UnknownUnitError, match=r"'furlong'.*UNITS in report/units.py"):
        units.text(1, "furlong")


def test_every_panel_of_every_dashboard_is_of_a_kind_and_a_look_that_the_report_knows() -> None:
    boards = dashboards.load(catalogue.load(ROOT / "services.yaml"))
    panels = [item for text in boards.values() for item in board.read(text).panels]
    assert len(panels) > 100
    for item in panels:
        assert item.kind in draw.KINDS or item.kind == "text", item
        names = [override["matcher"]["options"] for override in item.raw.get("fieldConfig", {}).get("overrides", ())]
        for name in ["", *names]:
            unit = look.field(item, name).unit
            assert unit in units.UNITS or unit in units.TIMES, item
        if item.kind == "table" and item.targets:
            tables.table(item, Shown())


# --- thresholds, words, overrides -----------------------------------------------------------------------------------
STEPS = {"mode": "absolute", "steps": [{"value": None, "color": "red"}, {"value": 0.5, "color": "orange"}]}


@pytest.mark.parametrize(("value", "colour"), [(-3.0, "red"), (0.49, "red"), (0.5, "orange"), (9.0, "orange")])
def test_a_tile_has_the_colour_of_the_highest_threshold_reached(value: float, colour: str) -> None:
    of = panel(fieldConfig=config(thresholds=STEPS))
    tile = draw.body(of, Shown((series(of, value),)), FRAME)
    assert any(style.startswith(f"background:{colours.NAMED[colour]};") for style in styles(tile))


def test_words_stand_for_the_values_they_are_given_for_and_no_other() -> None:
    mapping = {"type": "value", "options": {"0": {"text": "Down"}, "-1": {"text": "not told"}}}
    of = panel(fieldConfig=config(mappings=[mapping]))
    shown = Shown((series(of, 0.0, service="a"), series(of, -1.0, service="b"), series(of, 1.0, service="c")))
    assert [text(tile) for tile in draw.body(of, shown, FRAME)] == ["Down", "not told", "1"]


def test_an_override_counts_for_the_series_it_names_only() -> None:
    red = {"id": "color", "value": {"mode": "fixed", "fixedColor": "dark-red"}}
    override = {"matcher": {"id": "byName", "options": "errors"}, "properties": [red, {"id": "unit", "value": "s"}]}
    of = panel(fieldConfig=config(thresholds=STEPS) | {"overrides": [override]})
    assert look.field(of, "errors").shade(9) == colours.NAMED["dark-red"]
    assert look.field(of, "errors").text(0.25) == "250 ms"
    assert look.field(of, "others").shade(9) == colours.NAMED["orange"]
    assert look.field(of, "others").text(0.25) == "0.250"


@pytest.mark.parametrize(
    "keys",
    [
        {"kind": "piechart"},
        {"kind": "table", "transformations": [{"id": "reduce", "options": {}}]},
        {"fieldConfig": config(thresholds={"mode": "percentage", "steps": []})},
        {"fieldConfig": config(mappings=[{"type": "range", "options": {}}])},
        {"fieldConfig": config() | {"overrides": [{"matcher": {"id": "byType", "options": "x"}, "properties": []}]}},
    ],
)
def test_what_the_report_cannot_draw_is_said(keys: dict[str, Any]) -> None:
    of = panel(**keys)
    with pytest.raises(look.LookError, match=r"A panel: .*the report"):
        draw.body(of, Shown((series(of, 1.0),)), FRAME)


# --- graphs ---------------------------------------------------------------------------------------------------------
def lines(of: Panel, *shown: Series, marks: tuple[Mark, ...] = ()) -> dict[str, Any]:
    return charts.lines(of, Shown(shown), Frame(FRAME.period, FRAME.step, marks))


def test_a_graph_is_told_in_one_unit_and_keeps_its_gaps() -> None:
    of = panel("timeseries", fieldConfig=config(unit="s"))
    figure = lines(of, series(of, 0.1, 0.25, 0.2, at=(1000.0, 1030.0, 1090.0)), series(of, 0.1))
    trace = figure["data"][0]
    assert (trace["x0"], trace["dx"], trace["y"]) == (1_000_000, 30_000, [100, 250, None, 200])
    assert trace["marker"]["size"] == [0, 0, 0, 4]  # alone between gaps: it has no line to be seen by
    assert figure["layout"]["yaxis"]["ticksuffix"] == " ms"


def test_a_stacked_graph_is_told_in_the_unit_of_its_sums() -> None:
    of = panel("timeseries", fieldConfig=config(custom={"stacking": {"mode": "normal"}}))
    figure = lines(of, series(of, 600.0, service="a"), series(of, 700.0, service="b"))
    assert [trace["y"] for trace in figure["data"]] == [[0.6], [0.7]]
    assert figure["layout"]["yaxis"]["ticksuffix"] == " K"
    assert len({trace["stackgroup"] for trace in figure["data"]}) == 1


@pytest.mark.parametrize("custom", [{"fillOpacity": 8}, {"stacking": {"mode": "normal"}}], ids=["filled", "stacked"])
def test_no_colour_fills_a_time_without_values(custom: dict[str, Any]) -> None:
    of = panel("timeseries", fieldConfig=config(custom=custom))
    traces = lines(of, series(of, 5.0, 6.0, 7.0, 8.0, at=(1000.0, 1030.0, 1090.0, 1120.0)))["data"]
    assert [(trace["x0"], trace["y"], trace["meta"]) for trace in traces] == [
        (1_000_000, [5, 6], 0),
        (1_090_000, [7, 8], 0),
    ]
    assert all(trace["fillcolor"] for trace in traces)
    assert len({trace.get("stackgroup") for trace in traces}) == (2 if "stacking" in custom else 1)


@pytest.mark.parametrize(("highest", "drawn"), [(0.4, [0.5]), (0.01, [])])
def test_a_threshold_is_drawn_where_it_does_not_press_the_values_flat(highest: float, drawn: list[float]) -> None:
    of = panel("timeseries", fieldConfig=config(thresholds=STEPS, custom={"thresholdsStyle": {"mode": "dashed"}}))
    shapes = lines(of, series(of, highest))["layout"].get("shapes", ())
    assert [shape["y0"] for shape in shapes] == drawn
    assert all(shape["line"]["color"] == colours.NAMED["orange"] for shape in shapes)


def test_what_happened_is_marked_on_the_graph() -> None:
    of = panel("timeseries")
    shapes = lines(of, series(of, 1.0), marks=(Mark(1030.0, 1060.0, "ServiceDown", colours.NAMED["red"]),))
    spans = {(shape["type"], shape["x0"], shape["x1"]) for shape in shapes["layout"]["shapes"]}
    assert spans == {("rect", 1_030_000, 1_060_000), ("line", 1_030_000, 1_030_000)}


def test_states_have_the_colour_and_the_word_of_each_time() -> None:
    mapping = {"type": "value", "options": {"0": {"text": "Down"}, "1": {"text": "Up"}}}
    of = panel("state-timeline", fieldConfig=config(thresholds=STEPS, mappings=[mapping]))
    shown = Shown((series(of, 1.0, 0.0, service="a"), series(of, 1.0, service="b", at=(1060.0,))))
    (trace,) = charts.states(of, shown, FRAME)["data"]
    assert trace["text"] == [["Up", "Down", ""], ["", "", "Up"]]
    assert trace["z"] == [[0, 1, None], [None, None, 0]]
    assert trace["colorscale"][0][1] == colours.NAMED["orange"]
    assert trace["colorscale"][-1][1] == colours.NAMED["red"]


def heatmap(scheme: str = "Blues", form: str = "heatmap") -> Panel:
    options = {"cellValues": {"unit": "reqps"}, "yAxis": {"unit": "s"}, "color": {"scheme": scheme}}
    made = panel_json("heatmap", options=options)
    made["targets"][0]["format"] = form
    (found,) = board.read(dashboard(made)).panels
    return found


def test_a_heatmap_has_the_buckets_less_each_other_from_the_lowest_on() -> None:
    of = heatmap()
    cumulative = {"+Inf": (9.0, 9.0), "0.25": (8.0, 6.0), "0.1": (3.0, 7.0)}
    shown = Shown(tuple(series(of, *values, le=bound) for bound, values in cumulative.items()))
    figure = charts.heat(of, shown, FRAME)
    (trace,) = figure["data"]
    assert figure["layout"]["yaxis"]["ticktext"] == ["100 ms", "250 ms", "+Inf"]
    assert trace["z"] == [[3, 7], [5, None], [1, 3]], "nothing, and less than below, are no cell"
    assert trace["text"][0] == ["3 req/s", "7 req/s"]
    assert (trace["x0"], trace["y0"]) == (1_000_000, 0.5), "a row ends at the line of its bound"


@pytest.mark.parametrize(
    ("of", "label", "words"),
    [
        (heatmap(form="time_series"), "le", "format heatmap, and the label le alone"),
        (heatmap(), "service", "format heatmap, and the label le alone"),
        (heatmap(scheme="Oranges"), "le", "scheme 'Oranges': the report knows Blues"),
    ],
)
def test_what_is_no_heatmap_of_buckets_is_refused(of: Panel, label: str, words: str) -> None:
    with pytest.raises(look.LookError, match=words):
        charts.heat(of, Shown((Series(of.targets[0], "all", {label: "1"}, ((1000.0, 1.0),)),)), FRAME)


def test_series_are_renamed_as_the_panel_says() -> None:
    rename = {"id": "renameByRegex", "options": {"regex": ".*;(.*)", "renamePattern": "$1"}}
    of = panel("bargauge", transformations=[rename])
    assert "latency" in text(draw.body(of, Shown((series(of, 1.0, service="file;latency"),)), FRAME)).split()


# --- tables ---------------------------------------------------------------------------------------------------------
def test_queries_are_joined_and_named_as_the_transformations_say() -> None:
    organize = {
        "excludeByName": {"Time": True, "Time 1": True, "Time 2": True},
        "indexByName": {"service": 0, "Value #B": 1, "Value #A": 2},
        "renameByName": {"service": "Service", "Value #A": "Requests", "Value #B": "Errors"},
    }
    join = {"id": "joinByField", "options": {"byField": "service", "mode": "outer"}}
    of = panel("table", 2, transformations=[join, {"id": "organize", "options": organize}])
    shown = Shown(
        (
            series(of, 10.0, service="a"),
            series(of, 20.0, service="b"),
            series(of, 2.0, query=1, service="b"),
            series(of, 3.0, query=1, service="c"),
        )
    )
    content = tables.table(of, shown)
    assert content.columns == ("Service", "Errors", "Requests")
    assert content.rows == (
        {"Service": "a", "Requests": 10.0},
        {"Service": "b", "Errors": 2.0, "Requests": 20.0},
        {"Service": "c", "Errors": 3.0},
    )


def test_merged_queries_share_the_rows_whose_labels_agree() -> None:
    of = panel("table", 2, transformations=[{"id": "merge", "options": {}}])
    shown = Shown((series(of, 10.0, service="a"), series(of, 2.0, query=1, service="a"), series(of, 3.0, service="b")))
    rows = [{key: cell for key, cell in row.items() if key != "Time"} for row in tables.table(of, shown).rows]
    assert rows == [{"service": "a", "Value #A": 10.0, "Value #B": 2.0}, {"service": "b", "Value #A": 3.0}]


def detail(*chosen: str) -> Frame:
    """A page that has the board of one service's detail, drawn for these services."""
    variable = {"name": "service", "type": "query", "includeAll": True, "current": {"value": list(chosen)}}
    opened = board.read(dashboard(variables=(variable,)))
    return Frame(FRAME.period, FRAME.step, boards={"detail": opened})


def links(of: Panel, shown: Series, frame: Frame) -> list[tuple[str, str]]:
    found = draw.body(of, Shown((shown,)), frame).iter("a")
    return [(item.attrib["href"], item.attrib["title"]) for item in found]


@pytest.mark.parametrize(
    ("frame", "linked"),
    [
        (detail("gateway"), [("#detail", "gateway\nDetail of gateway")]),
        (detail("order-service"), []),
        (detail("gateway", "order-service"), []),
        (detail("$__all"), []),
        (FRAME, []),  # a page without that board
    ],
)
def test_a_link_leads_to_a_board_that_is_drawn_with_its_choice_or_nowhere(
    frame: Frame, linked: list[tuple[str, str]]
) -> None:
    named = "${__field.labels.service}"
    link = {"title": f"Detail of {named}", "url": f"/d/detail?var-service={named}&x=1"}
    of = panel("bargauge", fieldConfig=config(displayName="${__field.labels.service}", links=[link]))
    shown = series(of, 1.0, service="gateway")
    assert links(of, shown, frame) == linked
    drawn_elsewhere = dataclasses.replace(frame, others="http://127.0.0.1:9501")
    other = [("http://127.0.0.1:9501/d/detail?var-service=gateway", "gateway\nDetail of gateway")]
    assert links(of, shown, drawn_elsewhere) == (linked or other)


def test_a_link_without_a_choice_leads_to_every_board_of_the_page() -> None:
    link = {"title": "Detail", "url": "/d/detail"}
    of = panel("bargauge", fieldConfig=config(displayName="${__field.labels.service}", links=[link]))
    shown = series(of, 1.0, service="gateway")
    assert [links(of, shown, frame) for frame in (detail("order-service"), FRAME)] == [
        [("#detail", "gateway\nDetail")],
        [],
    ]


@pytest.mark.parametrize(
    ("named", "linked"),
    [
        ("${__data.fields.Failing service}", [("#detail", "gateway\nDetail of gateway")]),
        ("${__data.fields.service}", []),  # no column is shown under this name
        ("${__field.labels.service}", []),  # a table's column has no labels
    ],
)
def test_a_row_of_a_table_links_by_the_columns_as_they_are_shown(named: str, linked: list[tuple[str, str]]) -> None:
    link = {"title": f"Detail of {named}", "url": f"/d/detail?var-service={named}"}
    rename = {"id": "organize", "options": {"renameByName": {"service": "Failing service"}}}
    of = panel("table", fieldConfig=config(links=[link]), transformations=[rename])
    assert links(of, series(of, 1.0, service="gateway"), detail("gateway")) == linked


def test_a_time_is_left_to_the_zone_of_its_reader() -> None:
    times = {
        "matcher": {"id": "byName", "options": "Value"},
        "properties": [{"id": "unit", "value": "dateTimeFromNow"}],
    }
    of = panel("table", fieldConfig=config() | {"overrides": [times]})
    sampled, told = draw.body(of, Shown((series(of, 1_000_000.0, service="a"),)), FRAME).findall(".//time")
    assert (told.attrib["datetime"], told.text) == ("1970-01-01T00:16:40.000+00:00", "2 minutes ago")
    assert (sampled.attrib["datetime"], "data-words" in sampled.attrib) == ("1970-01-01T00:16:40.000+00:00", False)
