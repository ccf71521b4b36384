"""Prometheus' configuration on this machine, derived from the deployed objects by the operator's own code.

`operatorconfig` (tools/operator) selects, validates and renders ServiceMonitors, PodMonitors and Probes as the operator
in a cluster does. Only what does not exist here is replaced afterwards: Kubernetes discovery by files with the labels
it would give, so that the operator's relabelings run unchanged; the addresses of the prober, of what it probes and of
Alertmanager; the rule files. Monitors that the charts create are no objects of ours: `rehearsal.chart_targets` stands
in for them.

It does not prove that selectors match the cluster's Services, that network policies, TLS or service accounts let
Prometheus in, or that the custom resource definitions' schemas accept the objects.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import parts
from catalogue import Service
from facts import NAMESPACE
from local.errors import RehearsalError
from parts import STACK
from rehearsal import chart_targets
from rehearsal.chart_targets import Process

Json = dict[str, Any]

CHART_DEFAULTS: Json = {"version": "v3.14.0-distroless", "retention": "10d"}
"""Values of kube-prometheus-stack 88.5.3 that reach the configuration although nobody sets them."""

CHART_ONLY = frozenset(
    {
        "additionalConfig",  # whose content is added to the object
        "image",
        "podAntiAffinity",
        "podAntiAffinityTopologyKey",
        "storageSpec",
        "thanos",
        # Sent to places that a rehearsal must not reach, with credentials that it does not have.
        "remoteWrite",
        "additionalRemoteWrite",
        "remoteRead",
        "additionalRemoteRead",
    }
)
"""Keys of the chart's `prometheusSpec` that are no field of the Prometheus object, or have no part in a rehearsal."""

CLUSTER_ONLY = ("scheme", "tls_config", "authorization")
"""Scrape settings that name certificates and tokens of the cluster: here everything is plain HTTP on the loopback."""

NOWHERE = "http://127.0.0.1:1"
"""Nothing listens there: what is probed and does not run here fails, and nothing outside is asked."""

DISCOVERY_ROLES = frozenset({"endpoints", "endpointslice", "pod"})
"""Roles of Kubernetes discovery that the discovery files stand in for."""


class ScrapeError(RehearsalError):
    """The deployed objects give no configuration; the message names the object, the value and the reason."""


@dataclass(frozen=True, kw_only=True)
class Local:
    """Where on this machine the things are that the cluster's configuration names; an address is `host:port`."""

    operatorconfig: Path
    """The built tool."""
    targets: Path
    """Directory of the discovery files."""
    rule_files: Sequence[str]
    """Paths or globs of the rule files."""
    addresses: Mapping[Process, str]
    """Where each process serves its metrics; the prober also its probes."""
    probed: Mapping[str, str] = field(default_factory=dict)
    """Where a probed `host:port` of the cluster is on this machine; without any, probes go where they say."""


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One ready pod behind a Kubernetes Service, reached at a local address."""

    namespace: str
    service: str
    pod: str
    container: str
    port: str
    """Name of the Service's port."""
    address: str
    """`host:port`, which becomes the label `instance`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the Service and of the pod."""


def application_endpoint(namespace: str, service: Service, address: str) -> Endpoint:
    """The endpoint of one application service, whose Kubernetes Service has the labels that the catalogue names."""
    return Endpoint(
        namespace=namespace,
        service=service.name,
        pod=f"{service.name}-rehearsal",
        container=service.name,
        port="http",
        address=address,
        labels=service.labels,
    )


def alertmanager_endpoint(address: str) -> Endpoint:
    """The endpoint at which Prometheus discovers Alertmanager."""
    return Endpoint(
        namespace=NAMESPACE,
        service=parts.ALERTMANAGER.service,
        pod=parts.ALERTMANAGER.pod,
        container=parts.ALERTMANAGER.container,
        port="http-web",
        address=address,
    )


def discovery_targets(endpoints: Iterable[Endpoint]) -> dict[str, list[Json]]:
    """Stand-in for Kubernetes discovery: the content of one JSON file per namespace, by file name.

    A group carries the labels of every role at once, since a configuration reads only those of its own.
    """
    files: dict[str, list[Json]] = {}
    for endpoint in endpoints:
        group = {"targets": [endpoint.address], "labels": _meta_labels(endpoint)}
        files.setdefault(f"{endpoint.namespace}.json", []).append(group)
    return files


def prometheus_configuration(objects: Iterable[Mapping[str, Any]], values: Mapping[str, Any], local: Local) -> Json:
    """Prometheus' configuration for the deployed `objects` and the chart's values `prometheus.prometheusSpec`.

    Objects of other kinds than ServiceMonitor, PodMonitor and Probe have no part in it.
    Raises ScrapeError if the operator would pass over or reject an object, or if one cannot be stood in for here.
    """
    document: Json = {"prometheus": prometheus_object(values), "serviceMonitors": [], "podMonitors": [], "probes": []}
    of_kind = {"ServiceMonitor": "serviceMonitors", "PodMonitor": "podMonitors", "Probe": "probes"}
    for item in objects:
        if item.get("kind") in of_kind:
            document[of_kind[item["kind"]]].append(_plain(item))
    return _localised(yaml.safe_load(_rendered(document, local.operatorconfig)), local)


