"""What the namespace allows, as admission enforces it: pod security, the quota, the limits of containers."""

from __future__ import annotations

from typing import Any

import pytest

from checks.waiting import eventually
from control_plane.plane import ControlPlane, KubectlError
from facts import NAMESPACE
from tests.cluster.conftest import Rendering


@pytest.fixture(scope="module", autouse=True)
def bounded(plane: ControlPlane, stacks: dict[str, Rendering]) -> None:
    """The namespace with its bounds in force, and others that are as strict as a pod can be held to."""
    plane.apply(*(item for kind in ("Namespace", "ResourceQuota", "LimitRange") for item in stacks["prod"].of(kind)))
    quota = ("get", "resourcequota", f"--namespace={NAMESPACE}", "--output=jsonpath={.items[*].status.hard}")
    eventually(lambda: plane.kubectl(*quota), 30, "the quota is not in force")
    eventually(lambda: plane.kubectl("get", "serviceaccount", f"--namespace={NAMESPACE}", "--output=name"), 30)


def pod(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "pod", "namespace": NAMESPACE},
        "spec": {"containers": [{"name": "container", "image": "example.com/image"}], **spec},
    }


def service(kind: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "exposed", "namespace": NAMESPACE},
        "spec": {"type": kind, "ports": [{"port": 80}]},
    }


def claim(number: int) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": f"claim-{number}", "namespace": NAMESPACE},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }


def test_a_pod_that_reads_its_node_is_admitted_with_a_warning(plane: ControlPlane) -> None:
    with plane.client() as client:
        answer = client.post(
            f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", json=pod(hostNetwork=True, hostPID=True)
        )
    assert answer.status_code == 201, answer.text
    assert 'would violate PodSecurity \\"baseline' in answer.headers["Warning"]


def test_a_container_without_resources_gets_those_of_the_namespace(plane: ControlPlane) -> None:
    with plane.client() as client:
        answer = client.post(f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", json=pod())
    assert answer.json()["spec"]["containers"][0]["resources"] == {
        "requests": {"cpu": "10m", "memory": "32Mi"},
        "limits": {"cpu": "500m", "memory": "256Mi"},
    }


@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_nothing_is_exposed_by_accident(plane: ControlPlane, kind: str) -> None:
    with pytest.raises(KubectlError, match="exceeded quota: bounds"):
        plane.apply(service(kind), dry_run=True)


def test_claims_without_end_are_refused(plane: ControlPlane) -> None:
    plane.apply(*map(claim, range(30)))
    with pytest.raises(KubectlError, match="exceeded quota: bounds, requested: persistentvolumeclaims=1"):
        plane.apply(claim(30))
