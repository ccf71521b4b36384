"""What rules, dashboards and runbooks read is exposed by something, with the labels that they use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
import yaml

import catalogue
from checks import dashboard_json, metrics, promql, rule_set
from checks.alert_tests import runbook_queries
from checks.expression_checks import OPTIONAL_SERIES
from checks.metrics import Signature
from checks.promql import Expr, Labels, Shapes, ast
from facts import ROOT
from simulation.exporters import cluster
from simulation.exporters.exposition import render
from simulation.exporters.inventory import application_pods, monitoring_pods
from simulation.exporters.shapes import EPOCH

CATALOGUE = catalogue.load(ROOT / "services.yaml")
COMPONENTS = metrics.components(CATALOGUE)
STACKS = {name: rule_set.of_stack(name) for name in ("dev", "prod")}
RECORDED = STACKS["prod"].recording
INVENTED = {
    name: render(page(EPOCH))
    for name, page in cluster.pages((*application_pods("a", ["b"]), *monitoring_pods())).items()
}


def queries() -> Iterator[tuple[str, Expr]]:
    """Every query and where it is."""
    for stack in STACKS.values():
        yield from ((f"{rule.file}.yaml {rule.name}", rule.expr) for rule in stack.rules)
    for uid, board in dashboard_json.BOARDS.items():
        yield from ((f"{uid}: {title}", tree) for title, tree in dashboard_json.trees(board))
        asked = dashboard_json.variable_queries(board).items()
        yield from (
            (f"{uid}: ${name}", promql.parse(match[1]))
            for name, query in asked
            if (match := re.fullmatch(r"label_values\((.+), \w+\)", query))
        )
    yield from ((f"{page}.md", promql.parse(query)) for page, query in runbook_queries())


def listed() -> dict[str, Shapes]:
    """The label sets of every listed series once it is scraped."""
    found: dict[str, Shapes] = {}
    for component in COMPONENTS:
        for name, signature in component.series.items():
            labels = Labels(signature.labels | component.labels) if signature else Labels(others=True)
            found[name] = found.get(name, frozenset()) | {labels}
    return found


LISTED = listed()


def named(selector: ast.VectorSelector) -> list[str]:
    """The listed series that a selector reads."""
    name = promql.metric(selector)
    return [name] if name in LISTED else metrics.matching(name, LISTED) if not selector.name else []


def test_every_series_that_is_read_is_recorded_or_listed_with_what_exposes_it() -> None:
    read = {
        (promql.metric(selector), where)
        for where, tree in queries()
        for selector in promql.selectors(tree)
        if not named(selector)
    }
    assert sorted((name, where) for name, where in read if name and name not in RECORDED.keys() | OPTIONAL_SERIES) == []


def test_every_listed_series_is_read_by_something() -> None:
    read = {name for _, tree in queries() for selector in promql.selectors(tree) for name in named(selector)}
    prefixes = [str(service.prefix) for service in CATALOGUE.measured]
    assert [
        series
        for item in yaml.safe_load(metrics.LISTED.read_text()).values()
        for series in item["series"]
        if not any(series.replace(metrics.PREFIX, prefix) in read for prefix in prefixes)
    ] == []


def test_only_listed_series_appear_later() -> None:
    assert [name for component in COMPONENTS for name in component.later if name not in component.series] == []


def test_the_labels_that_are_read_are_exposed() -> None:
    lacking = {
        f"{where}: {name} has no label {label}"
        for where, tree in queries()
        for node, _ in promql.walk(tree)
        for name, label in unexposed(node)
    }
    assert sorted(lacking) == []


def unexposed(node: Expr) -> Iterator[tuple[str, str]]:
    """What a selector matches, and an aggregation keeps, of labels that are not there."""
    match node:
        case ast.VectorSelector(matchers=matchers):
            wanted = {matcher.name for matcher in matchers.matchers} - {"__name__"}
            yield from ((name, label) for name in named(node) for label in wanted if not any_has(LISTED[name], label))
        case ast.AggregateExpr(modifier=modifier) if modifier and modifier.type == ast.AggModifierType.By:
            found = promql.shapes(node.expr, recorded())
            yield from ((f"`{str(node.expr)[:60]}`", label) for label in modifier.labels if not any_has(found, label))


def any_has(shapes: Shapes, label: str) -> bool:
    return any(labels.has(label) for labels in shapes)


def recorded() -> Callable[[str], Shapes | None]:
    """The label sets of a series, through the rules that record it."""
    known: dict[str, Shapes | None] = dict(LISTED)

    def of(name: str) -> Shapes | None:
        if name not in known:
            known[name] = None  # within a circle
            if name in RECORDED:
                each = ((promql.shapes(rule.expr, of), frozenset(rule.labels)) for rule in RECORDED[name])
                known[name] = frozenset(labels.plus(own) for shapes, own in each for labels in shapes)
        return known[name]

    return of


@pytest.mark.parametrize("exporter", INVENTED)
def test_a_stand_in_invents_only_what_is_read_with_the_type_and_labels_of_the_real_one(exporter: str) -> None:
    wanted = {name: signature for component in COMPONENTS for name, signature in component.series.items()}
    invented = metrics.exposed(INVENTED[exporter])
    assert sorted(invented.keys() - wanted.keys()) == []
    assert {name: str(signature) for name, signature in invented.items()} == {
        name: str(wanted[name]) for name in invented
    }


def test_every_program_that_the_rehearsal_plays_is_named_with_the_source_of_its_series() -> None:
    served = {name for page in INVENTED.values() for name in metrics.exposed(page)}
    for component in COMPONENTS:
        if component.invented:
            assert component.series.keys() - served <= component.later.keys(), component.name


def test_differences_are_named() -> None:
    found = metrics.exposed('# TYPE a_total counter\na_total{x="1"} 1\na_total{x="2",y="2"} 1\n# TYPE b gauge\nb 1\n')
    wanted = {
        name: Signature.parse(text) for name, text in {"a_total": "counter x y", "b": "counter", "c": "gauge"}.items()
    }
    assert list(metrics.differences(wanted, found)) == ["b is `gauge`, and listed as `counter`", "c is not exposed"]
