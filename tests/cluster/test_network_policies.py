"""The pods that charts make are those that the network policies mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from facts import NAMESPACE
from tests.cluster.conftest import STACKS, Rendering
from tests.cluster.test_skeletons import Object, Render, matches
from tests.cluster.test_skeletons import render as render
from tests.contract.test_connections import LISTENS

POD_MAKERS = ("DaemonSet", "Deployment", "Job", "StatefulSet")


def pods(render: Render, stack: str) -> Iterator[tuple[str, Object]]:
    """Name and template of every pod in our namespace that has a network of its own."""
    for item in render(stack):
        if item["kind"] in POD_MAKERS and item["metadata"].get("namespace", NAMESPACE) == NAMESPACE:
            template = item["spec"]["template"]
            if not template["spec"].get("hostNetwork"):
                yield item["metadata"]["name"], template


@pytest.mark.parametrize("stack", STACKS)
def test_each_pod_has_the_policy_of_its_part_and_no_other(
    render: Render, stacks: dict[str, Rendering], stack: str
) -> None:
    policies = {item["metadata"]["name"]: item["spec"] for item in stacks[stack].of("NetworkPolicy")}
    found = set()
    for name, template in pods(render, stack):
        selecting = [
            policy
            for policy, spec in policies.items()
            if spec["podSelector"] and _selects(spec["podSelector"], template["metadata"]["labels"])
        ]
        assert len(selecting) == 1, (name, selecting)
        found |= set(selecting)
        declared = {port["containerPort"] for each in template["spec"]["containers"] for port in each.get("ports", [])}
        assert declared <= {*LISTENS.get(selecting[0], ())}, name
    made_otherwise = {"default-deny", "alertmanager", "prometheus", "route-sums"}  # by the operator, and by the program
    assert found == set(policies) - made_otherwise


def _selects(selector: Any, labels: Object) -> bool:
    among = [each for each in selector.get("matchExpressions", []) if each["operator"] == "In"]
    return matches(selector, labels) and all(labels.get(each["key"]) in each["values"] for each in among)
