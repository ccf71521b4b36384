"""What Kubernetes and the operator have made of the stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import parts
from facts import NAMESPACE
from verify import releases
from verify.cluster import Cluster, ClusterError, NotServedError
from verify.expectations import Expected
from verify.finding import Finding
from verify.objects import items, listing, restore

MONITORING_GROUP = "/apis/monitoring.coreos.com"
MONITORING_API = f"{MONITORING_GROUP}/v1"
DEFINITIONS = {
    "v1": (
        "alertmanagers",
        "podmonitors",
        "probes",
        "prometheuses",
        "prometheusrules",
        "servicemonitors",
        "thanosrulers",
    ),
    "v1alpha1": ("alertmanagerconfigs", "prometheusagents", "scrapeconfigs"),
}
"""The operator's resource definitions: their plural names by version."""
OPERATED = ("Prometheus", "Alertmanager")
"""The kinds that the operator makes workloads of."""


def definitions(cluster: Cluster, expected: Expected) -> list[Finding]:
    """The operator's resource definitions are served."""
    known = _records(cluster)
    undo = f"; if it changes nothing, {known[parts.CRDS].rollback}" if parts.CRDS in known else ""
    remedy = f"{restore(expected.stack)}{undo}"
    return [
        Finding(f"the resource definition {name}.monitoring.coreos.com is not served", remedy)
        for version, names in DEFINITIONS.items()
        for name in sorted(set(names) - _served(cluster, version))
    ]


def _served(cluster: Cluster, version: str) -> set[str]:
    try:
        return {resource["name"] for resource in cluster.get(f"{MONITORING_GROUP}/{version}")["resources"]}
    except NotServedError:
        return set()


def scale(cluster: Cluster, _: Expected) -> list[Finding]:
    """Every workload has the replicas that its chart, or the operator, gives it."""
    known = _records(cluster)
    rendered = {
        (each.kind, each.name): each.fields.get("spec", {}).get("replicas", 1)
        for record in known.values()
        for each in record.objects
    }
    owners = {(kind, item["metadata"]["name"]): _replicas(item) for kind in OPERATED for item in _listed(cluster, kind)}
    found = [
        finding
        for kind in ("Deployment", *OPERATED, "StatefulSet")
        for item in _listed(cluster, kind)
        for finding in _scaled(kind, item, _should(kind, item, rendered, owners))
    ]
    # Without the operator nothing else comes right, whatever is done about it.
    found.sort(key=lambda finding: f"/{parts.OPERATOR.workload} " not in finding.what)
    return found + [finding for item in _listed(cluster, "DaemonSet") for finding in _idle(item, known)]


def _records(cluster: Cluster) -> dict[str, releases.Record]:
    """Helm's records; none where they cannot be read, which the check of the releases tells."""
    try:
        return releases.records(cluster)
    except ClusterError:
        return {}


Replicas = Mapping[tuple[str, str], int]
"""By kind and name."""


def _should(kind: str, item: Mapping[str, Any], rendered: Replicas, owners: Replicas) -> int:
    """The replicas of a workload as its owner or its chart has them; where nobody knows, at least one of a release."""
    owner = next(iter(item["metadata"].get("ownerReferences", [])), None)
    least = max(_replicas(item), 1 if _release(item) else 0)
    if owner:
        return owners.get((owner["kind"], owner["name"]), least)
    return rendered.get((kind, item["metadata"]["name"]), least)


def _scaled(kind: str, item: Mapping[str, Any], should: int) -> Iterator[Finding]:
    name, replicas = item["metadata"]["name"], _replicas(item)
    if replicas == should:
        return
    workload = f"{kind.lower()}/{name}"
    effect = (
        ": nothing follows what is deployed any more, no rule, monitor or route"
        if name == parts.OPERATOR.workload
        else ""
    )
    command = f"kubectl scale {workload} --replicas={should}"
    if kind in OPERATED:  # where scale would change a Prometheus' shards
        command = f'kubectl patch {workload} --type merge --patch \'{{"spec":{{"replicas":{should}}}}}\''
    yield Finding(
        f"{workload} is scaled to {replicas}, not {should}{effect}",
        f"{command}; pulumi does not look into a release, neither up nor refresh does it",
    )


