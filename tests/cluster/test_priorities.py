"""Who gets a place on a full node, as the scheduler decides it by the stack's priority classes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from checks.waiting import eventually
from components.priorities import ALERTING, NODE_AGENT
from control_plane.plane import ControlPlane
from facts import NAMESPACE
from tests.cluster.conftest import Rendering

NODE = "node-0"
TENANT = "tenant"
"""A pod without a priority, such as the application's, which requests nearly all of the node."""


@pytest.fixture(autouse=True)
def full(plane: ControlPlane, stacks: dict[str, Rendering]) -> None:
    """The namespace with its quota and the classes, and a node on which nothing else has room."""
    kinds = ("Namespace", "ResourceQuota", "PriorityClass")
    plane.apply(*(item for kind in kinds for item in stacks["prod"].of(kind)))
    account = ("get", "serviceaccount/default", f"--namespace={NAMESPACE}", "--ignore-not-found", "--output=name")
    eventually(lambda: plane.kubectl(*account), what="no service account is made")
    plane.kubectl("delete", "pod", "--all", f"--namespace={NAMESPACE}", "--wait=true")
    plane.apply(pod(TENANT, None))
    eventually(lambda: scheduled(plane, TENANT) == "True", what="the node is not full")


def pod(name: str, priority: str | None) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "containers": [
            {"name": name, "image": "example.com/image", "resources": {"requests": {"cpu": "3500m", "memory": "1Gi"}}}
        ],
        "nodeSelector": {"kubernetes.io/hostname": NODE},
    }
    if priority:
        spec["priorityClassName"] = priority
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": NAMESPACE}, "spec": spec}


def scheduled(plane: ControlPlane, name: str) -> str | None:
    """The status of the pod's condition PodScheduled; None while there is no such pod, or no word of it."""
    found = plane.kubectl("get", "pod", name, f"--namespace={NAMESPACE}", "--ignore-not-found", "--output=json")
    conditions = json.loads(found or "{}").get("status", {}).get("conditions", [])
    return next((item["status"] for item in conditions if item["type"] == "PodScheduled"), None)


def test_another_pod_makes_room_for_an_agent_of_the_node(plane: ControlPlane) -> None:
    plane.apply(pod("agent", NODE_AGENT))
    eventually(lambda: scheduled(plane, "agent") == "True", what="the agent has no place")
    assert scheduled(plane, TENANT) is None


def test_no_pod_ends_for_what_watches_it(plane: ControlPlane) -> None:
    plane.apply(pod("watching", ALERTING))
    eventually(lambda: scheduled(plane, "watching") == "False", what="the scheduler has not tried")
    assert scheduled(plane, TENANT) == "True"
