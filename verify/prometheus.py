"""What Prometheus scrapes and evaluates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import parts
from facts import NAMESPACE
from verify.cluster import Cluster, behind_service
from verify.expectations import Expected
from verify.finding import Finding
from verify.kubernetes import MONITORING_API
from verify.objects import items, restore


def targets(cluster: Cluster, expected: Expected) -> list[Finding]:
    """Every target is up, and every job of the infrastructure has one."""
    active = _targets(cluster)
    down = [
        Finding(
            f"{target['labels'].get('job')}: {target['scrapeUrl']} is {target['health']}: {target['lastError']}",
            "read that address in Prometheus' own pod, by kubectl exec and wget; a network policy may be in the way",
        )
        for target in active
        if target["health"] != "up"
    ]
    missing = expected.jobs - {target["labels"].get("job") for target in active}
    return down + [
        Finding(
            f"nothing is scraped for the job {job}",
            "do its workload, its Service and its ServiceMonitor stand above? else: kubectl get endpointslices, events",
        )
        for job in sorted(missing)
    ]


def services(cluster: Cluster, expected: Expected) -> list[Finding]:
    """Every service of the catalogue is scraped and probed."""
    active = [target["labels"] for target in _targets(cluster)]
    scraped = {labels.get("job") for labels in active}
    probed = {labels.get("service") for labels in active if labels.get("job") == parts.PROBES_JOB}
    where = f"namespace {expected.catalogue.namespace}"
    unscraped = [
        Finding(
            f"{service.name} is not scraped",
            f"deploy it in {where}; its Service needs the labels app=order-processor and component={service.name}, "
            f"and a port named http",
        )
        for service in expected.catalogue.measured
        if service.name not in scraped
    ]
    return unscraped + [
        Finding(f"{service.name} is not probed", f"kubectl describe probe/{service.name}; the operator's log says more")
        for service in expected.catalogue.services
        if service.name not in probed
    ]


def rules(cluster: Cluster, expected: Expected) -> list[Finding]:
    """Prometheus runs the groups of the program and of other objects that it obeys, and can evaluate each rule.

    Groups are compared by their name and the names of their rules, because Prometheus rewrites expressions.
    """
    ours = _groups(each.fields for each in expected.of("PrometheusRule"))
    obeyed = {NAMESPACE, *expected.obeyed_namespaces}
    found = items(cluster, f"{MONITORING_API}/prometheusrules")
    objects = _groups(item for item in found if item["metadata"].get("namespace", NAMESPACE) in obeyed)
    groups = _prometheus(cluster, "api/v1/rules")["groups"]
    running = Counter(_group(group) for group in groups)
    see = "kubectl describe prometheus; the operator's log names the object it refuses"
    return [
        *(_not_loaded(group, objects, expected.stack, see) for group in (ours | objects) - running),
        *(
            Finding(f"the rule group {name} runs, but nothing has it now", see)
            for name, _ in running - (ours | objects)
        ),
        *(finding for group in groups for rule in group["rules"] for finding in _evaluation(group, rule)),
    ]


_Group = tuple[str, tuple[str, ...]]


def _not_loaded(group: _Group, objects: Counter[_Group], stack: str, see: str) -> Finding:
    return Finding(f"the rule group {group[0]} is not loaded", see if group in objects else restore(stack))


def _groups(objects: Iterable[Mapping[str, Any]]) -> Counter[_Group]:
    return Counter(_group(group) for item in objects for group in item["spec"].get("groups") or [])


def _group(group: Mapping[str, Any]) -> _Group:
    """Name of a group, and the names of its rules, which objects and Prometheus call differently."""
    names = [rule.get("alert") or rule.get("record") or rule.get("name") for rule in group.get("rules", [])]
    return group["name"], tuple(map(str, names))


def _evaluation(group: Mapping[str, Any], rule: Mapping[str, Any]) -> Iterator[Finding]:
    name = f"rule {rule['name']} of group {group['name']}"
    if rule["health"] == "err":
        yield Finding(
            f"{name} fails: {rule.get('lastError')}", "correct its expression; two series match where one must"
        )
    elif rule["health"] != "ok":
        yield Finding(f"{name} has not been evaluated yet", f"wait for its interval of {group.get('interval')} s")


def _prometheus(cluster: Cluster, path: str, parameters: Mapping[str, str] | None = None) -> Any:
    return cluster.get(behind_service(parts.PROMETHEUS.url, path, parameters))["data"]


def query(cluster: Cluster, promql: str) -> list[Any]:
    """The samples of an instant query."""
    result: list[Any] = _prometheus(cluster, "api/v1/query", {"query": promql})["result"]
    return result


def _targets(cluster: Cluster) -> list[Any]:
    active: list[Any] = _prometheus(cluster, "api/v1/targets", {"state": "active"})["activeTargets"]
    return active


def label_of(sample: Mapping[str, Any], label: str) -> str:
    """The value of a sample's label."""
    return str(sample["metric"].get(label))
