"""The rules of a stack as the checks see them: parsed, with what is known of the series that they record."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import catalogue
from checks import metrics, promql
from checks.program import evaluate
from checks.promql import Expr, Shapes, ast
from components.alerting import routing, rules
from facts import ROOT
from parts import PROBES_JOB
from quantities import seconds
from settings import Settings, read_stack

T = TypeVar("T")

CLOUDWATCH_SCRAPE = 60
"""Seconds between two scrapes of the CloudWatch exporter, whatever the stack's interval."""


@dataclass(frozen=True)
class Rule:
    """One rule as Prometheus loads it, and where it is."""

    file: str
    group: str
    interval: int
    """Seconds between two evaluations."""
    body: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.body.get("alert") or self.body["record"])

    @property
    def is_alert(self) -> bool:
        return "alert" in self.body

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.body.get("labels", {}))

    @property
    def annotations(self) -> dict[str, str]:
        return dict(self.body.get("annotations", {}))

    @cached_property
    def expr(self) -> Expr:
        return promql.parse(self.body["expr"])

    def lasts(self, key: str) -> int:
        """Seconds of `for` or `keep_firing_for`; 0 without it."""
        return seconds(self.body[key]) if key in self.body else 0

    def says(self, what: str, remedy: str) -> str:
        """A finding: where, what, and what to do about it."""
        return f"{self.file}.yaml {self.name}: {what}; {remedy}"


@dataclass(frozen=True)
class Stack:
    """What a stack deploys, as far as alerts depend on it."""

    settings: Settings
    services: frozenset[str]
    """Names of the services, which are also those of their scrape jobs."""
    catalogue: frozenset[str]
    """Names of all services of services.yaml, also of those that the stack does not run."""
    metrics: frozenset[str]
    """Names of the series that are scraped."""
    rules: tuple[Rule, ...]
    routing: dict[str, Any]
    """Alertmanager's configuration."""
    relabelings: tuple[tuple[str, dict[str, Any]], ...] = ()
    """Where a monitor changes series after the scrape, and how."""

    @cached_property
    def alerts(self) -> list[Rule]:
        """The alerts about the system. Those about alerts have tests of their own: `rules/escalation.test.yaml`."""
        return [rule for rule in self.rules if rule.is_alert and rule.file != rules.ESCALATION]

    @cached_property
    def recording(self) -> dict[str, list[Rule]]:
        """The rules that record each series."""
        found: dict[str, list[Rule]] = {}
        for rule in self.rules:
            if not rule.is_alert:
                found.setdefault(rule.name, []).append(rule)
        return found

    def sources(self, selector: ast.VectorSelector) -> list[Rule]:
        """The rules that record what a selector reads: their own labels do not contradict its matchers."""
        wanted = {m.name: m.value for m in selector.matchers.matchers if m.op == ast.MatchOp.Equal}
        return [
            rule
            for rule in self.recording.get(selector.name or "", [])
            if all(wanted.get(name, value) == value for name, value in rule.labels.items())
        ]

    @property
    def applications(self) -> int:
        """Seconds between two scrapes of a service."""
        return seconds(self.settings.scrape.applications)

    @property
    def infrastructure(self) -> int:
        """Seconds between two scrapes of the infrastructure, and between two evaluations."""
        return seconds(self.settings.scrape.infrastructure)

    def shapes(self, expr: Expr) -> Shapes:
        """The label sets that an expression's result can have."""
        return promql.shapes(expr, self._recorded_shapes)

    @cached_property
    def _recorded_shapes(self) -> Callable[[str], Shapes | None]:
        def of(rule: Rule) -> Shapes:
            return frozenset(labels.plus(frozenset(rule.labels)) for labels in self.shapes(rule.expr))

        return self._of_records(lambda found: frozenset[promql.Labels]().union(*map(of, found)), None)

    def lookback(self, expr: Expr) -> int:
        """Seconds that an expression looks back, through the series that it reads."""
        return promql.lookback(expr, self._recorded_lookback)

    @cached_property
    def _recorded_lookback(self) -> Callable[[str], int]:
        return self._of_records(lambda found: max(self.lookback(rule.expr) for rule in found), 0)

    def aftermath(self, expr: Expr) -> int:
        """Seconds that a condition may still hold when its cause is over."""
        return promql.aftermath(expr, self._recorded_aftermath)

    @cached_property
    def _recorded_aftermath(self) -> Callable[[str], int]:
        return self._of_records(lambda found: max(self.aftermath(rule.expr) for rule in found), 0)

    def interval(self, selector: ast.VectorSelector) -> int:
        """Seconds between two samples of what a selector reads; the slowest where it does not say whose it reads."""
        name = selector.name or ""
        job = next((m.value for m in selector.matchers.matchers if m.name == "job" and m.op == ast.MatchOp.Equal), "")
        if name in self.recording:
            return self._recorded_interval(name)
        if name.startswith("aws_"):
            return CLOUDWATCH_SCRAPE
        if not job or job in self.services | {PROBES_JOB}:
            return max(self.applications, 0 if job else self.infrastructure)
        return self.infrastructure

    @cached_property
    def _recorded_interval(self) -> Callable[[str], int]:
        def of(rule: Rule) -> int:
            return max([rule.interval, *map(self.interval, promql.selectors(rule.expr))])

        return self._of_records(lambda found: max(map(of, found)), 0)

    def _of_records(self, compute: Callable[[list[Rule]], T], otherwise: T) -> Callable[[str], T]:
        """A function of a recorded series' name, computed once; `otherwise` for scraped series and within a circle."""
        known: dict[str, T] = {}

        def of(name: str) -> T:
            if name not in self.recording:
                return otherwise
            if name not in known:
                known[name] = otherwise
                known[name] = compute(self.recording[name])
            return known[name]

        return of


