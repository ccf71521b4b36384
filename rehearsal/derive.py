"""Derives each process's configuration from the deployed objects.

Nothing here decides anything that the deployed objects already say: only addresses and paths of this machine differ.
Every file goes into `config/<part>/`; a digest for each part says whether it has to be loaded anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from catalogue import Catalogue
from components.alerting.component import CONFIGURATION_KEY, CONFIGURATION_SECRET
from components.alerting.messages import CREDENTIALS_DIRECTORY, CREDENTIALS_SECRET, TEMPLATES_GLOB
from components.metrics.monitors import REDIS_PROBE
from local.errors import RehearsalError
from local.ports import HOST, Ports
from local.state import State, write
from parts import STACK, TRACE_SAMPLER
from rehearsal import jaeger, scrape, speed
from rehearsal.deployed import Deployed
from simulation import redis

LOKI_MAPPED = frozenset(
    {
        "analytics",
        "auth_enabled",
        "commonConfig",
        "compactor",
        "ingester",
        "limits_config",
        "querier",
        "query_range",
        "schemaConfig",
        "server",
        "storage",
    }
)
"""Keys of the values' section `loki` that become Loki's configuration here; `storage` is this machine's disk."""

LOKI_CHART_ONLY = frozenset(
    {
        "annotations",
        "configObjectName",
        "configStorageType",
        "containerSecurityContext",
        "dnsConfig",
        "enableServiceLinks",
        "generatedConfigObjectName",
        "image",
        "livenessProbe",
        "podAnnotations",
        "podLabels",
        "podSecurityContext",
        "readinessProbe",
        "revisionHistoryLimit",
        "service",
        "serviceAnnotations",
        "serviceLabels",
        "startupProbe",
    }
)
"""Keys of the same section that decide about Kubernetes objects, and nothing about Loki itself."""


def derive(state: State, ports: Ports, catalogue: Catalogue, operatorconfig: Path, pace: int = 1) -> dict[str, str]:
    """Write every configuration file, leaving alone what is the same; all of it runs `pace` times as fast as deployed.

    Returns a digest of the files of each part: `prometheus`, `alertmanager`, `loki`, `agent`, `blackbox`.
    Raises RehearsalError if something is deployed that has no counterpart here.
    """
    deployed = Deployed(state.cluster)
    loki = loki_configuration(deployed.release("loki")["loki"], state.data / "loki", ports)
    modules = deployed.release("blackbox-exporter")["config"]
    files = (
        _prometheus(deployed, state, ports, catalogue, operatorconfig, pace)
        | _alertmanager(deployed, state, ports, pace)
        | {"loki/loki.yaml": _dump(speed.loki(loki, pace))}
        | {"agent/agent.yaml": _dump(speed.agent(deployed.release("log-agent")["alternateConfig"], pace))}
        | {"blackbox/blackbox.yaml": _dump(speed.blackbox(_blackbox(modules), pace))}
        | ({"jaeger/jaeger.yaml": _dump(jaeger.configuration(ports))} if deployed.traces else {})
        | ({"sampler/sampler.yaml": _dump(_sampler(deployed))} if deployed.samples else {})
    )
    credentials = deployed.secret(CREDENTIALS_SECRET)
    for name, text in credentials.items():
        write(state.credentials / name, text)
    write(state.credentials / "receivers.json", json.dumps(_receivers(deployed, credentials)))
    for name, text in files.items():
        write(state.configuration / name, text)
    _remove_others(state.configuration, files)
    return _digests(files)


