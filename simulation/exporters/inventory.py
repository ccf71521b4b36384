"""The invented cluster that the stand-in exporters describe: one node, its pods and its volumes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import parts
from facts import NAMESPACE

NODE = "rehearsal"
NODE_ADDRESS = "10.0.0.10"
CORES = 4
MIB = 2**20
GIB = 2**30
NODE_MEMORY_BYTES = 16 * GIB
NODE_DISK_BYTES = 80 * GIB

Condition = Literal["ready", "unready", "crashing"]


@dataclass(frozen=True)
class Pod:
    """A running pod with one container; CPU in cores, memory in bytes."""

    namespace: str
    workload: str
    kind: parts.Kind
    name: str
    container: str
    cpu_request: float
    cpu_limit: float
    memory_request: float
    memory_limit: float
    condition: Condition = "ready"
    """A pod that is not ready is one of a roll-out, beside the pod that is."""

    @property
    def uid(self) -> str:
        """The uid, the same for ever; the directories of the simulated services' logs carry it too."""
        return _uid(self.workload if self.condition == "ready" else self.name)

    @property
    def owner(self) -> tuple[str, str]:
        """Kind and name of the object that created the pod."""
        if self.kind == "Deployment":
            template = self.workload if self.condition == "ready" else f"{self.workload}, {self.condition}"
            return "ReplicaSet", f"{self.workload}-{_uid(template)[:8]}"
        return self.kind, self.workload

    @property
    def address(self) -> str:
        """An invented pod address."""
        return f"10.244.0.{2 + uuid.UUID(self.uid).int % 250}"


def _uid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name))


@dataclass(frozen=True)
class Volume:
    """A bound persistent volume claim."""

    namespace: str
    claim: str
    size_bytes: float
    used_share: float


_MEMORY_MIB = (
    (parts.PROMETHEUS, 2048),
    (parts.ALERTMANAGER, 256),
    (parts.OPERATOR, 256),
    (parts.KUBE_STATE_METRICS, 256),
    (parts.NODE_EXPORTER, 128),
    (parts.GRAFANA, 512),
    (parts.LOKI, 1024),
    (parts.LOG_AGENT, 512),
    (parts.KUBERNETES_EVENTS, 256),
    (parts.BLACKBOX_EXPORTER, 128),
    (parts.CLOUDWATCH_EXPORTER, 256),
)
"""The parts that have pods, and their memory limits; a request is half the limit."""

# claim, size in GiB, used share
_CLAIMS = (
    (f"{parts.PROMETHEUS.workload}-db-{parts.PROMETHEUS.pod}", 5, 0.42),
    (f"{parts.ALERTMANAGER.workload}-db-{parts.ALERTMANAGER.pod}", 1, 0.05),
    (f"storage-{parts.LOKI.pod}", 5, 0.31),
    (parts.GRAFANA.workload, 1, 0.12),
)
VOLUMES = tuple(Volume(NAMESPACE, claim, size * GIB, share) for claim, size, share in _CLAIMS)


def application_pods(namespace: str, services: Iterable[str]) -> tuple[Pod, ...]:
    """Return one pod per service, sized as the application's manifests size them (200m and 256Mi at most)."""
    return tuple(
        Pod(
            namespace=namespace,
            workload=service,
            kind="Deployment",
            name=f"{service}-rehearsal",
            container=service,
            cpu_request=0.1,
            cpu_limit=0.2,
            memory_request=128 * MIB,
            memory_limit=256 * MIB,
        )
        for service in services
    )


def rolled_out(pod: Pod, count: int, condition: Condition) -> tuple[Pod, ...]:
    """Return the pods of a roll-out of this pod's Deployment, which do not become ready."""
    return tuple(
        replace(pod, name=f"{pod.workload}-{condition}-{number}", condition=condition) for number in range(1, count + 1)
    )


def pod_of(part: parts.Part) -> str:
    """The name of the pod of a part of the monitoring."""
    return part.pod if part.kind == "StatefulSet" else f"{part.workload}-rehearsal"


def monitoring_pods() -> tuple[Pod, ...]:
    """Return the pods of the monitoring stack itself."""
    return tuple(
        Pod(
            namespace=NAMESPACE,
            workload=part.workload,
            kind=part.kind,
            name=pod_of(part),
            container=part.container,
            cpu_request=0.05,
            cpu_limit=0.5,
            memory_request=memory * MIB / 2,
            memory_limit=memory * MIB,
        )
        for part, memory in _MEMORY_MIB
    )
