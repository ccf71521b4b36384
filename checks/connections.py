"""Which connections a stack's network policies let through, judged by the engine of kube-network-policies.

A cluster is described by its pods alone. What enforces policies in a real one is its network's choice, and not tried.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.toolchain import tool
from facts import NAMESPACE
from local.errors import RehearsalError


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a connection begins or ends: a pod, or an address that no pod has."""

    name: str
    address: str
    namespace: str = ""
    """Of a pod; empty for an address that no pod has."""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    host_network: bool = False

    @property
    def pod(self) -> dict[str, Any]:
        """As Kubernetes has it."""
        return {
            "metadata": {"name": self.name, "namespace": self.namespace, "labels": dict(self.labels)},
            "spec": {"containers": [], "hostNetwork": self.host_network},
            "status": {"podIPs": [{"ip": self.address}]},
        }


@dataclass(frozen=True)
class Connection:
    """One that is tried."""

    source: Place
    target: Place
    port: int
    protocol: str = "TCP"


def admitted(
    policies: Mapping[str, Any], places: Iterable[Place], tried: Sequence[Connection], namespace: str = NAMESPACE
) -> list[Connection]:
    """Those of the connections that these policies of a namespace, by name, let through."""
    pods = [place.pod for place in places if place.namespace]
    names = sorted({namespace, *(pod["metadata"]["namespace"] for pod in pods)})
    document = {
        "namespaces": [{"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}} for name in names],
        "pods": pods,
        "policies": [{"metadata": {"name": name, "namespace": namespace}, "spec": policies[name]} for name in policies],
        "connections": [
            {"from": each.source.address, "to": each.target.address, "port": each.port, "protocol": each.protocol}
            for each in tried
        ],
    }
    done = subprocess.run(
        [tool("networkpolicies")], input=json.dumps(document), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RehearsalError(f"the policies could not be judged: {done.stderr.strip()}")
    return [each for each, verdict in zip(tried, json.loads(done.stdout), strict=True) if verdict]