def _idle(item: Mapping[str, Any], known: Mapping[str, releases.Record]) -> Iterator[Finding]:
    if item.get("status", {}).get("desiredNumberScheduled"):
        return
    name, release = item["metadata"]["name"], _release(item) or ""
    undo = f"; {known[release].rollback} undoes what was changed by hand" if release in known else ""
    yield Finding(f"daemonset/{name} runs on no node", f"do its nodeSelector and tolerations admit one?{undo}")


def _listed(cluster: Cluster, kind: str) -> list[Any]:
    return items(cluster, listing("monitoring.coreos.com/v1" if kind in OPERATED else "apps/v1", kind, NAMESPACE))


def _replicas(item: Mapping[str, Any]) -> int:
    return int(item.get("spec", {}).get("replicas", 1))


def _release(item: Mapping[str, Any]) -> str | None:
    """The Helm release that an object belongs to."""
    name: str | None = item["metadata"].get("annotations", {}).get("meta.helm.sh/release-name")
    return name


def conditions(cluster: Cluster, _: Expected) -> list[Finding]:
    """The operator made Prometheus and Alertmanager of their objects' newest version, and all replicas run."""
    return [finding for kind in OPERATED for finding in _conditions_of(kind.lower(), _listed(cluster, kind))]


def _conditions_of(kind: str, objects: list[Any]) -> Iterator[Finding]:
    if not objects:
        yield Finding(f"there is no {kind}", "the check of the charts says how to bring it back")
    for item in objects:
        name, generation = f"{kind}/{item['metadata']['name']}", item["metadata"].get("generation")
        said = f"kubectl describe {name}; kubectl logs deployment/{parts.OPERATOR.workload} says more"
        for type_ in ("Reconciled", "Available"):
            condition = _condition(item, type_)
            status = condition.get("status", "missing: the operator has not seen the object")
            message = condition.get("message", "no message")
            if status != "True":
                yield Finding(f"{name} is not {type_} ({status}): {message}", said)
            elif condition.get("observedGeneration", generation) != generation:
                yield Finding(f"{name} is {type_}, but an older version of it", said)


def workloads(cluster: Cluster, _: Expected) -> list[Finding]:
    """All pods of all workloads are new and ready."""
    return [
        finding
        for kind in ("Deployment", "StatefulSet", "DaemonSet")
        for item in _listed(cluster, kind)
        for finding in _rollout(kind.lower(), item)
    ]


def _rollout(kind: str, item: Mapping[str, Any]) -> Iterator[Finding]:
    status, name = item.get("status", {}), item["metadata"]["name"]
    if kind == "daemonset":
        wanted = status.get("desiredNumberScheduled", 0)
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)
    else:
        wanted = _replicas(item)
        updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    observed = status.get("observedGeneration") == item["metadata"].get("generation")
    if not observed or updated != wanted or ready != wanted:
        yield Finding(
            f"{kind}/{name}: {ready} of {wanted} pods are ready, {updated} are of the newest version",
            f"kubectl describe {kind}/{name}; the check of the pods names the cause",
        )


def pods(cluster: Cluster, _: Expected) -> list[Finding]:
    """No pod waits for an image, a node or a restart."""
    listed = items(cluster, listing("v1", "Pod", NAMESPACE))
    return [finding for pod in listed if pod["status"].get("phase") != "Succeeded" for finding in _troubles(pod)]


def _troubles(pod: Mapping[str, Any]) -> Iterator[Finding]:
    name, status = pod["metadata"]["name"], pod["status"]
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False":
        yield Finding(
            f"pod {name} has no node: {scheduled.get('message')}", "add nodes, or lower the stack's workloads"
        )
    for container in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") not in (None, "PodInitializing", "ContainerCreating"):
            yield Finding(
                f"pod {name}, container {container['name']}: {waiting['reason']}: {waiting.get('message', '')}",
                f"kubectl logs {name} --container {container['name']} --previous",
            )


def _condition(item: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """The condition of this type in an object's status; empty if it is not there."""
    listed: list[Mapping[str, Any]] = item.get("status", {}).get("conditions", [])
    return next((condition for condition in listed if condition["type"] == type_), {})
