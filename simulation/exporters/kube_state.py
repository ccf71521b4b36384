"""Stand-in for kube-state-metrics: its names, types and labels for one node, healthy pods and their workloads.

The objects are invented from the service catalogue; nothing is read from a cluster. It proves that rules and panels
find the series of a real kube-state-metrics, not that a real cluster is in this state.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import parts
from simulation.exporters.exposition import Family, Kind, Sample
from simulation.exporters.inventory import (
    CORES,
    NODE,
    NODE_ADDRESS,
    NODE_DISK_BYTES,
    NODE_MEMORY_BYTES,
    Pod,
)
from simulation.exporters.shapes import EPOCH

_POD = ("namespace", "pod", "uid")
_CONTAINER = (*_POD, "container")
_PHASES = ("Pending", "Succeeded", "Failed", "Unknown", "Running")
_NODE_CONDITIONS = ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
_STATUSES = ("true", "false", "unknown")
_ROOM = (
    ("cpu", "core", CORES),
    ("memory", "byte", NODE_MEMORY_BYTES),
    ("ephemeral_storage", "byte", NODE_DISK_BYTES),
    ("pods", "integer", 110),
)

# Families with one sample per container: name, kind, help, value.
_CONTAINER_STATES: tuple[tuple[str, Kind, str, float], ...] = (
    ("status_waiting", "gauge", "Describes whether the container is currently in waiting state.", 0),
    ("status_restarts_total", "counter", "The number of container restarts per container.", 0),
)

_LAST_TERMINATED = "kube_pod_container_status_last_terminated"
"""Families of containers that ended, with samples of crashing ones; a drill can set others."""

_BACK_OFF = 300
"""Seconds after which a container that keeps crashing is started again."""

# Per kind of workload: label, and families that count its pods.
_WORKLOADS: dict[parts.Kind, tuple[str, tuple[str, ...]]] = {
    "Deployment": (
        "deployment",
        ("spec_replicas", "status_replicas", "status_replicas_ready", "status_replicas_updated"),
    ),
    "StatefulSet": ("statefulset", ("replicas", "status_replicas_ready", "status_replicas_updated")),
    "DaemonSet": (
        "daemonset",
        ("status_desired_number_scheduled", "status_number_ready", "status_updated_number_scheduled"),
    ),
}


def families(now: float, pods: tuple[Pod, ...]) -> Iterator[Family]:
    """Return what a scrape at Unix time `now` sees of these pods; only crashing ones change with time."""
    yield from _pod_families(pods)
    yield from _container_families(now, pods)
    yield from _workload_families(pods)
    yield from _node_families()


def _pod(pod: Pod) -> tuple[str, ...]:
    return pod.namespace, pod.name, pod.uid


def _container(pod: Pod) -> tuple[str, ...]:
    return (*_pod(pod), pod.container)


def _pod_families(pods: tuple[Pod, ...]) -> Iterator[Family]:
    yield Family(
        "kube_pod_info",
        "gauge",
        "Information about pod.",
        (
            *_POD,
            "host_ip",
            "pod_ip",
            "node",
            "created_by_kind",
            "created_by_name",
            "priority_class",
            "host_network",
        ),
        tuple(((*_pod(pod), NODE_ADDRESS, pod.address, NODE, *pod.owner, "", "false"), 1) for pod in pods),
    )
    deployed = [pod for pod in pods if pod.kind == "Deployment"]
    yield Family(
        "kube_replicaset_owner",
        "gauge",
        "Information about the ReplicaSet's owner.",
        ("namespace", "replicaset", "owner_kind", "owner_name", "owner_is_controller"),
        _once(((pod.namespace, pod.owner[1], "Deployment", pod.workload, "true"), 1) for pod in deployed),
    )
    yield Family(
        "kube_replicaset_created",
        "gauge",
        "Unix creation timestamp",
        ("namespace", "replicaset"),
        _once(((pod.namespace, pod.owner[1]), EPOCH) for pod in deployed),
    )
    yield Family(
        "kube_pod_status_phase",
        "gauge",
        "The pods current phase.",
        (*_POD, "phase"),
        tuple(((*_pod(pod), phase), float(phase == "Running")) for pod in pods for phase in _PHASES),
    )
    for name, text, true in (
        ("ready", "Describes whether the pod is ready to serve requests.", lambda pod: pod.condition == "ready"),
        ("scheduled", "Describes the status of the scheduling process for the pod.", lambda _: True),
    ):
        samples = tuple(
            ((*_pod(pod), status), float(status == ("true" if true(pod) else "false")))
            for pod in pods
            for status in _STATUSES
        )
        yield Family(f"kube_pod_status_{name}", "gauge", text, (*_POD, "condition"), samples)


def _container_families(now: float, pods: tuple[Pod, ...]) -> Iterator[Family]:
    for name, kind, text, value in _CONTAINER_STATES:
        samples = tuple((_container(pod), value) for pod in pods)
        yield Family(f"kube_pod_container_{name}", kind, text, _CONTAINER, samples)
    text = "Describes the reason the container is currently in waiting state."
    crashing = [pod for pod in pods if pod.condition == "crashing"]
    waiting = tuple(((*_container(pod), "CrashLoopBackOff"), 1.0) for pod in crashing)
    yield Family("kube_pod_container_status_waiting_reason", "gauge", text, (*_CONTAINER, "reason"), waiting)
    ended = tuple(((*_container(pod), "Error"), 1.0) for pod in crashing)
    text = "Describes the last reason the container was in terminated state."
    yield Family(f"{_LAST_TERMINATED}_reason", "gauge", text, (*_CONTAINER, "reason"), ended)
    since = tuple((_container(pod), now // _BACK_OFF * _BACK_OFF) for pod in crashing)
    text = "Last terminated time for a pod container in unix timestamp."
    yield Family(f"{_LAST_TERMINATED}_timestamp", "gauge", text, _CONTAINER, since)
    yield _resources(
        "requests",
        "The number of requested request resource by a container.",
        pods,
        lambda pod: (pod.cpu_request, pod.memory_request),
    )
    yield _resources(
        "limits",
        "The number of requested limit resource by a container.",
        pods,
        lambda pod: (pod.cpu_limit, pod.memory_limit),
    )


def _resources(name: str, text: str, pods: Iterable[Pod], amounts: Callable[[Pod], tuple[float, float]]) -> Family:
    labels = (*_CONTAINER, "node", "resource", "unit")
    samples: list[Sample] = []
    for pod in pods:
        cpu, memory = amounts(pod)
        samples.append(((*_container(pod), NODE, "cpu", "core"), cpu))
        samples.append(((*_container(pod), NODE, "memory", "byte"), memory))
    return Family(f"kube_pod_container_resource_{name}", "gauge", text, labels, tuple(samples))


def _workload_families(pods: tuple[Pod, ...]) -> Iterator[Family]:
    for kind, (label, counts) in _WORKLOADS.items():
        samples = _once(((pod.namespace, pod.workload), 1.0) for pod in pods if pod.kind == kind)
        for name in counts:
            text = f"The {name.replace('_', ' ')} per {label}."
            yield Family(f"kube_{label}_{name}", "gauge", text, ("namespace", label), samples)


def _once(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Return the samples of objects that several pods belong to."""
    return tuple(dict(samples).items())


def _node_families() -> Iterator[Family]:
    yield Family(
        "kube_node_status_condition",
        "gauge",
        "The condition of a cluster node.",
        ("node", "condition", "status"),
        tuple(
            ((NODE, condition, status), float(status == ("true" if condition == "Ready" else "false")))
            for condition in _NODE_CONDITIONS
            for status in _STATUSES
        ),
    )
    yield Family(
        "kube_node_status_allocatable",
        "gauge",
        "The allocatable for different resources of a node that are available for scheduling.",
        ("node", "resource", "unit"),
        tuple(((NODE, resource, unit), amount) for resource, unit, amount in _ROOM),
    )
