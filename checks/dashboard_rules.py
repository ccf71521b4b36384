"""The rules that every dashboard obeys. A rule takes a dashboard's JSON and returns what is wrong with it."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from datetime import timedelta
from functools import cache
from itertools import combinations
from pathlib import Path

import yaml
from grafana_foundation_sdk.models import units

from checks import promql
from checks.dashboard_json import (
    BOARDS,
    CATALOGUE,
    LANGUAGES,
    RATE_INTERVAL,
    STRING,
    VARIABLE,
    Board,
    expanded,
    has_numbers,
    language,
    log_queries,
    own,
    panels,
    parsed,
    queries,
    stream_selectors,
    targets,
    trees,
    variable_queries,
    variables,
)
from checks.promql import ast
from checks.rule_set import scraped, settings_of
from components.alerting import rules
from dashboards.logs import ONE_REQUEST
from engine.toolchain import tool
from facts import ROOT
from quantities import seconds

RETENTION_SECONDS = 15 * 86400


BINDINGS = [
    ("service", r"(service|instance):|probe_|process_|ALERTS|log_records_"),
    ("namespace", r"container_|kube_(pod|deployment|statefulset|daemonset)_|process_|business_|gateway_proxy_"),
    ("any_namespace", r"container_|kube_(pod|deployment|statefulset|daemonset)_"),
    ("asset", r"business_(order|asset)"),
    ("instance", r"node_"),
    ("table", r"aws_dynamodb_"),
    ("job", r"scrape_(duration|series)|up$"),
]
"""Variables, and the series whose selectors must be bound to them on a dashboard that has the variable."""

UNBOUND = {
    "Gateway proxy errors": "only the gateway calls the other services",
    "Resources requested": "the nodes' room is shared by all namespaces",
    "Dependencies": "a dependency may be a service that is not chosen",
    "Lines read and sent by the agents": "an agent collects the logs of every service on its node",
    ONE_REQUEST: "a request's lines are looked for in all services",
}
"""Panels with a selector that is not bound on purpose, and why."""

GROWTH_BY_HAND = {
    "Failing endpoints": "most paths' series are born with their first error, which rate() never sees",
    "Requests by endpoint": "most paths' series are born with their first request, which rate() never sees",
}
"""Panels that read counters as they are, and why."""


@cache
def inventory() -> set[str]:
    """Names that a dashboard may read: the list beside this file, and what our rules record."""
    objects = rules.prometheus_rules(ROOT / "alerts", CATALOGUE, settings_of("prod"))
    every = (rule for groups in objects.values() for group in groups for rule in group["rules"])
    return {*scraped(CATALOGUE), *(rule["record"] for rule in every if "record" in rule)}


def panels_say_what_they_show_and_what_to_do(board: Board) -> list[str]:
    form = re.compile(r"\S.*\n\n\*\*When it looks wrong:\*\* \S", re.DOTALL)
    return [
        f"{panel.get('title')!r}: title or description is missing"
        for panel in panels(board)
        if not panel.get("title") or not form.match(panel.get("description", ""))
    ]


def numbers_have_a_unit(board: Board) -> list[str]:
    known = {value for name, value in vars(units).items() if name[0].isupper()}
    return [
        f"{panel['title']}: unit {unit!r} is not one of Grafana's"
        for panel in panels(board)
        if has_numbers(panel)
        for unit in shown_units(panel)
        if unit not in known
    ]


def shown_units(panel: Board) -> list[str | None]:
    """The units of a panel's numbers: its own, or those of a table's columns of values."""
    if panel["type"] != "table":
        return [panel["fieldConfig"]["defaults"].get("unit")]
    return [own(panel, target["legendFormat"]).get("unit") for target in panel["targets"]]


def series_have_a_legend(board: Board) -> list[str]:
    problems = []
    for panel in panels(board):
        if panel["type"] == "timeseries" and not panel["options"]["legend"]["showLegend"]:
            problems.append(f"{panel['title']}: the legend is hidden")
        if has_numbers(panel) and not all(target.get("legendFormat") for target in panel["targets"]):
            problems.append(f"{panel['title']}: a query has no legend")
    return problems


def ids_and_titles_are_unique(board: Board) -> list[str]:
    everything = [*panels(board), *(panel for panel in board["panels"] if panel["type"] == "row")]
    problems = []
    for key in ("id", "title"):
        counts = Counter(panel.get(key) for panel in everything)
        problems += [f"{key} {value!r} is given {count} times" for value, count in counts.items() if count > 1]
        problems += [f"a panel has no {key}"] * counts[None]
    for panel in panels(board):
        references = [target.get("refId") for target in panel["targets"]]
        if not all(references) or len(set(references)) < len(references):
            problems.append(f"{panel['title']}: refIds {references} are not unique")
    return problems


def panels_fit_the_grid(board: Board) -> list[str]:
    rows = [board["panels"], *(panel["panels"] for panel in board["panels"] if panel["type"] == "row")]
    problems = []
    for siblings in rows:
        problems += [f"{a['title']} overlaps {b['title']}" for a, b in combinations(siblings, 2) if overlap(a, b)]
        problems += [f"{a['title']} is off the grid" for a in siblings if a["gridPos"]["x"] + a["gridPos"]["w"] > 24]
    return problems


def overlap(a: Board, b: Board) -> bool:
    a, b = a["gridPos"], b["gridPos"]
    apart_x = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
    apart_y = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
    return not (apart_x or apart_y)


def data_sources_are_variables(board: Board) -> list[str]:
    declared = {
        (f"${{{name}}}", variable["query"])
        for name, variable in variables(board).items()
        if variable["type"] == "datasource"
    }
    users = [(panel["title"], panel) for panel in panels(board)]
    users += [(panel["title"], target) for panel in panels(board) for target in panel["targets"]]
    users += [(annotation["name"], annotation) for annotation in board["annotations"]["list"]]
    users += [(name, item) for name, item in variables(board).items() if item["type"] == "query"]
    return [
        f"{name}: data source {user.get('datasource')} is not a declared variable"
        for name, user in users
        if (user.get("datasource", {}).get("uid"), user.get("datasource", {}).get("type")) not in declared
    ]


def variables_are_fresh_and_used(board: Board) -> list[str]:
    text = json.dumps(board)
    problems = [
        f"${name} is used nowhere" for name in variables(board) if not re.search(rf"\$({name}\b|\{{{name}[}}:])", text)
    ]
    for name, variable in variables(board).items():
        if variable["type"] != "query":
            continue
        wanted = {"refresh": 2, "multi": True, "includeAll": True, "allValue": ".+"}
        problems += [f"${name}: {key} must be {value}" for key, value in wanted.items() if variable.get(key) != value]
    return problems


def queries_use_only_declared_variables(board: Board) -> list[str]:
    known = {*variables(board), "__rate_interval", "__range", "__interval_ms", "__auto"}
    asked = [(title, target.get("expr") or target["query"]) for title, target in targets(board, *LANGUAGES)]
    asked += [(annotation["name"], annotation["target"]["expr"]) for annotation in board["annotations"]["list"]]
    return [
        f"{title}: ${name} is not declared"
        for title, expr in asked
        for name in VARIABLE.findall(expr)
        if name not in known
    ]


def selectors_are_bound_to_the_variables(board: Board) -> list[str]:
    return [
        f"{title}: {selector.name} is not bound to ${variable}"
        for title, tree in trees(board)
        if title not in UNBOUND
        for selector in promql.selectors(tree)
        for variable, family in BINDINGS
        if variable in variables(board) and re.match(family, promql.metric(selector)) and not bound(selector, variable)
    ]


def log_selectors_are_bound_to_the_variables(board: Board) -> list[str]:
    return [
        f"{title}: {selector} is not bound to ${variable}"
        for title, expr in log_queries(board)
        if title not in UNBOUND
        for selector in stream_selectors(expr)
        for variable, label in (("service", "service_name"), ("namespace", "k8s_namespace_name"))
        if variable in variables(board) and f'{label}=~"${variable}"' not in selector
    ]


def bound(selector: ast.VectorSelector, variable: str) -> bool:
    """Whether a matcher of the selector takes what is chosen for a variable."""
    return any(m.op == ast.MatchOp.Re and m.value.startswith(f"${variable}") for m in selector.matchers.matchers)


def rates_use_the_rate_interval(board: Board) -> list[str]:
    """It holds four scrapes, whatever the time range; a fixed window is too short or too long for most."""
    return [
        f"{title}: {call.func.name} over {window.range}; write [$__rate_interval]"
        for title, tree in trees(board)
        for call in promql.calls(tree, "rate", "irate")
        for window in call.args
        if not isinstance(window, ast.MatrixSelector) or window.range.total_seconds() != RATE_INTERVAL
    ]


def the_rate_interval_is_for_rates(board: Board) -> list[str]:
    """Elsewhere it makes the result depend on how wide the dashboard's time range is."""
    return [
        f"{title}: $__rate_interval in {promql.lookback(node)} s of {node.prettify()}"
        for title, tree in trees(board)
        for node, above in promql.walk(tree)
        if isinstance(node, ast.MatrixSelector | ast.SubqueryExpr)
        and node.range == timedelta(seconds=RATE_INTERVAL)
        and not (above and isinstance(above[-1], ast.Call) and above[-1].func.name in promql.RATES)
    ]


