"""The rules that every dashboard obeys. A rule takes a dashboard's JSON and returns what is wrong with it."""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml
from grafana_foundation_sdk.models import units

import catalogue
import dashboards
from components import rules
from rehearsal.toolchain import tool

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE = catalogue.load(ROOT / "services.yaml")
BOARDS: dict[str, dict[str, Any]] = {uid: json.loads(text) for uid, text in dashboards.load(CATALOGUE).items()}
RETENTION_SECONDS = 15 * 86400

Board = dict[str, Any]
Rule = Callable[[Board], list[str]]

BINDINGS = [
    ("service", r"(service|instance):|probe_|process_|ALERTS|log_records_"),
    ("namespace", r"container_|kube_pod_|kube_deployment_|kubelet_volume_|process_|business_|gateway_proxy_"),
    ("asset", r"business_(order|asset)"),
    ("instance", r"node_"),
    ("table", r"aws_dynamodb_"),
]
"""Variables, and the series whose selectors must be bound to them on a dashboard that has the variable."""

UNBOUND = {
    "Resources requested": "the nodes' room is shared by all namespaces",
}
"""Panels with a selector that is not bound on purpose, and why."""

STRING = r'"(?:\\.|[^"\\])*"'
SELECTOR = re.compile(rf"([a-zA-Z_:][\w:]*)\s*\{{((?:{STRING}|[^\"}}])*)\}}")
DURATION = re.compile(r"(\d+)(ms|[smhdwy])")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400}


def panels(board: Board) -> Iterator[Board]:
    """Every panel but the headings, those in collapsed rows included."""
    for panel in board["panels"]:
        yield from panel["panels"] if panel["type"] == "row" else [panel]


def queries(board: Board) -> Iterator[tuple[str, str]]:
    """Title and expression of every PromQL query, the annotations' included."""
    for panel in panels(board):
        if panel["type"] != "logs":
            yield from ((panel["title"], target["expr"]) for target in panel["targets"])
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["target"]["expr"]


def variables(board: Board) -> dict[str, Board]:
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def expanded(expr: str) -> str:
    """The expression with what Grafana puts for its variables when everything is chosen."""
    known = {"__rate_interval": "2m", "__range": "6h"}
    return re.sub(r"\$(\w+)", lambda match: known.get(match[1], ".+"), expr)


def without_strings(expr: str) -> str:
    """The expression with every string empty, so that brackets in a matcher are not taken for its own."""
    return re.sub(STRING, '""', expr)


def metric_names(expr: str) -> set[str]:
    """Names of the series that an expression reads."""
    bare = without_strings(expanded(expr))
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    names = set(re.findall(r"(?<![\w:.])[a-zA-Z_:][\w:]*\b(?!\s*\()", bare))
    return names - {"and", "or", "unless", "offset", "bool", "inf", "nan"}


def selectors(expr: str) -> Iterator[tuple[str, str]]:
    """Metric name and matchers of every selector; no matchers for a bare name."""
    found = SELECTOR.findall(expr)
    yield from found
    yield from ((name, "") for name in metric_names(expr) - {name for name, _ in found})


def inventory() -> set[str]:
    """Names that a dashboard may read: the list beside this file, and what our rules record."""
    lines = (Path(__file__).parent / "metrics.txt").read_text().splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    prefixes = [service.prefix for service in CATALOGUE.measured]
    scraped = {name.replace("<prefix>", str(prefix)) for name in listed for prefix in prefixes}
    return scraped | recorded()


def recorded() -> set[str]:
    """Series that the rule files and the generated rules record."""
    files = [*rules.read(ROOT / "alerts").values(), rules.normalisation(CATALOGUE)]
    groups = (group for file in files for group in file["groups"])
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


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
        f"{panel['title']}: unit {panel['fieldConfig']['defaults'].get('unit')!r} is not one of Grafana's"
        for panel in panels(board)
        if panel["type"] != "logs" and panel["fieldConfig"]["defaults"].get("unit") not in known
    ]


def series_have_a_legend(board: Board) -> list[str]:
    problems = []
    for panel in panels(board):
        if panel["type"] == "timeseries" and not panel["options"]["legend"]["showLegend"]:
            problems.append(f"{panel['title']}: the legend is hidden")
        if panel["type"] != "logs" and not all(target.get("legendFormat") for target in panel["targets"]):
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
        f"${name} is used nowhere" for name in variables(board) if not re.search(rf"\$({name}\b|\{{{name}\}})", text)
    ]
    for name, variable in variables(board).items():
        if variable["type"] != "query":
            continue
        wanted = {"refresh": 2, "multi": True, "includeAll": True, "allValue": ".+"}
        problems += [f"${name}: {key} must be {value}" for key, value in wanted.items() if variable.get(key) != value]
        if not re.fullmatch(r"label_values\(\S+, \w+\)", variable["query"]["query"]):
            problems.append(f"${name}: the query is not label_values(series, label)")
    return problems


def queries_use_only_declared_variables(board: Board) -> list[str]:
    known = {*variables(board), "__rate_interval", "__range"}
    return [
        f"{title}: ${name} is not declared"
        for title, expr in queries(board)
        for name in re.findall(r"\$\{?(\w+)", expr)
        if name not in known
    ]


def selectors_are_bound_to_the_variables(board: Board) -> list[str]:
    return [
        f"{title}: {metric} is not bound to ${variable}"
        for title, expr in queries(board)
        if title not in UNBOUND
        for metric, matchers in selectors(expr)
        for variable, family in BINDINGS
        if variable in variables(board) and re.match(family, metric) and f'=~"${variable}' not in matchers
    ]


def rates_use_the_rate_interval(board: Board) -> list[str]:
    return [
        f"{title}: rate over {window}"
        for title, expr in queries(board)
        for window in re.findall(r"\bi?rate\s*\([^\[\]]*\[([^\]]*)\]", without_strings(expr))
        if window != "$__rate_interval"
    ]


def ranges_stay_within_retention(board: Board) -> list[str]:
    named = [
        (title, "".join(found))
        for title, expr in queries(board)
        for found in re.findall(r"\[([^\]]*)\]|offset (\w+)", without_strings(expr))
    ]
    named.append(("time range", board["time"]["from"]))
    return [f"{title}: {text} is longer than 15 d" for title, text in named if seconds(text) > RETENTION_SECONDS]


def seconds(text: str) -> float:
    return sum(int(number) * SECONDS[unit] for number, unit in DURATION.findall(text))


def metrics_exist(board: Board) -> list[str]:
    known = inventory()
    asked = [(f"${name}", v["query"]["query"]) for name, v in variables(board).items() if v["type"] == "query"]
    named = [(name, match[1]) for name, query in asked if (match := re.match(r"label_values\(([\w:]+)", query))]
    named += [(title, name) for title, expr in queries(board) for name in metric_names(expr)]
    return [f"{title}: nothing provides {name}" for title, name in named if name not in known]


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
    if not any('ALERTS{alertstate="firing"' in item["target"]["expr"] for item in board["annotations"]["list"]):
        problems.append("firing alerts are not marked")
    others = {f"/d/{uid}" for uid in BOARDS if uid != board["uid"]}
    linked = {link["url"] for link in board["links"] if link["includeVars"] and link["keepTime"]}
    return problems + [f"no link to {url}" for url in others - linked]
