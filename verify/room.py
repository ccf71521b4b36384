"""Whether the nodes have room for a stack: what its pods request, placed as the scheduler would have to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import parts
from components import sizing
from facts import NAMESPACE
from quantities import mebibytes, millicores
from settings import Settings
from verify.cluster import Cluster
from verify.finding import Finding
from verify.objects import items

PODS = "/api/v1/pods?fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed"
NODES = "/api/v1/nodes"

_ALONE = frozenset({parts.PROMETHEUS.workload, parts.ALERTMANAGER.workload})
"""Those of whose replicas each needs a node of its own."""
_UNSET = {parts.OPERATOR.workload: sizing.OPERATOR, parts.KUBERNETES_EVENTS.workload: sizing.EVENTS}
"""Those that no setting sizes, and that are not small."""


@dataclass
class Room:
    """What of a node is not requested yet."""

    node: str
    cpu: int
    """Thousandths of a core."""
    memory: int
    """MiB."""
    pods: int
    holds: set[str] = field(default_factory=set)
    """Workloads that are placed here and want no second pod beside them."""

    def fits(self, wanted: Wanted) -> bool:
        """Whether a pod has room here."""
        enough = self.cpu >= wanted.cpu and self.memory >= wanted.memory and self.pods >= 1
        return enough and not (wanted.alone and wanted.workload in self.holds)

    def take(self, wanted: Wanted) -> None:
        """Place a pod here."""
        self.cpu, self.memory, self.pods = self.cpu - wanted.cpu, self.memory - wanted.memory, self.pods - 1
        self.holds.add(wanted.workload)


@dataclass(frozen=True)
class Wanted:
    """What one pod of a workload requests."""

    workload: str
    cpu: int
    memory: int
    alone: bool


def of_nodes(cluster: Cluster) -> list[Room]:
    """The nodes that take pods, without what is requested there. The monitoring's own pods do not count."""
    rooms = {item["metadata"]["name"]: _empty(item) for item in items(cluster, NODES) if _takes_pods(item)}
    for pod in items(cluster, PODS):
        room = rooms.get(pod["spec"].get("nodeName", ""))
        if room and pod["metadata"]["namespace"] != NAMESPACE:
            requested = [container.get("resources", {}).get("requests", {}) for container in pod["spec"]["containers"]]
            room.cpu -= sum(millicores(each.get("cpu", "0")) for each in requested)
            room.memory -= sum(mebibytes(each.get("memory", "0")) for each in requested)
            room.pods -= 1
    return list(rooms.values())


def _empty(item: Mapping[str, Any]) -> Room:
    offers = item["status"]["allocatable"]
    return Room(item["metadata"]["name"], millicores(offers["cpu"]), mebibytes(offers["memory"]), int(offers["pods"]))


def _takes_pods(item: Mapping[str, Any]) -> bool:
    """Whether a pod without tolerations may run there, which the node's agents need not heed."""
    spec = item.get("spec", {})
    kept_off = any(taint["effect"] != "PreferNoSchedule" for taint in spec.get("taints", []))
    return not spec.get("unschedulable") and not kept_off


def lacking(cluster: Cluster, settings: Settings) -> Iterator[Finding]:
    """The pods of the stack for which no node has room: those of each node first, then the largest."""
    rooms = of_nodes(cluster)
    remedy = "add nodes, take larger ones, or lower the stack's workloads; the limits are above the requests"
    if not rooms:
        yield Finding("no node takes pods", "kubectl get nodes: is each one cordoned or tainted?")
        return
    for part in parts.of_stack(settings):
        if part.kind == "DaemonSet":
            (wanted,) = _pods(part, settings)
            for room in rooms:
                if not room.fits(wanted):
                    yield Finding(f"{_told(wanted)} does not fit on {_free(room)}", remedy)
                room.take(wanted)
    others = [each for part in parts.of_stack(settings) if part.kind != "DaemonSet" for each in _pods(part, settings)]
    for wanted in sorted(others, key=lambda each: (-each.memory, -each.cpu)):
        fitting = [room for room in rooms if room.fits(wanted)]
        if fitting:
            max(fitting, key=lambda room: room.memory).take(wanted)
        else:
            beside = " without another of them" if wanted.alone else ""
            most = max(rooms, key=lambda room: (room.memory, room.cpu))
            yield Finding(f"{_told(wanted)} fits on no node{beside}; most free is {_free(most)}", remedy)


def _told(wanted: Wanted) -> str:
    return f"a pod of {wanted.workload}, which requests {wanted.cpu}m CPU and {wanted.memory}Mi,"


def _free(room: Room) -> str:
    return f"{room.node} with {max(room.cpu, 0)}m CPU, {max(room.memory, 0)}Mi and {max(room.pods, 0)} pods"


def _pods(part: parts.Part, settings: Settings) -> list[Wanted]:
    workload = getattr(settings.workloads, part.setting, None)
    requests = (sizing.of(workload) if workload else _UNSET.get(part.workload, sizing.SMALL))["requests"]
    wanted = Wanted(part.workload, millicores(requests["cpu"]), mebibytes(requests["memory"]), part.workload in _ALONE)
    return [wanted] * getattr(workload, "replicas", 1)
