"""The rules of how dashboards look in Grafana, where what is right can still be unreadable.

A rule takes a dashboard's JSON and returns what is wrong with it. `screen.py` has the sizes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import screen
from checks.dashboard_json import Board, columns, has_numbers, own, panels

LEAST_TEXT = 100
"""Pixels below which a column of text is cut or wraps after each word."""
WIDE = 12
"""Columns from which on the legend beside a graph leaves enough of it."""

OFFENDERS = {
    "severity": {
        "gateway CRITICAL": "dark-red",
        "gateway ERROR": "red",
        "gateway WARN": "orange",
        "error-log INFO": "blue",
    },
    "detected_level": {"error": "red", "warn": "orange", "info": "blue"},
    "status_code": {"order-service 503": "red", "404": "orange", "user-service 200": "green"},
}
"""Names of series as legends with these labels give them, and what colour they have to have."""

PROMETHEUS_POD = "prometheus-kube-prometheus-stack-prometheus-0"
LONG_NAMES = {
    "pod": PROMETHEUS_POD,
    "persistentvolumeclaim": "prometheus-kube-prometheus-stack-prometheus-db-" + PROMETHEUS_POD,
    "job": "kube-prometheus-stack-prometheus",
    "workload": "monitoring/prometheus-kube-prometheus-stack-prometheus",
}
"""The longest names that labels have."""
LABELS = {
    "service": "inventory-service",
    "service_name": "inventory-service",
    "target_service": "inventory-service",
    "error_type": "request_failed",
    "sli": "availability",
    "status_code": "503",
    "dimension_table_name": "transactions",
    "dimension_operation": "BatchGetItem",
}
"""Long values of labels that stand together with others; how long the names of tables are is the user's choice."""
VALUES, CHARACTER = 160, 7
"""Pixels of a legend's two columns of values, and of a character of its names."""
SHORT = 24
"""Characters of a name that leave room for the values beside it."""


def defaults(panel: Board) -> dict[str, Any]:
    """What holds for all fields of a panel."""
    found: dict[str, Any] = panel.get("fieldConfig", {}).get("defaults", {})
    return found


def graphs(board: Board) -> Iterator[tuple[Board, dict[str, Any]]]:
    """Every graph, and how it is drawn."""
    return ((panel, defaults(panel)["custom"]) for panel in panels(board) if panel["type"] == "timeseries")


def tables(board: Board) -> Iterator[Board]:
    """Every table of numbers."""
    return (panel for panel in panels(board) if panel["type"] == "table" and has_numbers(panel))


def values(table: Board) -> set[str]:
    """The columns of numbers of a table."""
    return {target["legendFormat"] for target in table["targets"]}


def limits(panel: Board) -> list[float]:
    """The bounds of a panel's thresholds."""
    return [step["value"] for step in defaults(panel)["thresholds"]["steps"] if step["value"] is not None]


def low_is_bad(panel: Board) -> bool:
    """Whether the lowest values are red."""
    return bool(defaults(panel)["thresholds"]["steps"][0]["color"] == "red")


def legends(panel: Board) -> list[str]:
    """The legends of a panel's queries."""
    return [target.get("legendFormat", "") for target in panel["targets"]]


def texts_of_tables_have_no_unit(board: Board) -> list[str]:
    """Grafana makes a time of each text whose field has a unit of dates: NaN, if the default is one."""
    wrong = []
    for table in tables(board):
        wrong += [
            f"{table['title']}: {key} is the default of texts as well"
            for key in ("unit", "decimals", "links")
            if key in defaults(table)
        ]
        wrong += [
            f"{table['title']}: the texts of {name} have a unit"
            for name in columns(table) - values(table)
            if "unit" in own(table, name)
        ]
    return wrong


def graphs_have_a_scale(board: Board) -> list[str]:
    """Grafana draws nothing but zeros on 0 to 100, and what never moves without its limits."""
    wrong = []
    for panel, style in graphs(board):
        low, high = style.get("axisSoftMin"), style.get("axisSoftMax")
        if style.get("scaleDistribution", {}).get("type") == "log":
            continue
        if not high or high <= 0:
            wrong.append(f"{panel['title']}: no greatest value that it shows at least")
        elif low_is_bad(panel) and low == 0 and "max" not in defaults(panel):
            wrong.append(f"{panel['title']}: from 0 on, what matters is one line")
        elif not low_is_bad(panel) and (low is None or low > 0):
            wrong.append(f"{panel['title']}: does not begin at 0")
        elif not low_is_bad(panel) and limits(panel) and high < max(limits(panel)) and "max" not in defaults(panel):
            wrong.append(f"{panel['title']}: its limits are out of sight")
    return wrong


