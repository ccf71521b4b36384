"""The policy pack as Pulumi starts it: `pulumi preview --policy-pack policies`. What it refuses is in rules.py."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pulumi_policy import (
    EnforcementLevel,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)
from pulumi_policy.proxy import UnknownValueError

sys.path.append(str(Path(__file__).resolve().parents[1]))  # last: the project's modules have common names

from policies.rules import RULES, STACK_RULES, UNKNOWN, Resource, Rule, StackRule


def plain(value: Any) -> Any:
    """The value without the SDK's wrapping, which ends a policy at the first value that a preview does not know."""
    if isinstance(value, Mapping):
        return {key: _item(value, key) for key in value}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_item(value, index) for index in range(len(value))]
    return value


def _item(container: Any, key: Any) -> Any:
    try:
        return plain(container[key])
    except UnknownValueError:
        return UNKNOWN


def resource(told: Any) -> Resource:
    """What the rules see of a resource of the SDK."""
    return Resource(
        type=told.resource_type,
        name=told.name,
        properties=plain(told.props),
        protected=told.opts.protect,
        urn=told.urn,
    )


def of_resource(rule: Rule) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
    """The rule as the SDK calls it."""

    def validate(told: ResourceValidationArgs, report: ReportViolation) -> None:
        for sentence in rule.violations(resource(told)):
            report(sentence)

    return validate


def of_stack(rule: StackRule) -> Callable[[StackValidationArgs, ReportViolation], None]:
    """The same for one of all resources."""

    def validate(told: StackValidationArgs, report: ReportViolation) -> None:
        for item, sentence in rule.check([resource(item) for item in told.resources]):
            report(sentence, item.urn)

    return validate


PolicyPack(
    name="order-processor-monitoring",
    enforcement_level=EnforcementLevel.MANDATORY,
    policies=[
        *(ResourceValidationPolicy(rule.name, rule.description, of_resource(rule)) for rule in RULES),
        *(StackValidationPolicy(rule.name, rule.description, of_stack(rule)) for rule in STACK_RULES),
    ],
)
