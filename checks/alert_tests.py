"""What the tests beside the rule files expect of each alert and when, and what the runbooks ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

import catalogue
from catalogue import Catalogue
from checks import promql
from checks.promql import ast
from components.alerting import rules
from facts import ROOT
from quantities import seconds
from settings import Escalation, Links, Metrics, RemoteWrite, Settings, read_stack

ALERTS = ROOT / "alerts"
TESTS = sorted(ALERTS.glob(f"*{rules.TESTS}"))
CHAINS = sorted((ROOT / "tests" / "contract" / "rules").glob(f"*{rules.TESTS}"))
"""Tests of several rules together, as a stack has them."""
PAGES = sorted((ALERTS / "runbooks").glob("*.md"))

LINKS = Links(grafana="https://grafana.test", runbooks="https://runbooks.test")
LONG_TERM = Metrics(remote_write=RemoteWrite(url="https://metrics.test/write"))
AS_WRITTEN = Escalation.model_construct(warning_after="0s", email_after="30m")


@cache
def known() -> Catalogue:
    """The services that CHAINS name: any other would have no series there, and so be down."""
    services = catalogue.load(ROOT / "services.yaml")
    named = "".join(path.read_text() for path in CHAINS)
    return services.without([service.name for service in services.services if service.name not in named])


@cache
def watched() -> Settings:
    """The production stack with all that can be watched, addresses that tests can name, and each `for` as written."""
    return read_stack(ROOT / "Pulumi.prod.yaml").model_copy(
        update={"links": LINKS, "escalation": AS_WRITTEN, "metrics": LONG_TERM}
    )


@dataclass(frozen=True)
class Expectation:
    """What one alert does at one moment of one test."""

    test: str
    alert: str
    at: int
    """Seconds since the test's start."""
    step: int
    """Seconds between two evaluations."""
    labels: tuple[dict[str, str], ...]
    """Labels of each alert that fires, with `alertname`; empty if none does."""
    inputs: tuple[str, ...]
    """The test's series, as `name{label="value"}`."""


@cache
def expectations() -> tuple[Expectation, ...]:
    """Everything that the tests of all rule files expect. They are read once: there are many."""
    return tuple(_expectations())


def _expectations() -> Iterator[Expectation]:
    for path in TESTS:
        document = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
        for test in document["tests"]:
            inputs = tuple(given["series"] for given in test.get("input_series", []))
            for expected in test.get("alert_rule_test", []):
                yield Expectation(
                    test=f"{path.name}: {test['name']}",
                    alert=expected["alertname"],
                    at=seconds(expected["eval_time"]),
                    step=seconds(document["evaluation_interval"]),
                    labels=tuple(_labels(expected["alertname"], fires) for fires in expected["exp_alerts"]),
                    inputs=inputs,
                )


def fired() -> list[dict[str, str]]:
    """Every label set that an alert fires with in a test."""
    return [labels for expected in expectations() for labels in expected.labels]


def selects(selector: ast.VectorSelector, series: str) -> bool:
    """Whether a selector finds a series, written as `name{label="value"}`."""
    given: Any = promql.parse(series)
    labels = {"__name__": given.name} | {matcher.name: matcher.value for matcher in given.matchers.matchers}
    return selector.name in (None, labels["__name__"]) and all(
        _holds(matcher, labels.get(matcher.name, "")) for matcher in selector.matchers.matchers
    )


def _holds(matcher: ast.Matcher, value: str) -> bool:
    pattern = matcher.op in (ast.MatchOp.Re, ast.MatchOp.NotRe)
    found = re.fullmatch(matcher.value if pattern else re.escape(matcher.value), value) is not None
    return found == (matcher.op in (ast.MatchOp.Equal, ast.MatchOp.Re))


def runbook_queries() -> list[tuple[str, str]]:
    """Every PromQL query of the runbooks, with the alert whose page it is on."""
    return [
        (page.stem, query)
        for page in PAGES
        for query in re.findall(r"```promql\n(.+?)```", page.read_text(), re.DOTALL)
    ]


def _labels(alert: str, fires: dict[str, Any]) -> dict[str, str]:
    return {"alertname": alert, **fires["exp_labels"]}
