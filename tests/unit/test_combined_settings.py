"""Where one of several values that depend on each other is wrong by itself, only that is reported."""

from __future__ import annotations

from typing import Any

import pytest

from checks import program
from settings import KEY, SECRET_KEYS, Deployment, parse
from validation import InvalidInputError

Tree = dict[str, Any]

WORKSPACE = "ws-0a1b2c3d-1111-2222-3333-444455556666"
PLACES: Tree = {"url": "https://m.test/push", "workspace": WORKSPACE}
ONE: Tree = {"prometheus": {"replicas": 1}, "alertmanager": {"replicas": 1}}
CONFLICTS: list[tuple[str, Tree, list[str]]] = [
    ("dev", {"businessHours": {"start": "18:00", "end": "08:00"}}, ["businessHours.start", "businessHours.end"]),
    (
        "dev",
        {"workloads": {"loki": {"cpu": "2", "cpuLimit": "20m"}}},
        ["workloads.loki.cpu", "workloads.loki.cpuLimit"],
    ),
    (
        "dev",
        {"workloads": {"loki": {"memory": "4Gi", "memoryLimit": "40Mi"}}},
        ["workloads.loki.memory", "workloads.loki.memoryLimit"],
    ),
    ("dev", {"charts": {"source": "oci", "location": "https://c.test"}}, ["charts.source", "charts.location"]),
    ("dev", {"charts": {"source": "public", "location": "https://c.test"}}, ["charts.source", "charts.location"]),
    ("prod", {"metrics": {"remoteWrite": PLACES}}, ["metrics.remoteWrite.url", "metrics.remoteWrite.workspace"]),
    (
        "prod",
        {"metrics": {"remoteWrite": {"workspace": WORKSPACE, "username": "u"}}},
        ["metrics.remoteWrite.workspace", "metrics.remoteWrite.username"],
    ),
    ("dev", {"metrics": {"remoteWrite": {"url": "http://m.test"}}}, ["metrics.remoteWrite.url"]),
    (
        "dev",
        {"metrics": {"remoteWrite": {"workspace": WORKSPACE}}},
        ["metrics.remoteWrite.workspace", "platform"],
    ),
    (
        "prod",
        {"storage": {"kind": "class", "node": "n"}},
        ["storage.kind", "storage.node"],
    ),
    ("dev", {"storage": {"kind": "ephemeral", "protect": True}}, ["storage.kind", "storage.protect"]),
    (
        "dev",
        {"storage": {"kind": "class", "createClass": True}},
        ["storage.kind", "storage.createClass", "platform"],
    ),
    *(
        (
            "prod",
            {"storage": {"kind": "local"}, "workloads": ONE | {part: {"replicas": 2}}},
            ["storage.kind", "storage.node", "platform", f"workloads.{part}.replicas"],
        )
        for part in ONE
    ),
    (
        "prod",
        {"logs": {"mode": "distributed"}, "workloads": {"loki": {"replicas": 2}}},
        ["logs.mode", "workloads.loki.replicas"],
    ),
    ("prod", {"logs": {"mode": "distributed"}}, ["logs.mode", "aws.logBucket", "aws"]),
    (
        "prod",
        {"logs": {"mode": "distributed"}, "storage": {"kind": "local"}, "workloads": ONE},
        ["logs.mode", "storage.kind"],
    ),
    (
        "prod",
        {"storage": {"kind": "local"}, "workloads": ONE | {"loki": {"replicas": 2}}},
        ["storage.kind", "workloads.loki.replicas"],
    ),
    ("prod", {"workloads": {"loki": {"replicas": 2}}}, ["workloads.loki.replicas", "aws.logBucket"]),
    ("dev", {"workloads": {"grafana": {"replicas": 2}}}, ["workloads.grafana.replicas"]),
    ("dev", {"workloads": {"tempo": {"replicas": 2}}}, ["workloads.tempo.replicas"]),
    (
        "prod",
        {"notifications": {"pagerduty": {"url": "https://p.test:8443"}}, "access": {"notificationPorts": [443, 587]}},
        [
            "notifications.pagerduty",
            "notifications.pagerduty.url",
            "access",
            "access.notificationPorts",
            "access.notificationPorts.0",
        ],
    ),
    ("prod", {"platform": "other", "storage": {"createClass": False}}, ["platform", "aws"]),
    (
        "prod",
        {"aws": {"billing": False, "monthlyBudgetUsd": 100}},
        ["aws.billing", "aws.monthlyBudgetUsd", "aws"],
    ),
    ("dev", {"retention": {"metrics": "7d"}}, ["retention.metrics", "retention"]),
    ("dev", {"retention": {"logs": "36h"}}, ["retention.logs", "retention"]),
    ("dev", {"scrape": {"infrastructure": "1s"}}, ["scrape.infrastructure"]),
    ("dev", {"escalation": {"warningAfter": "26m"}}, ["escalation.warningAfter", "escalation"]),
    (
        "prod",
        {},
        [
            "notifications.unsetChannels",
            *(f"notifications.{channel}" for channel in ("slack", "pagerduty", "email", "heartbeat")),
        ],
    ),
]
"""Stacks whose settings may contradict each other, and the keys that are part of it."""

WRONG = [["?"]]
"""No setting can be this."""


def broken(document: Any, keys: list[str]) -> Any:
    first, *rest = keys
    if isinstance(document, list):
        return [WRONG if str(index) == first else item for index, item in enumerate(document)]
    document = document if isinstance(document, dict) else {}
    return {**document, first: broken(document.get(first), rest) if rest else WRONG}


def problems(document: Any, secrets: frozenset[str]) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        parse(document, Deployment("prod", secrets))
    return error.value.problems


@pytest.mark.parametrize("secrets", [frozenset(SECRET_KEYS), frozenset[str]()], ids=["secrets", "none"])
@pytest.mark.parametrize(
    ("stack", "change", "key"),
    [(stack, change, key) for stack, change, keys in CONFLICTS for key in keys],
)
def test_a_value_that_is_wrong_contradicts_no_other(
    stack: str, change: Tree, key: str, secrets: frozenset[str]
) -> None:
    document = broken(program.document(stack, change), key.split("."))
    called = ".".join(part for part in key.split(".") if not part.isdecimal())
    found = [each for each in problems(document, secrets) if "--secret" not in each and "every channel" not in each]
    assert [each.startswith((f"{KEY} {called}:", f"{KEY} {called}[")) for each in found] == [True], found