def legends_put_the_offender_first(board: Board) -> list[str]:
    """The last value decides; names in their order hide who is guilty below the edge."""
    return [
        f"{panel['title']}: the legend is sorted by {legend.get('sortBy')}, downwards {legend.get('sortDesc')}"
        for panel, _ in graphs(board)
        for legend in [panel["options"]["legend"]]
        if legend.get("sortBy") != "Last *" or legend.get("sortDesc") is low_is_bad(panel)
    ]


def legends_have_room(board: Board) -> list[str]:
    """Beside a wide graph, below a high one: below a low one two names are seen."""
    wrong = []
    for panel, _ in graphs(board):
        place, many = panel["gridPos"], len(panel["targets"]) > 2 or any("{{" in legend for legend in legends(panel))
        if place["w"] >= WIDE and panel["options"]["legend"]["placement"] != "right":
            wrong.append(f"{panel['title']}: the legend takes the height of a wide graph")
        if place["w"] < WIDE and many and place["h"] < 10:
            wrong.append(f"{panel['title']}: two names of many are seen")
    return wrong


def legends_leave_room_for_values(board: Board) -> list[str]:
    """Beside a graph in a narrow window: a longer name pushes the values out, and leaves the graph no room."""
    return [
        f"{panel['title']}: {name}: {len(name)} characters, and there is room for {room}"
        for panel, _ in graphs(board)
        if panel["options"]["legend"]["placement"] == "right"
        for room in [int((screen.BESIDE * screen.narrow(panel["gridPos"]["w"]) - VALUES) / CHARACTER)]
        for legend in legends(panel)
        for name in [re.sub(r"\{\{(\w+)\}\}", lambda label: LABELS.get(label[1], label[1]), legend)]
        if len(name) > room
    ]


def names_are_short(board: Board) -> list[str]:
    """A long name pushes the values beside it out of sight, and its own end."""
    return [
        f"{panel['title']}: {name}"
        for panel in panels(board)
        if panel["type"] != "table"
        for legend in legends(panel)
        for label, longest in LONG_NAMES.items()
        if f"{{{{{label}}}}}" in legend and len(name := renamed(panel, longest)) > SHORT
    ]


def renamed(panel: Board, name: str) -> str:
    """The name that a panel's transformations give a series."""
    for item in panel.get("transformations", ()):
        if item["id"] == "renameByRegex":
            form = re.sub(r"\$(\d)", r"\\\1", item["options"]["renamePattern"])
            name = re.sub(item["options"]["regex"], form, name, count=1)
    return name


def columns_fit(board: Board) -> list[str]:
    """All of a table's columns are seen without scrolling, and its texts in full."""
    wrong = []
    for table in tables(board):
        names = columns(table)
        widths = {name: own(table, name).get("custom.width") for name in names}
        flexible = [name for name, width in widths.items() if width is None]
        left = screen.width(table["gridPos"]["w"]) - sum(filter(None, widths.values()))
        if not flexible or left / len(flexible) < LEAST_TEXT:
            wrong.append(f"{table['title']}: {left:.0f} px are left for {flexible}")
        if defaults(table).get("custom", {}).get("minWidth", screen.LEAST_COLUMN) > LEAST_TEXT:
            wrong.append(f"{table['title']}: its columns are as wide as Grafana makes them")
        wrong += [f"{table['title']}: {name} has no width" for name in values(table) if widths.get(name) is None]
        wrong += [
            f"{table['title']}: {name} is cut"
            for name in names - values(table)
            if not own(table, name).get("custom.cellOptions", {}).get("wrapText")
        ]
    return wrong