def _prometheus(
    deployed: Deployed, state: State, ports: Ports, catalogue: Catalogue, operatorconfig: Path, pace: int
) -> dict[str, str]:
    """The operator's own configuration for the deployed monitors, their rules, and the targets on this machine."""
    rules = {
        f"prometheus/rules/{rule['metadata']['name']}.yaml": _dump(speed.rules(rule["spec"], pace))
        for rule in deployed.objects("PrometheusRule")
    }
    directory = state.configuration / "prometheus"
    monitors = [item for kind in ("ServiceMonitor", "PodMonitor", "Probe") for item in deployed.objects(kind)]
    values = deployed.release(STACK)["prometheus"]["prometheusSpec"]
    probed = _probed(catalogue, ports) | dict.fromkeys(_redis_addresses(monitors), ports.address(redis.NAME))
    local = _local(directory, ports, operatorconfig, probed)
    configuration = scrape.prometheus_configuration(monitors, values, local)
    targets = {
        f"prometheus/targets/{name}": json.dumps(groups, indent=2)
        for name, groups in scrape.discovery_targets(_endpoints(catalogue, ports)).items()
    }
    return rules | {"prometheus/prometheus.yaml": _dump(speed.prometheus(configuration, pace))} | targets


def _probed(catalogue: Catalogue, ports: Ports) -> dict[str, str]:
    """The addresses that probes name, of every service."""
    return {
        f"{service.name}.{catalogue.namespace}.svc:{service.port}": ports.address(service.name)
        for service in catalogue.services
    }


def _redis_addresses(monitors: Iterable[Mapping[str, Any]]) -> list[str]:
    """Where the probe of Redis finds it in the cluster."""
    specs = [item["spec"] for item in monitors if item["spec"].get("jobName") == REDIS_PROBE]
    return [address for spec in specs for address in spec["targets"]["staticConfig"]["static"]]


def _blackbox(configuration: dict[str, Any]) -> dict[str, Any]:
    """The deployed modules; Redis speaks no TLS here, as nothing does on the loopback."""
    modules = {
        name: module | ({"tcp": module["tcp"] | {"tls": False}} if "tcp" in module else {})
        for name, module in configuration["modules"].items()
    }
    return configuration | {"modules": modules}


def _local(directory: Path, ports: Ports, operatorconfig: Path, probed: dict[str, str]) -> scrape.Local:
    return scrape.Local(
        operatorconfig=operatorconfig,
        targets=directory / "targets",
        rule_files=[str(directory / "rules" / "*.yaml")],
        addresses={
            "prometheus": ports.address("prometheus"),
            "alertmanager": ports.address("alertmanager"),
            "loki": ports.address("loki"),
            "log_agent": ports.address("agent-metrics"),
            "blackbox": ports.address("blackbox"),
            "route_sums": ports.address("route-sums"),
            "node_exporter": ports.address("node-exporter"),
            "exporters": ports.address("exporters"),
        },
        probed=probed,
    )


def _endpoints(catalogue: Catalogue, ports: Ports) -> list[scrape.Endpoint]:
    """What discovery would find: one pod of every service, and Alertmanager."""
    services = [
        scrape.application_endpoint(catalogue.namespace, service, ports.address(service.name))
        for service in catalogue.services
    ]
    return [*services, scrape.alertmanager_endpoint(ports.address("alertmanager"))]


def _alertmanager(deployed: Deployed, state: State, ports: Ports, pace: int) -> dict[str, str]:
    """The deployed Secret; only the credential files' paths and the receivers' addresses differ."""
    secret = deployed.secret(CONFIGURATION_SECRET)
    text = secret.pop(CONFIGURATION_KEY)
    text = text.replace(CREDENTIALS_DIRECTORY, str(state.credentials))
    text = text.replace(str(PurePosixPath(TEMPLATES_GLOB).parent), str(state.configuration / "alertmanager"))
    configuration = yaml.safe_load(text)
    _point_at_local_receivers(configuration, ports)
    files = {f"alertmanager/{name}": template for name, template in secret.items()}
    return files | {"alertmanager/alertmanager.yaml": _dump(speed.alertmanager(configuration, pace))}