def flat(objects: dict[str, list[dict[str, Any]]], evaluation: int) -> Iterator[Rule]:
    """Every rule of rule groups by file."""
    for file, groups in objects.items():
        for group in groups:
            interval = seconds(group["interval"]) if "interval" in group else evaluation
            for body in group["rules"]:
                yield Rule(file, group["name"], interval, body)


def scraped(services: catalogue.Catalogue) -> frozenset[str]:
    """Names of the series of `metrics.yaml`, with the prefix of each service."""
    return frozenset(name for component in metrics.components(services) for name in component.series)


def settings_of(name: str) -> Settings:
    """The settings of `Pulumi.<name>.yaml`."""
    return read_stack(ROOT / f"Pulumi.{name}.yaml")


def of_stack(name: str) -> Stack:
    """The rules and the routing of a stack."""
    settings = settings_of(name)
    everything = catalogue.load(ROOT / "services.yaml")
    known = everything.of_stack(settings)
    objects = rules.prometheus_rules(ROOT / "alerts", known, settings)
    return Stack(
        settings=settings,
        services=frozenset(service.name for service in known.services),
        catalogue=frozenset(service.name for service in everything.services),
        metrics=scraped(known),
        rules=tuple(flat(objects, seconds(settings.scrape.infrastructure))),
        routing=routing.alertmanager_configuration(settings),
        relabelings=tuple(
            found for resource in evaluate(name) for found in relabelings(resource.inputs, f"{name} {resource.name}")
        ),
    )


def relabelings(node: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything in a resource that changes series after the scrape, whether in a monitor or in a chart's values."""
    if isinstance(node, dict):
        for key, value in node.items():
            if re.sub("_", "", key).lower() in {"metricrelabelings", "metricrelabelconfigs"}:
                yield from ((f"{place}.{key}", relabeling) for relabeling in value)
            else:
                yield from relabelings(value, f"{place}.{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from relabelings(value, f"{place}.{number}")


def template_labels(text: str) -> set[str]:
    """Labels of the alert that a template reads."""
    return set(re.findall(r"\$labels\.(\w+)", text))


def template_queries(text: str) -> Iterator[Expr]:
    """The expressions that a template looks up."""
    for query in re.findall(r'query "((?:[^"\\]|\\.)*)"', text):
        yield promql.parse(query.replace("\\", ""))


Findings = Iterator[str]
"""What is wrong, a line each."""
Check = Callable[[Stack], Findings]
