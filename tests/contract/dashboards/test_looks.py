"""How every dashboard of every stack looks in Grafana, by the rules that a real one was seen to draw by.

Every rule comes with a counter-example, as in `test_rules`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder

import dashboards
import screen
from checks.dashboard_json import CATALOGUE, Board, Rule, columns, links, own, panels, queries, variables
from checks.dashboard_links import links_lead_somewhere, links_to_another_time_do_not_refresh
from checks.dashboard_looks import (
    absence_is_neither_red_nor_green,
    areas_of_nothing_have_no_edge,
    bars_begin_at_zero,
    colours_mean_the_same,
    columns_fit,
    graphs_have_a_scale,
    legends_have_room,
    legends_leave_room_for_values,
    legends_put_the_offender_first,
    lines_are_readable,
    lone_bars_have_a_name,
    names_are_short,
    nothing_bad_is_not_red,
    states_have_no_pages,
    tables_are_sorted,
    texts_of_tables_have_no_unit,
    titles_fit,
)
from checks.rule_set import settings_of
from dashboards.panels import Query, bars, below, logs, stat, table, timeseries

ALERTS = Path(__file__).parents[3] / "alerts"
SETTINGS = {
    "dev": settings_of("dev"),
    "prod": settings_of("prod"),
    "prod without tracing": settings_of("prod").model_copy(update={"tracing": None}),
    "prod without AWS": settings_of("prod").model_copy(update={"aws": None}),
}
STACKS: dict[str, dict[str, Board]] = {
    name: {uid: json.loads(text) for uid, text in dashboards.load(CATALOGUE.of_stack(settings), settings).items()}
    for name, settings in SETTINGS.items()
}
EVERY = [pytest.param(board, id=f"{stack}-{uid}") for stack, boards in STACKS.items() for uid, board in boards.items()]


def panel(board: Board, title: str) -> Board:
    return next(found for found in panels(board) if found["title"] == title)


def change(kind: str, *path: str, **values: Any) -> Callable[[Board], None]:
    """A change to the first panel of a kind, at a path in its JSON."""

    def spoil(board: Board) -> None:
        place = next(found for found in panels(board) if found["type"] == kind)
        for key in path:
            place = place[key]
        place.update(values)

    return spoil


def without_overrides(title: str) -> Callable[[Board], None]:
    return lambda board: panel(board, title)["fieldConfig"].update(overrides=[])


def titled(title: str, **values: Any) -> Callable[[Board], None]:
    return lambda board: panel(board, title).update(values)


DEFAULTS = ("fieldConfig", "defaults")
RED = [{"color": "red", "value": None}]
FIXED = {"id": "color", "value": {"mode": "fixed", "fixedColor": "red"}}

COUNTER_EXAMPLES: list[tuple[Rule, str, Callable[[Board], Any]]] = [
    (texts_of_tables_have_no_unit, "dates", change("table", *DEFAULTS, unit="dateTimeFromNow")),
    (texts_of_tables_have_no_unit, "links", change("table", *DEFAULTS, links=[])),
    (graphs_have_a_scale, "0 to 100", change("timeseries", *DEFAULTS, "custom", axisSoftMax=None)),
    (graphs_have_a_scale, "not from 0", change("timeseries", *DEFAULTS, "custom", axisSoftMin=None)),
    (graphs_have_a_scale, "limits out of sight", change("timeseries", *DEFAULTS, "custom", axisSoftMax=0.1)),
    (graphs_have_a_scale, "flattened", change("timeseries", *DEFAULTS, "thresholds", steps=RED)),
    (legends_put_the_offender_first, "by name", change("timeseries", "options", "legend", sortBy=None)),
    (legends_put_the_offender_first, "upwards", change("timeseries", "options", "legend", sortDesc=False)),
    (legends_have_room, "below a wide graph", change("timeseries", "options", "legend", placement="bottom")),
    (legends_have_room, "two names", titled("Response time", gridPos={"x": 0, "y": 0, "w": 8, "h": 8})),
    (
        legends_leave_room_for_values,
        "two long labels beside a graph",
        lambda b: panel(b, "Requests by status code")["targets"][0].update(
            legendFormat="{{service}}: refused requests"
        ),
    ),
    (names_are_short, "pods", titled("CPU", transformations=[])),
    (columns_fit, "as wide as Grafana's", change("table", *DEFAULTS, "custom", minWidth=150)),
    (columns_fit, "a narrow panel", change("table", "gridPos", w=5)),
    (columns_fit, "texts cut", without_overrides("Failing endpoints")),
    (
        nothing_bad_is_not_red,
        "fixed",
        change("stat", "fieldConfig", overrides=[{"matcher": {"id": "byName", "options": "a"}, "properties": [FIXED]}]),
    ),
    (
        absence_is_neither_red_nor_green,
        "as the lowest",
        change("stat", *DEFAULTS, noValue="none", thresholds={"steps": RED}, mappings=[]),
    ),
    (bars_begin_at_zero, "the smallest", change("bargauge", *DEFAULTS, min=None)),
    (colours_mean_the_same, "levels", without_overrides("Log lines by level")),
    (colours_mean_the_same, "statuses", without_overrides("Requests by status code")),
    (colours_mean_the_same, "by place", change("timeseries", *DEFAULTS, "color", mode="palette-classic")),
    (areas_of_nothing_have_no_edge, "lines", lambda b: stacked(b).update(lineWidth=1)),
    (states_have_no_pages, "20 a page", change("state-timeline", "options", perPage=20)),
    (titles_fit, "cut", change("stat", title="Containers without a node")),
    (tables_are_sorted, "not at all", change("table", "options", sortBy=[])),
    (tables_are_sorted, "by no column", change("table", "options", sortBy=[{"displayName": "alertname"}])),
    (lone_bars_have_a_name, "no name", change("bargauge", *DEFAULTS, displayName=None)),
    (lines_are_readable, "JSON", lambda b: panel(b, "All logs")["targets"][0].update(expr='{service_name="a"}')),
    (lines_are_readable, "empty", titled("Error logs", description="Lines.")),
    (
        links_to_another_time_do_not_refresh,
        "every 30 s",
        change("timeseries", *DEFAULTS, links=[{"url": "/d/logs?time=1&time.window=2"}]),
    ),
]
RULES = [*dict.fromkeys(rule for rule, _, _ in COUNTER_EXAMPLES), links_lead_somewhere]


def stacked(board: Board) -> Board:
    found: Board = panel(board, "Log lines by level")["fieldConfig"]["defaults"]["custom"]
    return found


@pytest.mark.parametrize("board", EVERY)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_dashboard_looks_right(rule: Rule, board: Board) -> None:
    assert rule(board) == []


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [pytest.param(rule, spoil, id=f"{rule.__name__}-{name}") for rule, name, spoil in COUNTER_EXAMPLES],
)
def test_rule_reports_its_counter_example(rule: Rule, spoil: Callable[[Board], Any]) -> None:
    board = json.loads(json.dumps(STACKS["prod"]["service-detail"]))
    assert rule(board) == []
    spoil(board)
    assert rule(board)


def as_json(made: object) -> Board:
    found: Board = json.loads(json.dumps(made, cls=JSONEncoder))
    return found


def graph(**look: Any) -> Board:
    made = timeseries("A", Query("a", "{{service}}"), shows="a", wrong="b", **({"unit": "short"} | look))
    found: Board = as_json(made)["fieldConfig"]["defaults"]["custom"]
    return found


@pytest.mark.parametrize(
    ("look", "low", "high"),
    [
        pytest.param({"unit": "percentunit"}, 0, 1, id="a share without limits"),
        pytest.param({"unit": "percentunit", "limits": [(None, "green"), (0.05, "red")]}, 0, 0.05, id="its limits"),
        pytest.param({"unit": "percentunit", "limits": below(0.95, 0.9)}, None, 1, id="low is bad"),
        pytest.param({"unit": "reqps"}, 0, 1, id="a rate"),
        pytest.param({"unit": "percentunit", "signed": True, "soft_max": 0.01}, -0.01, 0.01, id="on both sides"),
        pytest.param({"log_scale": True}, None, None, id="no 0 on a logarithmic axis"),
        pytest.param({"maximum": 1}, 0, 1, id="its own top"),
    ],
)
def test_the_scale_of_a_graph_follows_from_its_unit_and_limits(
    look: dict[str, Any], low: float | None, high: float | None
) -> None:
    style = graph(**look)
    assert (style.get("axisSoftMin"), style.get("axisSoftMax")) == (low, high)


def test_a_tables_settings_are_those_of_its_columns() -> None:
    made = table(
        "A", Query("a", "Since"), by=["service"], unit="dateTimeFromNow", limits=below(2, 1), shows="a", wrong="b"
    )
    board = {"panels": [as_json(made)]}
    assert texts_of_tables_have_no_unit(board) == []
    assert own(board["panels"][0], "Since")["unit"] == "dateTimeFromNow"
    assert own(board["panels"][0], "Since")["thresholds"]["steps"][0]["color"] == "red"


@pytest.mark.parametrize("kind", [stat, bars])
def test_no_failure_is_not_red_and_one_is(kind: Callable[..., object]) -> None:
    made = kind("A", Query("a", "{{phase}}"), colours={"Failed": "red"}, unit="short", shows="a", wrong="b")
    steps = own(as_json(made), "Failed")["thresholds"]["steps"]
    assert [step["color"] for step in steps if (step["value"] or 0) <= 0] == ["blue"]
    assert [step["color"] for step in steps if (step["value"] or 0) <= 1][-1] == "red"


def test_lines_without_a_message_are_shown_as_they_are() -> None:
    expr = as_json(logs("A", '{a="b"}', shows="a", wrong="b"))["targets"][0]["expr"]
    assert expr.startswith('{a="b"}\n')
    assert "{{ else }}{{ __line__ }}" in expr


def test_the_timeline_of_jobs_is_high_enough_for_their_names() -> None:
    assert panel(STACKS["prod"]["monitoring"], "Targets up by job")["gridPos"]["h"] >= 14


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_asks_for_traces_where_there_are_none(stack: str) -> None:
    text = json.dumps(STACKS[stack]).lower()
    assert ("tempo" in text) == ("without tracing" not in stack)
    assert ("traces" in text) == ("without tracing" not in stack)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("uid", ["system-health", "service-detail"])
def test_a_firing_alert_leads_to_its_runbook_and_its_service(stack: str, uid: str) -> None:
    alerts = panel(STACKS[stack][uid], "Firing alerts")
    runbooks = SETTINGS[stack].links.runbooks
    assert own(alerts, "Alert")["links"][0]["url"] == f"{runbooks}/${{__data.fields.Alert}}.md"
    assert "/d/service-detail?var-service=" in own(alerts, "Service")["links"][0]["url"]


@pytest.mark.parametrize("stack", STACKS)
def test_an_alert_of_the_chart_leads_to_its_runbook(stack: str) -> None:
    """It has no service, so Service detail never shows it."""
    links = own(panel(STACKS[stack]["system-health"], "Firing alerts"), "Alert")["links"]
    assert links[-1]["url"] == f"{SETTINGS[stack].links.runbooks}/charts/README.md"


@pytest.mark.parametrize("uid", ["system-health", "service-detail"])
def test_critical_alerts_come_first(uid: str) -> None:
    alerts = panel(STACKS["prod"][uid], "Firing alerts")
    assert alerts["options"]["sortBy"][0] == {"displayName": "Severity", "desc": False}
    words = own(alerts, "Severity")["mappings"][0]["options"]
    assert [words[rank]["text"] for rank in sorted(words)] == ["critical", "warning", "info"]
    ranked = re.findall(r'"rank", "(\d \w+)", "severity", "(\w+)"', alerts["targets"][0]["expr"])
    assert dict(ranked) == {rank: word["text"] for rank, word in words.items()}


def test_a_severity_has_its_colour() -> None:
    severity = own(panel(STACKS["prod"]["system-health"], "Firing alerts"), "Severity")
    assert severity["custom.cellOptions"]["type"] == "color-text"
    shown = severity["mappings"][0]["options"]
    assert {item["text"]: item["color"] for item in shown.values()} == {
        "critical": "red",
        "warning": "orange",
        "info": "blue",
    }


def test_alerts_without_an_address_of_runbooks_have_no_link_to_one() -> None:
    board = json.loads(dashboards.load(CATALOGUE)["system-health"])
    assert not any("runbook" in url for url in links(panel(board, "Firing alerts")))


@pytest.mark.parametrize("uid", ["system-health", "service-detail"])
def test_alerts_are_on_the_first_screen(uid: str) -> None:
    place = panel(STACKS["prod"][uid], "Firing alerts")["gridPos"]
    assert place["y"] + place["h"] <= screen.FOLD


@pytest.mark.parametrize("uid", ["system-health", "service-detail"])
def test_the_longest_name_of_an_alert_is_not_cut_in_a_narrow_window(uid: str) -> None:
    longest = max(re.findall(r"alert: (\w+)", "".join(file.read_text() for file in ALERTS.glob("*.yaml"))), key=len)
    alerts = panel(STACKS["prod"][uid], "Firing alerts")
    given = [own(alerts, name).get("custom.width", 0) for name in columns(alerts)]
    # 8 px a letter; the menu takes its part, as Grafana leaves it open.
    left = screen.narrow(alerts["gridPos"]["w"]) - screen.MENU * alerts["gridPos"]["w"] / screen.GRID_COLUMNS
    assert left - sum(given) >= 8 * len(longest)


def test_the_age_of_an_alert_is_not_said_to_be_that_of_its_firing() -> None:
    """ALERTS_FOR_STATE is the time at which the condition began to hold: the wait before firing is a part of it."""
    alerts = panel(STACKS["prod"]["system-health"], "Firing alerts")
    assert "Holds since" in columns(alerts)
    assert "before it fired" in alerts["description"]


@pytest.mark.parametrize(
    ("uid", "title"),
    [
        ("system-health", "Availability"),
        ("system-health", "Error budget left"),
        ("service-detail", "Error budget left"),
    ],
)
def test_what_was_added_up_is_red_beside_a_service_with_an_outage(uid: str, title: str) -> None:
    found = panel(STACKS["prod"][uid], title)
    for state in ("down", "failing"):
        [red] = [
            item["properties"]
            for item in found["fieldConfig"]["overrides"]
            if re.search(item["matcher"]["options"].strip("/"), f"{state} now: order-service availability")
        ]
        assert red[0]["value"]["steps"] == [{"value": None, "color": "red"}]


def test_a_new_outage_is_seen_beside_the_availability_of_the_range() -> None:
    shown = [expr for title, expr in queries(STACKS["prod"]["system-health"]) if title == "Availability"]
    assert any("[$__range]" in expr for expr in shown)
    assert any("service:http_errors:ratio_rate5m" in expr for expr in shown)


def test_what_is_chosen_on_one_dashboard_does_not_hide_the_monitorings_pods_on_another() -> None:
    """A link keeps the variables of the same name."""
    opened = {
        uid: variables(board)["namespace"]["current"]["value"]
        for uid, board in STACKS["prod"].items()
        if "namespace" in variables(board)
    }
    assert set(map(tuple, opened.values())) == {(CATALOGUE.namespace,)}
    assert variables(STACKS["prod"]["infrastructure"])["any_namespace"]["current"]["value"] == ["$__all"]


def test_what_moves_within_a_month_shows_one() -> None:
    for title in ("Cost against budget", "Cost by service over time"):
        assert panel(STACKS["prod"]["infrastructure"], title)["timeFrom"] == "30d"


def test_columns_have_names_of_people() -> None:
    for boards in STACKS.values():
        for board in boards.values():
            for found in panels(board):
                assert not {name for name in columns(found) if "imension" in name or "_" in name}
