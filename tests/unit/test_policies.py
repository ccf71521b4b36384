"""The policies: what each refuses and lets pass, and that the shipped stacks break none."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

import documents
from checks import examples
from checks.program import SECRETS, Program
from components import protection
from facts import ROOT
from policies.rules import RULES, STACK_RULES, UNKNOWN, Resource
from settings import read_config
from verify.program import evaluate

CASES: dict[str, dict[str, list[dict[str, Any]]]] = documents.read(ROOT / "tests" / "unit" / "policies.yaml")
BY_NAME = {rule.name: rule for rule in RULES}
(PROTECTED_DATA,) = STACK_RULES
BUCKET = "aws:s3/bucket:Bucket"


def cases(outcome: str) -> Iterator[Any]:
    for rule, found in CASES.items():
        for case in found[outcome]:
            yield pytest.param(rule, case, id=f"{rule} {json.dumps(case['put'])}")


def resource(case: dict[str, Any]) -> Resource:
    return Resource(type=f"kubernetes:{case['type']}", name="thing", properties=case["put"])


def registered(program: Program) -> list[Resource]:
    return [
        Resource(type=item.type, name=item.name, properties=item.inputs, protected=item.protect) for item in program
    ]


def test_every_rule_has_examples_and_a_name_of_its_own() -> None:
    assert list(CASES) == [rule.name for rule in RULES]
    assert PROTECTED_DATA.name not in CASES


def test_what_is_not_known_is_written_as_the_rules_write_it() -> None:
    assert UNKNOWN in json.dumps(CASES)


def test_the_page_lists_every_policy() -> None:
    page = (ROOT / "docs" / "deploying.md").read_text()
    section = page.partition("## Policies\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE) == [rule.name for rule in (*RULES, *STACK_RULES)]


@pytest.mark.parametrize(("rule", "case"), list(cases("refused")))
def test_what_breaks_a_rule_is_refused_with_its_place(rule: str, case: dict[str, Any]) -> None:
    (sentence,) = BY_NAME[rule].violations(resource(case))
    assert case["says"] in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(("rule", "case"), list(cases("passes")))
def test_what_only_resembles_it_passes(rule: str, case: dict[str, Any]) -> None:
    assert BY_NAME[rule].violations(resource(case)) == []


@pytest.mark.parametrize("kind", ["kubernetes:core/v1:PersistentVolumeClaim", "kubernetes:core/v1:Namespace", BUCKET])
def test_data_is_protected_where_the_stack_is(kind: str) -> None:
    bare = Resource(type=kind, name="data", properties={})
    guard = Resource(type="pulumi:index:Stash", name=protection.NAME, properties={}, protected=True)
    ((item, sentence),) = PROTECTED_DATA.check([bare, guard])
    assert item is bare
    assert sentence == f"{bare.kind}/data: give it ResourceOptions(protect=settings.storage.protect)"
    for passes in ([bare], [dataclasses.replace(bare, protected=True), guard]):
        assert list(PROTECTED_DATA.check(passes)) == []


def test_what_is_protected_is_of_a_type_that_the_program_registers(prod: Program) -> None:
    assert BUCKET in {item.type for item in prod}


def test_the_shipped_stacks_break_no_rule(dev: Program, prod: Program) -> None:
    for program in (dev, prod):
        resources = registered(program)
        assert [sentence for rule in RULES for item in resources for sentence in rule.violations(item)] == []
        assert list(PROTECTED_DATA.check(resources)) == []


@pytest.mark.parametrize("name", examples.names())
def test_an_example_breaks_no_rule(name: str) -> None:
    resources = registered(evaluate(name, read_config(examples.stack_file(name)), SECRETS))
    assert [sentence for rule in RULES for item in resources for sentence in rule.violations(item)] == []


def test_every_exception_is_needed(dev: Program) -> None:
    for rule in RULES:
        breaking = {item.title for item in registered(dev) if list(rule.check(item))}
        assert breaking == set(rule.exceptions), rule.name