def counters_are_read_by_their_growth(board: Board) -> list[str]:
    """Since when a counter counts is chance."""
    return [
        f"{title}: {selector.name} as it is; use rate() or increase()"
        for title, tree in trees(board)
        if title not in GROWTH_BY_HAND
        for selector in promql.unrated(tree)
    ]


def ranges_stay_within_retention(board: Board) -> list[str]:
    reach = [(title, promql.lookback(tree)) for title, tree in trees(board)]
    opening = re.fullmatch(r"now-(\d+[smhdw])", board["time"]["from"])
    reach.append(("time range", seconds(opening[1]) if opening else RETENTION_SECONDS + 1))
    return [f"{title}: {back} s are longer than 15 d" for title, back in reach if back > RETENTION_SECONDS]


def metrics_exist(board: Board) -> list[str]:
    known = inventory()
    asked = [(f"${name}", query) for name, query in variable_queries(board).items()]
    named = [(name, match[1]) for name, query in asked if (match := re.match(r"label_values\(([\w:]+)", query))]
    named += [(title, promql.metric(selector)) for title, tree in trees(board) for selector in promql.selectors(tree)]
    return [
        f"{title}: nothing provides {name}; correct it, or list it in checks/metrics.yaml"
        for title, name in named
        if name not in known
    ]


