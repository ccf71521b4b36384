"""Dashboards as their JSON, and what of it the rules look at: panels, queries, variables, links, overrides."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import catalogue
import dashboards
from checks import promql
from checks.promql import Expr
from facts import ROOT

CATALOGUE = catalogue.load(ROOT / "services.yaml")

BOARDS: dict[str, dict[str, Any]] = {uid: json.loads(text) for uid, text in dashboards.load(CATALOGUE).items()}

Board = dict[str, Any]

Rule = Callable[[Board], list[str]]

STRING = r'(?:"(?:\\.|[^"\\])*"|`[^`]*`)'

VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?")
"""One of Grafana's variables, and not a group of a pattern such as `$1`."""

RATE_INTERVAL = 7919
"""Seconds put for `$__rate_interval`: a length that nobody writes, so that it is found again."""

DURATIONS = {"__rate_interval": f"{RATE_INTERVAL}s", "__range": "6h", "__interval": "1m", "__interval_ms": "60000"}
"""What Grafana puts for the durations that it knows, roughly."""


def panels(board: Board) -> Iterator[Board]:
    """Every panel but the headings, those in collapsed rows included."""
    for panel in board["panels"]:
        yield from panel["panels"] if panel["type"] == "row" else [panel]


def queries(board: Board) -> Iterator[tuple[str, str]]:
    """Title and expression of every PromQL query, the annotations' included."""
    yield from ((title, target["expr"]) for title, target in targets(board, "promql"))
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["target"]["expr"]


def log_queries(board: Board) -> Iterator[tuple[str, str]]:
    """Title and expression of every LogQL query, of lines or of numbers."""
    return ((title, target["expr"]) for title, target in targets(board, "logql"))


def targets(board: Board, *languages: str) -> Iterator[tuple[str, Board]]:
    """Title of the panel and query, for every query in these languages."""
    return (
        (panel["title"], target)
        for panel in panels(board)
        for target in panel["targets"]
        if language(target) in languages
    )


LANGUAGES = ("promql", "logql", "traceql")


def language(target: Board) -> str:
    """The language of a query, by its form: its data source may be what is wrong."""
    return {None: "promql", "range": "logql", "instant": "logql", "traceql": "traceql"}[target.get("queryType")]


def variables(board: Board) -> dict[str, Board]:
    return {variable["name"]: variable for variable in board["templating"]["list"]}


def expanded(expr: str) -> str:
    """The expression with what Grafana puts for its variables when everything is chosen."""
    return VARIABLE.sub(lambda match: DURATIONS.get(match[1], ".+"), expr)


def parsed(expr: str) -> Expr:
    """The tree of an expression, in whose strings Grafana's variables stay as they are."""
    return promql.parse(VARIABLE.sub(lambda match: DURATIONS.get(match[1], match[0]), expr))


def trees(board: Board) -> Iterator[tuple[str, Expr]]:
    """Title and tree of every PromQL query."""
    return ((title, parsed(expr)) for title, expr in queries(board))


def own(panel: Board, name: str) -> dict[str, Any]:
    """What overrides set for the series or column of this name, as Grafana matches them."""
    settings: dict[str, Any] = {}
    for override in panel.get("fieldConfig", {}).get("overrides", ()):
        kind, wanted = override["matcher"]["id"], override["matcher"]["options"]
        if wanted == name if kind == "byName" else re.search(wanted.strip("/"), name):
            settings |= {item["id"]: item["value"] for item in override["properties"]}
    return settings


def links(panel: Board) -> Iterator[str]:
    """The addresses that a click on a panel's fields leads to."""
    config = panel.get("fieldConfig", {})
    settings = [config.get("defaults", {})]
    settings += [{item["id"]: item["value"] for item in one["properties"]} for one in config.get("overrides", ())]
    return (link["url"] for found in settings for link in found.get("links", ()))


def has_numbers(panel: Board) -> bool:
    """Whether a panel shows numbers, and not log lines or traces."""
    return panel["type"] != "logs" and all(language(target) != "traceql" for target in panel["targets"])


def variable_queries(board: Board) -> dict[str, str]:
    return {name: item["query"]["query"] for name, item in variables(board).items() if item["type"] == "query"}


def stream_selectors(logql: str) -> list[str]:
    """The stream selectors of a LogQL query, which are written as PromQL's; braces within its texts are none."""
    found = re.findall(rf"{STRING}|\{{(?:{STRING}|[^}}])*\}}", logql)
    return [text for text in found if text.startswith("{")]


def columns(panel: Board) -> set[str]:
    """The columns of a table, by the names that it gives them."""
    organized = (item["options"] for item in panel.get("transformations", []) if item["id"] == "organize")
    return {name for options in organized for name in options["renameByName"].values()}
