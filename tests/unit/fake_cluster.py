"""A cluster on which the dev stack works, as answers to the paths that `verify` asks, and ways to break it.

The program's objects are those that the program registers, completed as an API server does. Of the charts there are a
few objects, in Helm's records as Helm keeps them. It shows nothing about kubectl or an API server.
"""

from __future__ import annotations

import base64
import copy
import gzip
import json
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import yaml

import parts
from components.alerting.component import CONFIGURATION_KEY, CONFIGURATION_SECRET
from facts import NAMESPACE
from verify.cluster import ClusterError, behind_service
from verify.expectations import Expected, expectations
from verify.kubernetes import DEFINITIONS, MONITORING_API, MONITORING_GROUP
from verify.objects import Object, listing
from verify.releases import RECORDS, Release

Answers = dict[str, Any]
Defect = Callable[[Answers], None]

STACK = "kube-prometheus-stack"
OPERATOR = f"{STACK}-operator"
APPS, CUSTOM = "apps/v1", "monitoring.coreos.com/v1"


class FakeCluster:
    """Answers what it was given; an error where that is one. It counts what it is asked."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def get(self, path: str) -> Any:
        self.asked.append(path)
        answer = self.answers.get(path, ClusterError(f"GET {path}: not found"))
        if isinstance(answer, ClusterError):
            raise answer
        return answer

    def close(self) -> None:
        """Nothing is open."""


def prometheus(path: str, **parameters: str) -> str:
    return behind_service(parts.PROMETHEUS.url, f"api/v1/{path}", parameters)


def query(promql: str) -> str:
    return prometheus("query", query=promql)


def samples(*values: float, **labels: str) -> Any:
    return {"data": {"resultType": "vector", "result": [{"metric": labels, "value": [0, str(v)]} for v in values]}}


TARGETS = prometheus("targets", state="active")
RULES = prometheus("rules")
STATUS = behind_service(parts.ALERTMANAGER.url, "api/v2/status")
WATCHDOG = behind_service(
    parts.ALERTMANAGER.url,
    "api/v2/alerts",
    {"filter": 'alertname="Watchdog"', "silenced": "false", "inhibited": "false"},
)
LOKI = behind_service("http://loki.monitoring.svc:3100", "loki/api/v1/labels")
REFUSED = behind_service(
    parts.BLACKBOX_EXPORTER.url,
    "probe",
    {"module": "http_2xx", "target": "http://kube-prometheus-stack-alertmanager.monitoring.svc:9093/-/healthy"},
)
HEALTH = behind_service(parts.GRAFANA.url, "api/health")
HASHES = query('count_values("hash", alertmanager_config_hash)')
RELOADS = query("alertmanager_config_last_reload_successful == 0 or prometheus_config_last_reload_successful == 0")
SENT = query('sum(increase(alertmanager_notifications_total{integration="webhook"}[5m])) > 0')
FAILED = query('sum(increase(alertmanager_notifications_failed_total{integration="webhook"}[5m])) > 0')
BOARDS = query("max(grafana_stat_totals_dashboard)")
SOURCES = query("sum by (plugin_id) (grafana_stat_totals_datasource) > 0")

DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS = (
    listing(APPS, kind, NAMESPACE) for kind in ("Deployment", "StatefulSet", "DaemonSet")
)
PROMETHEUSES, ALERTMANAGERS = (listing(CUSTOM, kind, NAMESPACE) for kind in ("Prometheus", "Alertmanager"))
RULE_OBJECTS = listing(CUSTOM, "PrometheusRule", NAMESPACE)
ALL_RULE_OBJECTS = f"{MONITORING_API}/prometheusrules"
CONFIG_MAPS, PODS, SECRETS = (listing("v1", kind, NAMESPACE) for kind in ("ConfigMap", "Pod", "Secret"))


_expectations = cache(expectations)


def expected(stack: str = "dev") -> Expected:
    return _expectations(stack)


def healthy(stack: str = "dev") -> Answers:
    """What a cluster answers on which the stack works; each caller has a copy."""
    answers: Answers = pickle.loads(_healthy(stack))  # noqa: S301 - pickled below
    return answers


@cache
def _healthy(name: str) -> bytes:
    stack = expected(name)
    answers: Answers = {}
    for each in stack.objects:
        answers.setdefault(each.listing, {"items": []})["items"].append(served(each))
    rendered = {release.name: rendered_objects(release.name) for release in stack.releases}
    for manifest in [manifest for manifests in rendered.values() for manifest in manifests]:
        path = listing(manifest["apiVersion"], manifest["kind"], NAMESPACE)
        answers.setdefault(path, {"items": []})["items"].append(live(manifest))
    for kind in ("Prometheus", "Alertmanager"):
        answers[STATEFUL_SETS]["items"].append(live(operated(kind)))
    groups = [group for item in answers[RULE_OBJECTS]["items"] for group in item["spec"]["groups"]]
    (secret,) = (each for each in stack.of("Secret") if each.name == CONFIGURATION_SECRET)
    configuration = secret.fields["stringData"][CONFIGURATION_KEY]
    answers |= {
        "/version": {"major": "1", "minor": "35"},
        **{
            f"{MONITORING_GROUP}/{version}": {"resources": [{"name": name} for name in names]}
            for version, names in DEFINITIONS.items()
        },
        RECORDS: {"items": [record(release, rendered[release.name]) for release in stack.releases]},
        ALL_RULE_OBJECTS: answers[RULE_OBJECTS],
        PODS: {"items": [pod("loki-0")]},
        TARGETS: {"data": {"activeTargets": active_targets(stack)}},
        RULES: {"data": {"groups": [loaded(group) for group in groups]}},
        STATUS: {"config": {"original": configuration}, "cluster": {"status": "ready"}},
        WATCHDOG: [{"labels": {"alertname": "Watchdog"}, "receivers": [{"name": "heartbeat"}]}],
        HASHES: samples(1, hash="281253841522269"),
        RELOADS: samples(),
        SENT: samples(5),
        FAILED: samples(),
        LOKI: {"status": "success", "data": ["service_name"]},
        REFUSED: "# TYPE probe_success gauge\nprobe_success 0\n",
        HEALTH: {"database": "ok", "version": "13.2.0"},
        BOARDS: samples(33),
        SOURCES: {"data": {"result": [{"metric": {"plugin_id": kind}, "value": [0, "1"]} for kind in sources()]}},
    }
    return pickle.dumps(answers)


def sources() -> list[str]:
    return ["alertmanager", "loki", "prometheus", "tempo"]


def served(each: Object) -> Any:
    """A program's object as an item of the API server's list: named, completed, without what is empty."""
    item = {key: value for key, value in _full(each.fields).items() if key not in ("apiVersion", "kind")}
    item["metadata"] |= {"uid": f"uid-of-{each.name}", "generation": 1, "managedFields": [{"manager": "pulumi"}]}
    if each.kind == "Secret":
        values = {key: value.replace("made-up-by-verify", "real") for key, value in item.pop("stringData", {}).items()}
        item |= {"data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}}
    if each.kind == "Probe":
        item["spec"]["prober"]["path"] = "/probe"
    if each.kind == "Namespace":
        item["metadata"]["labels"]["kubernetes.io/metadata.name"] = each.name
    if each.kind == "Deployment":
        item = live(item)
    if each.kind == "Job":
        item["spec"]["completionMode"] = "NonIndexed"
        item["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] = "IfNotPresent"
    return item


def _full(value: Any) -> Any:
    """A value without what an API server leaves out; selectors stay, as an empty one selects everything."""
    if isinstance(value, dict):
        kept = {key: _full(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, {}, []) or key.endswith("Selector")}
    return [_full(inner) for inner in value] if isinstance(value, list) else value


def rendered_objects(release: str) -> list[Any]:
    """Some of the objects that a release's chart renders."""
    if release == "prometheus-operator-crds":
        return []
    if release == STACK:
        return [
            manifest(APPS, "Deployment", OPERATOR, release, {"replicas": 1}),
            manifest(APPS, "Deployment", f"{STACK}-grafana", release, {"replicas": 1}),
            manifest(CUSTOM, "Prometheus", f"{STACK}-prometheus", release, {"replicas": 2}),
            manifest(CUSTOM, "Alertmanager", f"{STACK}-alertmanager", release, {"replicas": 1}),
            manifest(CUSTOM, "ServiceMonitor", f"{STACK}-operator", release, {"endpoints": [{"port": "https"}]}),
            manifest(CUSTOM, "PrometheusRule", f"{STACK}-general.rules", release, {"groups": [OF_THE_CHART]}),
            manifest("v1", "Service", f"{STACK}-prometheus", release, {"ports": [{"port": 9090}]}),
            # The chart's own file of data sources: with all of them off, nothing stands behind its key.
            manifest("v1", "ConfigMap", f"{STACK}-grafana-datasource", release, None)
            | {"data": {"datasource.yaml": "apiVersion: 1\ndatasources:\n"}},
            manifest("rbac.authorization.k8s.io/v1", "ClusterRole", OPERATOR, release, None),
        ]
    if release == "log-agent":
        return [manifest(APPS, "DaemonSet", "log-agent-agent", release, {})]
    if release == "loki":
        return [manifest(APPS, "StatefulSet", "loki", release, {"replicas": 1})]
    return [manifest(APPS, "Deployment", release, release, {"replicas": 1})]


