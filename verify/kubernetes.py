"""What Kubernetes and the operator have made of the stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from verify.cluster import Cluster
from verify.expectations import Expected
from verify.finding import Finding

MONITORING_API = "/apis/monitoring.coreos.com/v1"
DEFINITIONS = (
    "alertmanagerconfigs",
    "alertmanagers",
    "podmonitors",
    "probes",
    "prometheusagents",
    "prometheuses",
    "prometheusrules",
    "scrapeconfigs",
    "servicemonitors",
    "thanosrulers",
)
"""The operator's resource definitions, by their plural names."""


def definitions(cluster: Cluster, _: Expected) -> list[Finding]:
    """The operator's resource definitions are served."""
    listed = cluster.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
    served = {item["metadata"]["name"] for item in listed if _condition(item, "Established").get("status") == "True"}
    wanted = [f"{name}.monitoring.coreos.com" for name in DEFINITIONS]
    return [
        Finding(
            f"the resource definition {name} is not served", "run pulumi up; the release is prometheus-operator-crds"
        )
        for name in wanted
        if name not in served
    ]


def conditions(cluster: Cluster, expected: Expected) -> list[Finding]:
    """The operator made Prometheus and Alertmanager of their objects' newest version, and all replicas run."""
    return [
        finding
        for kind in ("prometheuses", "alertmanagers")
        for finding in _conditions_of(kind, items(cluster, f"{MONITORING_API}/namespaces/{expected.namespace}/{kind}"))
    ]


def _conditions_of(kind: str, objects: list[Any]) -> Iterator[Finding]:
    if not objects:
        yield Finding(f"there are no {kind}", "run pulumi up; the release is kube-prometheus-stack")
    for item in objects:
        name, generation = f"{kind}/{item['metadata']['name']}", item["metadata"].get("generation")
        look = f"kubectl describe {name}; the operator's log says more"
        for type_ in ("Reconciled", "Available"):
            condition = _condition(item, type_)
            status = condition.get("status", "missing: the operator has not seen the object")
            if status != "True":
                yield Finding(f"{name} is not {type_} ({status}): {condition.get('message', 'no message')}", look)
            elif condition.get("observedGeneration", generation) != generation:
                yield Finding(f"{name} is {type_}, but an older version of it", look)


def workloads(cluster: Cluster, expected: Expected) -> list[Finding]:
    """Every release has its workloads, and all their pods are new and ready."""
    prefix = f"/apis/apps/v1/namespaces/{expected.namespace}"
    found = {kind: items(cluster, f"{prefix}/{kind}") for kind in ("deployments", "statefulsets", "daemonsets")}
    present = {
        item["metadata"].get("annotations", {}).get("meta.helm.sh/release-name")
        for listed in found.values()
        for item in listed
    }
    missing = [
        Finding(f"the release {release} has no workload", "run pulumi up; helm list shows the releases")
        for release in sorted(expected.releases - present)
    ]
    return missing + [finding for kind, listed in found.items() for item in listed for finding in _rollout(kind, item)]


def _rollout(kind: str, item: Mapping[str, Any]) -> Iterator[Finding]:
    status, name = item.get("status", {}), item["metadata"]["name"]
    if kind == "daemonsets":
        wanted = status.get("desiredNumberScheduled", 0)
        updated, ready = status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)
    else:
        wanted = item["spec"].get("replicas", 1)
        updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    observed = status.get("observedGeneration") == item["metadata"].get("generation")
    if not observed or updated != wanted or ready != wanted:
        yield Finding(
            f"{kind}/{name}: {ready} of {wanted} pods are ready, {updated} are of the newest version",
            f"kubectl describe {kind}/{name}; the check of the pods names the cause",
        )


def pods(cluster: Cluster, expected: Expected) -> list[Finding]:
    """No pod waits for an image, a node or a restart."""
    listed = items(cluster, f"/api/v1/namespaces/{expected.namespace}/pods")
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


def items(cluster: Cluster, path: str) -> list[Any]:
    """The objects that the API lists at a path."""
    listed: list[Any] = cluster.get(path)["items"]
    return listed


def _condition(item: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    """The condition of this type in an object's status; empty if it is not there."""
    listed: list[Mapping[str, Any]] = item.get("status", {}).get("conditions", [])
    return next((condition for condition in listed if condition["type"] == type_), {})
