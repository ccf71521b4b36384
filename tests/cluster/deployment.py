"""A stack on a real API server: the real CLI, the official Kubernetes provider with its Helm, a copy of the project.

AWS is the stand-in, whose objects tests/aws tries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from control_plane.plane import CONTEXT, ControlPlane
from engine.operations import Engine
from engine.toolchain import tool
from settings import KEY
from tests.sandbox import Edits, Life, Sandbox, digest
from verify import releases
from verify.objects import listing

MONITORING = "monitoring.coreos.com/v1"
KINDS = {
    "v1": ("ConfigMap", "Namespace", "PersistentVolume", "ResourceQuota", "LimitRange", "Secret", "Service"),
    "apps/v1": ("DaemonSet", "Deployment", "StatefulSet"),
    "batch/v1": ("Job",),
    "networking.k8s.io/v1": ("NetworkPolicy",),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding"),
    "scheduling.k8s.io/v1": ("PriorityClass",),
    "storage.k8s.io/v1": ("StorageClass",),
    MONITORING: ("Alertmanager", "PodMonitor", "Probe", "Prometheus", "PrometheusRule", "ServiceMonitor"),
}
"""What is looked at: the kinds of objects that the program deploys, and those of its charts that matter most."""
_OTHERS = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid")
"""Metadata that says when an object was made and changed, not what it says."""


@dataclass(frozen=True, kw_only=True)
class OnCluster(Sandbox):
    """A project whose stacks are deployed on a control plane."""

    plane: ControlPlane

    @property
    def engine(self) -> Engine:
        providers = {"kubernetes": tool("pulumi-resource-kubernetes")}
        return Engine(self.project, self.state, self.aside, kubeconfig=self.plane.kubeconfig, providers=providers)

    def objects(self) -> dict[str, str]:
        """What Pulumi and its Helm have made on the cluster, with uid and a digest of what it says; and AWS's."""
        with self.plane.client() as client:
            found = {key: f"{uid} {digest(json.dumps(said).encode())}" for key, uid, said in _objects(client)}
        return super().objects() | dict(sorted(found.items()))


class Direct:
    """The cluster as `verify` reads it, without a kubectl for each question."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str) -> Any:
        """The answer to GET `path`, from JSON."""
        return self._client.get(path).raise_for_status().json()


def _objects(client: httpx.Client) -> Iterator[tuple[str, str, Any]]:
    for version, kinds in KINDS.items():
        for kind in kinds:
            answer = client.get(listing(version, kind, ""))
            for item in answer.json()["items"] if answer.is_success else []:
                metadata = item["metadata"]
                if any(entry["manager"].startswith("pulumi") for entry in metadata.get("managedFields", [])):
                    yield f"{kind}/{metadata.get('namespace', '_')}/{metadata['name']}", metadata["uid"], _said(item)
    for record in releases.records(Direct(client)).values():
        yield f"Release/{record.status}/{record.name}", "-", [record.chart, record.values]


def _said(item: dict[str, Any]) -> dict[str, Any]:
    """An object without what the API server and the controllers add to it."""
    metadata = {key: value for key, value in item["metadata"].items() if key not in _OTHERS}
    metadata.get("annotations", {}).pop("deployment.kubernetes.io/revision", None)
    said = {key: value for key, value in item.items() if key != "status"} | {"metadata": metadata}
    said.get("spec", {}).pop("claimRef", None)  # a volume's, once it is claimed
    return said


def begin(root: Path, stack: str, plane: ControlPlane, charts: Path, edits: Edits) -> Life:
    """A copy of the project whose stack is to be deployed on a control plane, with its charts from a directory."""
    life = Life(OnCluster(root, plane=plane), stack, edits)
    life.sandbox.engine.configure(stack, f"{KEY}.kubeContext", CONTEXT, path=True)
    charts_from(life.sandbox, stack, charts)
    return life


def charts_from(sandbox: Sandbox, stack: str, directory: Path) -> None:
    """Have a stack take its charts from a directory."""
    for key, value in {"source": "directory", "location": str(directory)}.items():
        sandbox.engine.configure(stack, f"{KEY}.charts.{key}", value, path=True)