def nothing_bad_is_not_red(board: Board) -> list[str]:
    """A count of failures is coloured by its value: a fixed colour says that none is one."""
    return [
        f"{panel['title']}: {override['matcher']['options']} has one colour whatever its value"
        for panel in panels(board)
        if panel["type"] in {"stat", "bargauge"}
        for override in panel["fieldConfig"]["overrides"]
        if not override["matcher"]["options"].endswith(" now: /")  # a name that is given to an outage alone
        for item in override["properties"]
        if item["id"] == "color" or (item["id"] == "thresholds" and item["value"]["steps"][0]["color"] == "red")
    ]


def absence_is_neither_red_nor_green(board: Board) -> list[str]:
    """Grafana gives the text for no value the colour of the lowest values: minutes after the start that is an alarm."""
    return [
        f"{panel['title']}: no data has the colour of the lowest values"
        for panel in panels(board)
        if panel["type"] in {"stat", "bargauge"}
        if not any(mapping["options"].get("match") == "null" for mapping in defaults(panel).get("mappings", ()))
    ]


def bars_begin_at_zero(board: Board) -> list[str]:
    """Grafana begins them at the smallest value, whose bar then has no length."""
    return [
        f"{panel['title']}: begins at {defaults(panel).get('min')}"
        for panel in panels(board)
        if panel["type"] == "bargauge" and defaults(panel).get("min") != 0
    ]


def colours_mean_the_same(board: Board) -> list[str]:
    """Levels and statuses are coloured by what they are, and what is neither keeps its colour on every panel."""
    wrong = [
        f"{panel['title']}: {name} is not {colour}"
        for panel, _ in graphs(board)
        for label, names in OFFENDERS.items()
        if any(f"{{{{{label}}}}}" in legend for legend in legends(panel))
        for name, colour in names.items()
        if own(panel, name).get("color", {}).get("fixedColor") != colour
    ]
    return wrong + [
        f"{panel['title']}: a series has the colour of its place"
        for panel, _ in graphs(board)
        if defaults(panel)["color"]["mode"] != "palette-classic-by-name"
    ]


def areas_of_nothing_have_no_edge(board: Board) -> list[str]:
    """Stacked, they would draw the edge of what is below them in their own colour."""
    return [
        f"{panel['title']}: stacked with lines"
        for panel, style in graphs(board)
        if style.get("stacking", {}).get("mode") == "normal" and style.get("lineWidth") != 0
    ]


def states_have_no_pages(board: Board) -> list[str]:
    """The pager takes the height of two bands, and is there even for one page."""
    return [
        f"{panel['title']}: {panel['options'].get('perPage', 20)} bands a page"
        for panel in panels(board)
        if panel["type"] == "state-timeline" and panel["options"].get("perPage", 20)
    ]


def titles_fit(board: Board) -> list[str]:
    """The mark of the description and the menu take as much of a title's line as six columns of text."""
    return [
        f"{panel['title']}: {len(panel['title'])} characters on {panel['gridPos']['w']} columns"
        for panel in panels(board)
        if len(panel["title"]) > 6.5 * panel["gridPos"]["w"] - 12
    ]


def tables_are_sorted(board: Board) -> list[str]:
    """Joining and merging lose the order of the queries."""
    return [
        f"{table['title']}: sorted by {[item['displayName'] for item in sort]}"
        for table in tables(board)
        for sort in [table["options"].get("sortBy") or []]
        if not sort or not {item["displayName"] for item in sort} <= columns(table)
    ]


def lone_bars_have_a_name(board: Board) -> list[str]:
    """Grafana leaves it out: a giant number of nothing."""
    return [
        f"{panel['title']}: a bar alone has no name"
        for panel in panels(board)
        if panel["type"] == "bargauge" and len(panel["targets"]) == 1 and not defaults(panel).get("displayName")
    ]


def lines_are_readable(board: Board) -> list[str]:
    """The message and not its JSON; Grafana shows no text of a panel's own where there are no lines."""
    wrong = []
    for panel in panels(board):
        if panel["type"] != "logs":
            continue
        if not re.search(r"\| line_format `.*\.message", panel["targets"][0]["expr"]):
            wrong.append(f"{panel['title']}: shows JSON")
        if (empty := defaults(panel).get("noValue")) and empty not in panel["description"]:
            wrong.append(f"{panel['title']}: nothing says what it means when it is empty")
    return wrong