DEFINITION = """---
# Source: a definition as its authors write it, which Python's YAML parser does not take
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: alertmanagerconfigs.monitoring.coreos.com}
spec: {enum: [=, =~]}
"""
OF_THE_CHART = {"name": "general.rules", "rules": [{"alert": "KubeletDown", "expr": "vector(1)"}]}


def manifest(version: str, kind: str, name: str, release: str, spec: Any) -> dict[str, Any]:
    annotations = {"meta.helm.sh/release-name": release}
    labels = {"grafana_datasource": "1"} if name.endswith("grafana-datasource") else {}
    metadata = {"name": name, "annotations": annotations, "labels": labels}
    return {"apiVersion": version, "kind": kind, "metadata": metadata} | ({} if spec is None else {"spec": spec})


def operated(kind: str) -> dict[str, Any]:
    """The StatefulSet that the operator makes."""
    name = f"{STACK}-{kind.lower()}"
    replicas = 2 if kind == "Prometheus" else 1
    made = manifest(APPS, "StatefulSet", f"{kind.lower()}-{name}", "", {"replicas": replicas})
    made["metadata"] |= {"annotations": {}, "ownerReferences": [{"kind": kind, "name": name}]}
    return made


def live(rendered: dict[str, Any]) -> Any:
    """A chart's object in the cluster, working."""
    item = copy.deepcopy({key: value for key, value in rendered.items() if key not in ("apiVersion", "kind")})
    item["metadata"]["generation"] = 3
    number = item.get("spec", {}).get("replicas", 3)
    conditions = [{"type": type_, "status": "True", "observedGeneration": 3} for type_ in ("Available", "Reconciled")]
    item["status"] = {"conditions": conditions, "observedGeneration": 3}
    item["status"] |= dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), number)
    item["status"] |= dict.fromkeys(("desiredNumberScheduled", "updatedNumberScheduled", "numberReady"), number)
    return item