def prometheus_object(values: Mapping[str, Any]) -> Json:
    """The Prometheus object that kube-prometheus-stack makes of its values, as far as it decides the configuration."""
    fields = {
        key: value for key, value in values.items() if key not in CHART_ONLY and not key.endswith("NilUsesHelmValues")
    }
    spec = CHART_DEFAULTS | fields | values.get("additionalConfig", {})
    for kind in ("serviceMonitor", "podMonitor", "probe"):
        everything = values.get(f"{kind}SelectorNilUsesHelmValues") is False
        spec[f"{kind}Selector"] = values.get(f"{kind}Selector") or (
            {} if everything else {"matchLabels": {"release": STACK}}
        )
        spec[f"{kind}NamespaceSelector"] = values.get(f"{kind}NamespaceSelector") or {}
    alertmanager = {"namespace": NAMESPACE, "name": parts.ALERTMANAGER.service, "port": "http-web", "apiVersion": "v2"}
    spec["alerting"] = {"alertmanagers": [alertmanager | {"pathPrefix": "/"}]}
    return {"metadata": {"name": parts.PROMETHEUS.service, "namespace": NAMESPACE}, "spec": spec}


def _plain(item: Mapping[str, Any]) -> Json:
    metadata = {key: item["metadata"][key] for key in ("name", "namespace", "labels") if key in item["metadata"]}
    return {"metadata": metadata, "spec": item["spec"]}


def _rendered(document: Json, operatorconfig: Path) -> str:
    """The operator's text, with the two variables that its configuration reloader fills in for the first pod."""
    done = subprocess.run([operatorconfig], input=json.dumps(document), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ScrapeError(f"no Prometheus configuration can be made of the deployed objects:\n{done.stderr.strip()}")
    return done.stdout.replace("$(POD_NAME)", parts.PROMETHEUS.pod).replace("$(SHARD)", "0")


def _localised(configuration: Json, local: Local) -> Json:
    scrapes: list[Json] = configuration.get("scrape_configs") or []
    for scrape in scrapes:
        for key in CLUSTER_ONLY:
            scrape.pop(key, None)
        _discover_from_files(scrape, local.targets)
        _probe_locally(scrape, local)
    for alertmanager in configuration["alerting"]["alertmanagers"]:
        _discover_from_files(alertmanager, local.targets)
    scrapes += chart_targets.scrape_configs(local.addresses)
    return configuration | {"rule_files": list(local.rule_files), "scrape_configs": scrapes}


def _discover_from_files(section: Json, directory: Path) -> None:
    discoveries = section.pop("kubernetes_sd_configs", None)
    if discoveries is None:
        return
    files: list[str] = []
    for discovery in discoveries:
        if discovery.keys() - {"role", "namespaces"} or discovery["role"] not in DISCOVERY_ROLES:
            raise ScrapeError(
                f"{section.get('job_name', 'alerting')}: Kubernetes discovery {discovery} has no stand-in; "
                f"there is one for the roles {', '.join(sorted(DISCOVERY_ROLES))} with nothing but namespaces"
            )
        namespaces = discovery.get("namespaces", {}).get("names", ["*"])
        files += [str(directory / f"{namespace}.json") for namespace in namespaces]
    section["file_sd_configs"] = [{"files": files}]


def _probe_locally(scrape: Json, local: Local) -> None:
    rules = scrape.get("relabel_configs") or []
    here = {
        parts.BLACKBOX_EXPORTER.address: local.addresses["blackbox"],
        parts.ROUTE_SUMS.address: local.addresses["route_sums"],
    }
    addresses = [rule for rule in rules if rule.get("target_label") == "__address__"]
    through = [rule["replacement"] for rule in addresses]
    for rule, prober in zip(addresses, through, strict=True):
        if prober not in here:
            raise ScrapeError(
                f"{scrape['job_name']}: prober {prober} has no stand-in; "
                f"there is one for {parts.BLACKBOX_EXPORTER.address}"
            )
        rule["replacement"] = here[prober]
    if parts.BLACKBOX_EXPORTER.address in through and local.probed:
        rules.extend(_names(local.probed))


def _names(probed: Mapping[str, str]) -> Iterator[Json]:
    """Stand-in for the cluster's DNS: where the prober really goes, while the label `instance` keeps what is probed."""
    yield {"target_label": "__param_target", "replacement": NOWHERE}
    for name, address in probed.items():
        regex = f"(http://)?{re.escape(name)}(/.*)?"
        target = {"source_labels": ["instance"], "regex": regex, "target_label": "__param_target"}
        yield target | {"replacement": f"${{1}}{address}${{2}}"}


def _meta_labels(endpoint: Endpoint) -> dict[str, str]:
    """The labels that Prometheus' Kubernetes discovery gives a ready pod behind a Service, whatever the role."""
    labels = {
        "namespace": endpoint.namespace,
        "service_name": endpoint.service,
        **_object_labels("service", endpoint.labels),
        "pod_name": endpoint.pod,
        "pod_phase": "Running",
        "pod_ready": "true",
        "pod_container_name": endpoint.container,
        "pod_container_port_name": endpoint.port,
        "pod_container_init": "false",
        **_object_labels("pod", endpoint.labels),
        "endpoint_ready": "true",
        "endpointslice_endpoint_conditions_ready": "true",
    }
    for role in ("endpoint", "endpointslice"):
        labels[f"{role}_port_name"] = endpoint.port
        labels[f"{role}_port_protocol"] = "TCP"
        labels[f"{role}_address_target_kind"] = "Pod"
        labels[f"{role}_address_target_name"] = endpoint.pod
    return {f"__meta_kubernetes_{name}": value for name, value in labels.items()}


def _object_labels(kind: str, labels: Mapping[str, str]) -> dict[str, str]:
    named = {re.sub(r"\W", "_", name, flags=re.ASCII): value for name, value in labels.items()}
    present = {f"{kind}_labelpresent_{name}": "true" for name in named}
    return {f"{kind}_label_{name}": value for name, value in named.items()} | present
