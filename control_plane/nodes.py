"""The simulated nodes, and volumes for the claims of pods on them.

What happens to nodes and pods is kwok's own description of it; only a provisioner for volumes of Amazon EBS is ours.
"""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from engine.toolchain import tool

_STAGES = ("node-initialize", "pod-ready", "pod-complete", "pod-delete")
_VOLUMES = Path(__file__).with_name("volumes.yaml")
_SIZE = {"cpu": "4", "memory": "16Gi", "pods": "110"}
"""What a node offers: the size of a common machine for nodes, so that what does not fit is not scheduled."""


def stages() -> list[Path]:
    """Files that say what kwok does with nodes and pods: ready at once, jobs complete, what is deleted goes."""
    return [tool("kwok").with_name(f"{stage}.yaml") for stage in _STAGES] + [_VOLUMES]


def node(number: int, address: IPv4Address) -> dict[str, Any]:
    """One node, in an availability zone of its own."""
    name = f"node-{number}"
    labels = {
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "topology.kubernetes.io/region": "us-west-2",
        "topology.kubernetes.io/zone": f"us-west-2{'abc'[number % 3]}",
    }
    addresses = [{"type": "InternalIP", "address": str(address)}, {"type": "Hostname", "address": name}]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {"addresses": addresses, "allocatable": _SIZE, "capacity": _SIZE},
    }