def record(release: Release, manifests: list[Any], revision: int = 1, status: str = "deployed") -> Any:
    """Helm's Secret with a revision of a release."""
    name, _, version = release.chart.rpartition("-")
    content = {
        "name": release.name,
        "version": revision,
        "info": {"status": status},
        "chart": {"metadata": {"name": name, "version": version}},
        "config": dict(release.values),
        "manifest": DEFINITION + yaml.dump_all(manifests, Dumper=yaml.CSafeDumper, explicit_start=True),
    }
    packed = base64.b64encode(gzip.compress(json.dumps(content).encode()))
    labels = {"name": release.name, "owner": "helm", "status": status, "version": str(revision)}
    return {
        "metadata": {"name": f"sh.helm.release.v1.{release.name}.v{revision}", "labels": labels},
        "data": {"release": base64.b64encode(packed).decode()},
    }


def pod(name: str) -> Any:
    return {
        "metadata": {"name": name},
        "status": {
            "phase": "Running",
            "conditions": [{"type": "PodScheduled", "status": "True"}],
            "containerStatuses": [{"name": "main", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}],
        },
    }


def loaded(group: dict[str, Any]) -> Any:
    rules = [{"name": rule.get("alert") or rule["record"], "health": "ok", "type": "x"} for rule in group["rules"]]
    return {"name": group["name"], "file": "/etc/prometheus/rules/x.yaml", "interval": 15, "rules": rules}


def active_targets(stack: Expected) -> list[Any]:
    services = stack.catalogue.services
    labels = [{"job": job} for job in sorted(stack.jobs)]
    labels += [{"job": service.name, "service": service.name} for service in services if service.prefix]
    labels += [{"job": "service-probes", "service": service.name} for service in services]
    return [
        {"labels": each, "scrapeUrl": "http://10.0.0.1/metrics", "health": "up", "lastError": ""} for each in labels
    ]


# Ways to break it


def item(answers: Answers, path: str, name: str) -> Any:
    """The object of this name in a list of the API."""
    return next(each for each in answers[path]["items"] if each["metadata"]["name"] == name)


def remove(path: str, name: str) -> Defect:
    """One object fewer in a list of the API."""
    return lambda answers: answers[path]["items"].remove(item(answers, path, name))


def put(path: str, *keys: str | int, value: Any) -> Defect:
    """Another value somewhere in an answer."""
    return lambda answers: _set(answers[path], keys, value)


def edit(path: str, name: str, *keys: str | int, value: Any) -> Defect:
    """Another value somewhere in an object."""
    return lambda answers: _set(item(answers, path, name), keys, value)


def _set(inner: Any, keys: tuple[str | int, ...], value: Any) -> None:
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value


def scaled(path: str, name: str, replicas: int) -> Defect:
    """A workload with as many replicas, and as many pods."""

    def change(answers: Answers) -> None:
        workload = item(answers, path, name)
        workload["spec"]["replicas"] = replicas
        workload["status"] |= dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas"), replicas)

    return change


def left(release: str, status: str, revision: int) -> Defect:
    """A release whose newest revision is in this state; the one before stays as it was."""
    (which,) = (each for each in expected().releases if each.name == release)
    return lambda answers: answers[RECORDS]["items"].append(record(which, [], revision, status))


def without_target(**labels: str) -> Defect:
    def change(answers: Answers) -> None:
        data = answers[TARGETS]["data"]
        data["activeTargets"] = [
            target for target in data["activeTargets"] if not labels.items() <= target["labels"].items()
        ]

    return change


def answer(path: str, value: Any) -> Defect:
    """Another answer altogether."""
    return lambda answers: answers.__setitem__(path, value)