def variables_ask_in_promql(board: Board) -> list[str]:
    """`label_values(series, label)`, whose series is a selector."""
    return [
        f"${name}: {query} does not ask for the labels of a selector"
        for name, query in variable_queries(board).items()
        if not (match := re.fullmatch(r"label_values\((.+), \w+\)", query)) or not is_selector(match[1])
    ]


def is_selector(text: str) -> bool:
    try:
        return isinstance(parsed(text), ast.VectorSelector)
    except ValueError:
        return False


def a_panel_asks_one_data_source(board: Board) -> list[str]:
    """Grafana sends the queries of a panel to the panel's data source, whatever theirs is."""
    return [
        f"{title}: query {target['refId']} asks {target.get('datasource')}, which is not the panel's"
        for panel in panels(board)
        for title, target in [(panel["title"], target) for target in panel["targets"]]
        if target.get("datasource") != panel["datasource"]
    ]


def queries_go_where_their_language_is_spoken(board: Board) -> list[str]:
    spoken = {"promql": "prometheus", "logql": "loki", "traceql": "tempo"}
    return [
        f"{title}: {language(target)} is sent to {target.get('datasource')}"
        for title, target in targets(board, *LANGUAGES)
        if target.get("datasource", {}).get("type") != spoken[language(target)]
    ]