def _point_at_local_receivers(configuration: dict[str, Any], ports: Ports) -> None:
    if "smtp_smarthost" in configuration["global"]:
        configuration["global"]["smtp_smarthost"] = ports.address("smtp")
    for receiver in configuration["receivers"]:
        for integration in receiver.get("pagerduty_configs", []):
            integration["url"] = f"{ports.url('receivers')}/pagerduty/v2/enqueue"


def _receivers(deployed: Deployed, credentials: dict[str, str]) -> dict[str, str]:
    """What the local receivers expect: the very credentials that Alertmanager was deployed with."""
    configuration = yaml.safe_load(deployed.secret(CONFIGURATION_SECRET)[CONFIGURATION_KEY])
    return {
        "slack_path": _path(credentials["slack-webhook-url"], "/slack/"),
        "pagerduty_routing_key": credentials["pagerduty-routing-key"],
        "smtp_user": configuration["global"].get("smtp_auth_username", "nobody"),
        "smtp_password": credentials["smtp-password"],
        "heartbeat_path": _path(credentials["heartbeat-url"], "/heartbeat/"),
    }


def _sampler(deployed: Deployed) -> dict[str, Any]:
    configuration: dict[str, Any] = deployed.release(TRACE_SAMPLER.release)["alternateConfig"]
    return configuration


def _path(url: str, after: str) -> str:
    return url.partition(after)[2]


def loki_configuration(values: Mapping[str, Any], data: Path, ports: Ports) -> dict[str, Any]:
    """The values' section `loki` as the configuration of one Loki on this machine.

    What the chart adds of itself differs, as far as the values do not set it: addresses of other parts, the ring by
    memberlist instead of in memory, a second request where a bucket is slow to answer, bounds of idle and simultaneous
    connections, and the level of Loki's own log. Ports and paths are this machine's.

    Raises RehearsalError for a key that would otherwise be left out without a word.
    """
    for key in sorted(values.keys() - LOKI_MAPPED - LOKI_CHART_ONLY):
        raise RehearsalError(
            f"values of loki: loki.{key} has no part in the rehearsal; map it in rehearsal/derive.py, "
            "or list it there as the chart's alone"
        )
    return {
        "auth_enabled": values["auth_enabled"],
        "server": values["server"]
        | {
            "http_listen_address": HOST,
            "http_listen_port": ports["loki"],
            "grpc_listen_address": HOST,
            "grpc_listen_port": ports["loki-grpc"],
            "log_level": "warn",
        },
        "common": values["commonConfig"]
        | {
            "path_prefix": str(data),
            "ring": {"instance_addr": HOST, "kvstore": {"store": "inmemory"}},
            "storage": {
                "filesystem": {"chunks_directory": str(data / "chunks"), "rules_directory": str(data / "rules")}
            },
        },
        # There is no other ingester to wait for.
        "ingester": values["ingester"] | {"lifecycler": {"min_ready_duration": "0s"}},
        "frontend": {"address": HOST},  # otherwise that of the first network interface
        "schema_config": values["schemaConfig"],
        "limits_config": values["limits_config"],
        "compactor": values["compactor"] | {"working_directory": str(data / "compactor")},
        "querier": values["querier"],
        # The chart writes this one itself: among the values it would be there twice, which Loki refuses.
        "query_range": {"align_queries_with_step": True} | values["query_range"],
        "analytics": values["analytics"],
    }


def _dump(document: Any) -> str:
    return yaml.dump(document, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)


def _remove_others(directory: Path, names: Container[str]) -> None:
    """Remove configuration files of objects that are no longer deployed."""
    for path in sorted(directory.rglob("*.*")):
        if path.is_file() and str(path.relative_to(directory)) not in names:
            path.unlink()


def _digests(files: Mapping[str, str]) -> dict[str, str]:
    """Digest of each part's files."""
    parts: dict[str, list[tuple[str, str]]] = {}
    for name, text in sorted(files.items()):
        parts.setdefault(name.partition("/")[0], []).append((name, text))
    return {part: hashlib.sha256(repr(texts).encode()).hexdigest()[:12] for part, texts in parts.items()}
