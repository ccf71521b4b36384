"""What is left while a node is drained: the real scheduler places replicas, and the API server asks their budgets; and
what the real operator does with them when a volume is to grow.

Three zones with two nodes each. Those of the first zone are empty and those of the others half full, so that a
scheduler which is told nothing of zones has reason to put every replica there. A volume does not hold its pod in its
zone here, as one of Amazon EBS would.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import parts
from checks.waiting import eventually
from control_plane import nodes
from control_plane.network import PodNetwork
from control_plane.plane import ControlPlane, KubectlError
from facts import NAMESPACE
from tests.cluster import operator
from tests.cluster.conftest import NODES, Rendering, apply_definitions
from tests.cluster.test_access import placed
from tests.cluster.test_skeletons import Render, of
from tests.cluster.test_skeletons import render as render

REPLICAS = {parts.PROMETHEUS: 2, parts.ALERTMANAGER: 3, parts.ROUTE_SUMS: 2}
OURS = ("PriorityClass", "StorageClass", "Secret", "Deployment", "PodDisruptionBudget")
KINDS = ("ServiceAccount", "PodDisruptionBudget", "Prometheus", "Alertmanager")
"""Of the charts."""
FULL = {"cpu": "2", "memory": "8Gi"}
"""Half of a node."""
REFUSED = 429


@pytest.fixture(scope="module", autouse=True)
def deployed(
    plane: ControlPlane,
    network: PodNetwork | None,
    definitions: list[Path],
    stacks: dict[str, Rendering],
    render: Render,
) -> Iterator[None]:
    """Prometheus, Alertmanager and what adds up routes as production has them, all of them ready, on six nodes."""
    if network is None:
        pytest.skip("the operator's webhook needs a network namespace")
    more = range(NODES, 2 * NODES)
    plane.apply(*(nodes.node(number, network.nodes[number + 16]) for number in more))
    apply_definitions(plane, definitions)
    plane.apply(*stacks["prod"].of("Namespace"))
    account = ("get", "serviceaccount/default", f"--namespace={NAMESPACE}", "--ignore-not-found", "--output=name")
    eventually(lambda: plane.kubectl(*account), what="no service account is made")
    fillers = [filler(number) for number in range(2 * NODES) if number % 3]
    plane.apply(*fillers)
    eventually(lambda: len(ready(plane, {"app": "filler"})) == len(fillers), what="the nodes are not half full")
    operator.start(plane, network)
    rendering = stacks["prod"]
    plane.apply(*(item for kind in OURS for item in rendering.of(kind)))
    plane.apply(*(item for kind in KINDS for item in placed(of(kind, render("prod")))))
    for part, count in REPLICAS.items():
        eventually(lambda: len(ready(plane, part.labels)) == count, what=f"{part.workload} is not ready")  # noqa: B023
    yield
    plane.children.stop(operator.PROCESS)
    plane.clear()  # what is on a node that is gone has nothing to end it
    plane.kubectl("delete", "node", *(f"node-{number}" for number in more))


def filler(number: int) -> dict[str, Any]:
    """A pod that takes half of a node."""
    name = f"filler-{number}"
    container = {"name": name, "image": "example.com/image", "resources": {"requests": FULL, "limits": FULL}}
    spec = {"containers": [container], "nodeSelector": {"kubernetes.io/hostname": f"node-{number}"}}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": "filler"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def ready(plane: ControlPlane, labels: Mapping[str, str]) -> dict[str, str]:
    """The nodes of the pods that are ready, by pod."""
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    found = plane.kubectl("get", "pods", f"--namespace={NAMESPACE}", f"--selector={selector}", "--output=json")
    return {
        pod["metadata"]["name"]: pod["spec"]["nodeName"]
        for pod in json.loads(found)["items"]
        if "deletionTimestamp" not in pod["metadata"]
        for condition in pod["status"].get("conditions", [])
        if (condition["type"], condition["status"]) == ("Ready", "True")
    }


def zone(node: str) -> int:
    return int(node.removeprefix("node-")) % 3


def evicted(plane: ControlPlane, pod: str) -> int:
    """The API server's answer to what a drain asks of it for each pod."""
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}
    with plane.client() as client:
        return client.post(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction", json=body).status_code


@pytest.mark.parametrize("part", REPLICAS, ids=lambda part: part.container)
def test_each_replica_is_in_a_zone_of_its_own(plane: ControlPlane, part: parts.Part) -> None:
    assert len(set(map(zone, ready(plane, part.labels).values()))) == REPLICAS[part]


@pytest.mark.parametrize("part", REPLICAS, ids=lambda part: part.container)
def test_of_replicas_whose_nodes_are_drained_one_is_away_at_a_time(plane: ControlPlane, part: parts.Part) -> None:
    first, second, *_ = before = ready(plane, part.labels)
    try:
        # Nowhere to go: the pod that is evicted first stays away.
        plane.kubectl("cordon", *(f"node-{number}" for number in range(2 * NODES)))
        assert evicted(plane, first) < REFUSED
        eventually(lambda: first not in ready(plane, part.labels), what="the pod is not evicted")
        assert evicted(plane, second) == REFUSED
        assert ready(plane, part.labels).keys() == before.keys() - {first}
    finally:
        plane.kubectl("uncordon", *(f"node-{number}" for number in range(2 * NODES)))
    eventually(lambda: len(ready(plane, part.labels)) == len(before), what="the pod has not come back")
    assert evicted(plane, second) < REFUSED
    eventually(lambda: len(ready(plane, part.labels)) == len(before), what="the next has not come back")


def test_a_roll_out_needs_no_more_nodes_than_there_are_replicas(plane: ControlPlane) -> None:
    part = parts.ROUTE_SUMS
    before = ready(plane, part.labels)
    others = {f"node-{number}" for number in range(2 * NODES)} - set(before.values())
    workload = (f"deployment/{part.workload}", f"--namespace={NAMESPACE}")
    plane.kubectl("cordon", *others)
    try:
        plane.kubectl("rollout", "restart", *workload)
        plane.kubectl("rollout", "status", *workload, "--timeout=60s")
    finally:
        plane.kubectl("uncordon", *others)
    assert not before.keys() & ready(plane, part.labels).keys()


def test_the_operator_makes_every_pod_again_for_a_larger_volume_and_the_claims_grow_by_themselves(
    plane: ControlPlane,
) -> None:
    """What docs/deploying.md says of volumes. No part of Kubernetes makes a claim smaller."""
    part = parts.PROMETHEUS
    before = made(plane, "statefulset", part), *(made(plane, "pod", part, index) for index in (0, 1))
    claim = f"prometheus-{part.service}-db-{part.pod}"
    larger = {"resources": {"requests": {"storage": "200Gi"}}}
    changed = {"spec": {"storage": {"volumeClaimTemplate": {"spec": larger}}}}
    patch(plane, f"prometheus/{part.service}", changed)
    eventually(lambda: made(plane, "statefulset", part) not in ("", before[0]), what="the StatefulSet is the same")
    eventually(lambda: len(ready(plane, part.labels)) == REPLICAS[part], what="the pods are not back")
    after = made(plane, "statefulset", part), *(made(plane, "pod", part, index) for index in (0, 1))
    assert not {*before} & {*after}
    assert size(plane, claim) == "50Gi"
    patch(plane, f"persistentvolumeclaim/{claim}", {"spec": larger})
    assert size(plane, claim) == "200Gi"
    with pytest.raises(KubectlError, match="can not be less than"):
        patch(plane, f"persistentvolumeclaim/{claim}", {"spec": {"resources": {"requests": {"storage": "20Gi"}}}})


def made(plane: ControlPlane, kind: str, part: parts.Part, index: int | None = None) -> str:
    """What distinguishes an object of a part from the next one of its name; empty while there is none."""
    name = part.workload if index is None else f"{part.workload}-{index}"
    path = "--output=jsonpath={.metadata.uid}"
    return plane.kubectl("get", f"{kind}/{name}", f"--namespace={NAMESPACE}", "--ignore-not-found", path)


def size(plane: ControlPlane, claim: str) -> str:
    """What a claim asks for."""
    path = "--output=jsonpath={.spec.resources.requests.storage}"
    return plane.kubectl("get", f"persistentvolumeclaim/{claim}", f"--namespace={NAMESPACE}", path)


def patch(plane: ControlPlane, item: str, change: Mapping[str, Any]) -> None:
    plane.kubectl("patch", item, f"--namespace={NAMESPACE}", "--type=merge", f"--patch={json.dumps(change)}")
