"""Every check holds for all our rules, and finds its counter-examples.

A counter-example is a good rule with one mistake, beside all our rules; the check must say something new about it.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any

import pytest

from catalogue import Catalogue, Service
from checks import expression_checks, pint, routing_checks, rule_checks
from checks.alert_tests import runbook_queries
from checks.expression_checks import (
    bucket_bounds_are_written_as_stored,
    labels_that_are_used_are_there,
    operands_can_match,
    quantiles_have_their_buckets,
    series_exist,
    services_and_alerts_that_are_named_exist,
)
from checks.rule_set import Check, Stack, of_stack
from components.alerting import rules
from components.alerting.normalisation import NORMALISATION
from facts import ROOT
from tests.contract.counter_examples import COUNTER_EXAMPLES, Spoil, alert, beside, record, symptom

STACKS = ["dev", "prod"]

OF_QUERIES: list[Check] = [
    bucket_bounds_are_written_as_stored,
    labels_that_are_used_are_there,
    operands_can_match,
    quantiles_have_their_buckets,
    series_exist,
    services_and_alerts_that_are_named_exist,
]
"""Checks of any query, also of what people are to ask."""

CHECKS: list[Check] = list(dict.fromkeys(check for check, _, _ in COUNTER_EXAMPLES))


@cache
def ours(name: str) -> Stack:
    return of_stack(name)


@cache
def found(check: Check, name: str) -> list[str]:
    """What a check says of our own rules, each thing once."""
    return list(dict.fromkeys(check(ours(name))))


@pytest.mark.parametrize("name", STACKS)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_our_rules_obey(check: Check, name: str) -> None:
    if found(check, name):
        pytest.fail("\n".join(found(check, name)), pytrace=False)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_a_good_rule_is_not_reported(check: Check) -> None:
    paged = "service:up:ratio < 1 unless on (service) service:outage_paged:info"
    for good in (alert(), record("max by (service) (service:up:ratio)"), symptom(paged)):
        assert set(check(good(ours("dev")))) <= set(found(check, "dev"))


@pytest.mark.parametrize(
    ("check", "spoil"),
    [pytest.param(check, spoil, id=f"{check.__name__}-{name}") for check, name, spoil in COUNTER_EXAMPLES],
)
def test_a_check_reports_its_counter_example(check: Check, spoil: Spoil) -> None:
    assert set(check(spoil(ours("dev")))) - set(found(check, "dev"))


def test_pint_means_the_rule_in_which_its_lines_begin() -> None:
    """They may go on to the rules that this one reads, such as the pages behind its ALERTS."""
    lines = ["- record: a:b:sum", "  expr: x", "- alert: Meant", "  expr: y", "- alert: Page", "  expr: z"]
    assert pint.rule_at(lines, [3, 4, 5, 6]) == "Meant"


@pytest.mark.parametrize("check", OF_QUERIES, ids=lambda check: check.__name__)
def test_the_queries_of_the_runbooks_obey(check: Check) -> None:
    queries = [{"record": f"{page} in its runbook", "expr": query} for page, query in runbook_queries()]
    wrong = [line for line in check(beside(*queries)(ours("prod"))) if line not in found(check, "prod")]
    if wrong:
        pytest.fail("\n".join(wrong), pytrace=False)


def test_every_check_has_a_counter_example() -> None:
    public = {
        function
        for module in (pint, rule_checks, expression_checks, routing_checks)
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and list(inspect.signature(function).parameters) == ["stack"]
        and not name.startswith("_")
    }
    assert public == set(CHECKS)


def sized(number: int) -> dict[str, list[dict[str, Any]]]:
    """The rules for a catalogue of so many services."""
    services = tuple(Service(name=f"service-{index}", port=80, prefix=f"prefix_{index}") for index in range(number))
    return rules.prometheus_rules(ROOT / "alerts", Catalogue(services=services), ours("dev").settings)


def test_only_what_is_made_of_the_catalogue_grows_with_it_and_in_proportion() -> None:
    six, more, sixty = (
        {file: sum(len(group["rules"]) for group in groups) for file, groups in sized(number).items()}
        for number in (6, 33, 60)
    )
    grows = {NORMALISATION}
    assert {file: six[file] for file in six if file not in grows} == {
        file: sixty[file] for file in sixty if file not in grows
    }
    for file in grows:
        assert sixty[file] - more[file] == more[file] - six[file] > 0


def test_exceptions_are_of_what_there_is() -> None:
    stack = ours("prod")
    names = {rule.name for rule in stack.rules}
    excepted = {*rule_checks.ALWAYS_FIRING, *rule_checks.ALERTS_OF_ONE_TARGET, *expression_checks.DIVISORS}
    excepted |= set(routing_checks.LATE_CAUSES)
    assert excepted <= names
    assert rule_checks.SHARED_GROUPS.keys() <= {rule.group for rule in stack.rules}
    assert all(
        any(re.fullmatch(name, known) for known in stack.metrics | names) for name in expression_checks.NEVER_ZERO
    )