def the_resolution_can_be_chosen(board: Board) -> list[str]:
    """It is set on the panel: as a query's own step it would be taken for the scrape interval, and rates smoothed."""
    offered = variables(board).get("interval", {"options": []})["options"]
    wrong = [f"{item['text']}: {item['value']} is no duration" for item in offered if not is_duration(item["value"])]
    wrong += [] if offered else ["there is no resolution to choose"]
    wrong += [
        f"{panel['title']}: the resolution is {panel.get('interval')!r}"
        for panel in panels(board)
        if has_numbers(panel) and panel.get("interval") != "${interval}"
    ]
    return wrong + [
        f"{title}: a step of its own"
        for title, target in targets(board, *LANGUAGES)
        if {"interval", "step"} & {*target}
    ]


def is_duration(text: str) -> bool:
    return bool(re.fullmatch(r"\d+[smhd]", text))


def fields_to_type_in_start_empty(board: Board) -> list[str]:
    """A search that was left over from somebody else would hide what is there."""
    return [
        f"${name}: starts with {item['current']['value']!r}"
        for name, item in variables(board).items()
        if item["type"] == "textbox" and (item["current"]["value"] or item.get("query"))
    ]


def panels_have_a_query(board: Board) -> list[str]:
    return [f"{panel.get('title')}: no query" for panel in panels(board) if not panel.get("targets")]


def data_sources_can_be_chosen(board: Board) -> list[str]:
    """One for Prometheus at least; named and labelled as on every other dashboard, so that links can hand it on."""
    sources = [item for item in variables(board).values() if item["type"] == "datasource"]
    wrong = [
        f"${item['name']}: name or label is not that of a data source"
        for item in sources
        if item["name"] not in {"datasource", f"{item['query']}_datasource"}
        or not re.fullmatch(r"(\w+ d|D)ata source", item.get("label") or "")
    ]
    return wrong if any(item["query"] == "prometheus" for item in sources) else [*wrong, "no Prometheus to choose"]


def log_queries_select_streams(board: Board) -> list[str]:
    """Loki refuses a selector that matches everything, as PromQL does; a fixed window leaves gaps on a wide range."""
    problems = []
    for title, expr in log_queries(board):
        selectors = stream_selectors(expr)
        windows = re.findall(r"\[([^\]]*)\]", re.sub(STRING, "", expr))
        if not selectors or not all(is_selector(selector) for selector in selectors):
            problems.append(f"{title}: {expr} selects no streams")
        problems += [f"{title}: a window of {window}" for window in windows if window != "$__auto"]
    return problems


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(tool("promtool")), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def promql_parses(board: Board, directory: Path) -> list[str]:
    """What promtool says of the queries, written as recording rules."""
    recording = [
        {"record": f"query:{number}", "expr": expanded(expr), "labels": {"panel": title}}
        for number, (title, expr) in enumerate(queries(board))
    ]
    file = directory / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": board["uid"], "rules": recording}]}))
    outcome = promtool("check", "rules", "--lint=none", file)
    counted = f"SUCCESS: {len(recording)} rules found" in outcome.stdout
    return [] if outcome.returncode == 0 and counted else [outcome.stdout + outcome.stderr]


def behaves_as_every_dashboard(board: Board) -> list[str]:
    wanted = {"editable": False, "timezone": "browser", "refresh": "30s", "schemaVersion": 42}
    problems = [f"{key} must be {value!r}" for key, value in wanted.items() if board.get(key) != value]
    if "order-processor" not in board["tags"]:
        problems.append("the tag order-processor is missing")
    marked = [item["target"]["expr"] for item in board["annotations"]["list"]]
    for what, series in (("firing alerts", 'ALERTS{alertstate="firing"'), ("deployments", "kube_replicaset_created{")):
        if not any(series in expr for expr in marked):
            problems.append(f"{what} are not marked")
    others = {f"/d/{uid}" for uid in BOARDS if uid != board["uid"]}
    linked = {link["url"] for link in board["links"] if link["includeVars"] and link["keepTime"]}
    return problems + [f"no link to {url}" for url in others - linked]
