"""Values of the collector's chart: the agent on every node, what reads the cluster's events, and what samples traces.

Pure functions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import parts
from catalogue import Catalogue
from components import priorities, security, sizing
from components.addresses import OTLP_RECEIVER, SAMPLER_OTLP, TEMPO_OTLP, loki, prometheus_replica
from components.images import image
from components.logs import events, redaction
from facts import BUSYBOX, SLOW_MILLISECONDS
from settings import Settings, Tracing

AGENT_IMAGE = "ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-k8s"
AGENT_CONFIGURATION = Path(__file__).with_name("log_agent.yaml")
AGENT_START = Path(__file__).with_name("log_agent.sh")
"""What the agent's container runs: it starts the collector, and sets damaged files aside."""
EVENTS_CONFIGURATION = Path(__file__).with_name("kubernetes_events.yaml")
SAMPLER_CONFIGURATION = Path(__file__).with_name("trace_sampler.yaml")
AGENT_GATES = "stanza.synchronousLogEmitter"
"""Without this gate the agent commits a file's offset before the line is in its queue, and a kill loses lines."""
AGENT_STATE = "/var/lib/order-processor-log-agent"
"""Directory on each node with the agent's offsets and queue."""


def agent_configuration(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """The agent's configuration: the file beside this module with what it masks and which events it counts."""
    configuration = _masking(AGENT_CONFIGURATION)
    configuration["receivers"]["file_log"]["operators"][-2]["if"] = redaction.harmless()
    configuration["processors"]["transform/parse"]["log_statements"][-1:-1] = events.statements(catalogue.events)
    configuration["connectors"]["count"]["logs"] |= events.counts(catalogue.events)
    configuration["processors"]["transform/counts"]["metric_statements"][0]["statements"] = events.copies(
        catalogue.events
    )
    _count_from_the_beginning(configuration)
    configuration["processors"]["redaction/attributes"] |= redaction.attributes()
    if settings.workloads.prometheus.replicas > 1:
        _count_on_every_replica(configuration, settings.workloads.prometheus.replicas)
    if settings.tracing:
        configuration["exporters"]["otlp_grpc/traces"] = _traces_to(SAMPLER_OTLP if settings.samples else TEMPO_OTLP)
        configuration["service"]["pipelines"]["traces"] = {
            "receivers": ["otlp"],
            "processors": ["memory_limiter", "resource", "redaction/attributes"],
            "exporters": ["otlp_grpc/traces"],
        }
    return configuration


def _masking(path: Path) -> dict[str, Any]:
    """A collector's configuration from its file, with what it masks."""
    configuration: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    configuration["processors"]["transform/redact"]["log_statements"] = redaction.statements()
    return configuration


def _count_on_every_replica(configuration: dict[str, Any], replicas: int) -> None:
    """Send the counters to each Prometheus: behind their Service, each agent's would be in one of them only."""
    exporter = configuration["exporters"].pop("otlp_http/prometheus")
    addresses = {f"otlp_http/prometheus-{index}": prometheus_replica(index) for index in range(replicas)}
    for name, address in addresses.items():
        configuration["exporters"][name] = exporter | {"endpoint": f"{address}/api/v1/otlp"}
    configuration["service"]["pipelines"]["metrics"]["exporters"] = list(addresses)


def agent_values(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """Values of the agent's chart. Its presets stay off: they win over a configuration given here."""
    return {
        "fullnameOverride": parts.LOG_AGENT.workload,
        "mode": "daemonset",
        "image": {"repository": image(AGENT_IMAGE, settings)},
        "command": {"name": "start/agent", "extraArgs": [f"--feature-gates={AGENT_GATES}"]},
        "initContainers": [_start(settings)],
        "alternateConfig": agent_configuration(settings, catalogue),
        "extraEnvs": [
            {"name": "CLUSTER_NAME", "value": settings.cluster},
            {"name": "LOG_NAMESPACES", "value": ",".join((catalogue.namespace, *settings.logs.namespaces))},
            {"name": "LOKI_OTLP_URL", "value": f"{loki(settings)}/otlp"},
            {"name": "PROMETHEUS_OTLP_URL", "value": OTLP_RECEIVER},
        ],
        "resources": sizing.of(settings.workloads.log_agent),
        # The node's log files belong to root: read them, and nothing more.
        "securityContext": security.ROOT | {"capabilities": {"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]}},
        "serviceAccount": {"automountServiceAccountToken": False},  # it asks the API server for nothing
        "tolerations": [{"operator": "Exists"}],  # every node has logs, whatever else may not run there
        "priorityClassName": priorities.NODE_AGENT,
        "extraVolumes": [
            {"name": "pod-logs", "hostPath": {"path": "/var/log/pods"}},
            {"name": "state", "hostPath": {"path": AGENT_STATE, "type": "DirectoryOrCreate"}},
            {"name": "start", "emptyDir": {"sizeLimit": "16Mi"}},
        ],
        "extraVolumeMounts": [
            {"name": "pod-logs", "mountPath": "/var/log/pods", "readOnly": True},
            {"name": "state", "mountPath": "/var/lib/otelcol"},
            {"name": "start", "mountPath": "/start", "readOnly": True},
        ],
        "ports": _ports(otlp=settings.tracing is not None),
        "service": {"enabled": True},
        "serviceMonitor": _monitor(settings),
    }


def _start(settings: Settings) -> dict[str, Any]:
    """Puts a shell and the agent's start beside the collector, whose image has nothing but the collector."""
    return {
        "name": "start",
        "image": image(BUSYBOX, settings),
        "command": ["sh", "-c", 'cp /bin/busybox /start && printf %s "$AGENT" >/start/agent && chmod 755 /start/agent'],
        "env": [{"name": "AGENT", "value": AGENT_START.read_text().replace("$", "$$")}],  # Kubernetes halves them
        "volumeMounts": [{"name": "start", "mountPath": "/start"}],
        "resources": sizing.SMALL,
        "securityContext": security.ROOT,
    }


def _count_from_the_beginning(configuration: dict[str, Any]) -> None:
    """Count no line that is older than the agent's state: what its first start finds has not happened now."""
    new = "log.time_unix_nano >= ${env:AGENT_BEGAN:-0}"
    for counted in configuration["connectors"]["count"]["logs"].values():
        counted["conditions"] = [f"{condition} and {new}" for condition in counted.get("conditions", [])] or [new]


def events_values(settings: Settings) -> dict[str, Any]:
    """Values of the same chart for the events of the cluster: one replica, which may read events and nothing else."""
    return {
        "fullnameOverride": parts.KUBERNETES_EVENTS.workload,
        "mode": "deployment",
        "replicaCount": 1,  # a second one would tell everything twice
        "rollout": {"strategy": "Recreate"},
        "image": {"repository": image(AGENT_IMAGE, settings)},
        "alternateConfig": _masking(EVENTS_CONFIGURATION),
        "extraEnvs": [
            {"name": "CLUSTER_NAME", "value": settings.cluster},
            {"name": "LOKI_OTLP_URL", "value": f"{loki(settings)}/otlp"},
        ],
        "clusterRole": {
            "create": True,
            "rules": [{"apiGroups": [""], "resources": ["events"], "verbs": ["get", "list", "watch"]}],
        },
        "resources": sizing.EVENTS,
        "securityContext": security.user(10001),  # the image's own
        "ports": _ports(otlp=False),
        "service": {"enabled": True},
        "serviceMonitor": _monitor(settings),
    }


def sampler_configuration(tracing: Tracing) -> dict[str, Any]:
    """The sampler's configuration: the file beside this module with what it keeps, and where it sends that."""
    configuration: dict[str, Any] = yaml.load(SAMPLER_CONFIGURATION.read_text(), Loader=yaml.CSafeLoader)
    configuration["exporters"]["otlp_grpc/tempo"] = _traces_to(TEMPO_OTLP)
    configuration["processors"]["tail_sampling"]["policies"] = [
        {"name": "failed", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
        {"name": "slow", "type": "latency", "latency": {"threshold_ms": SLOW_MILLISECONDS}},
        {"name": "rest", "type": "probabilistic", "probabilistic": {"sampling_percentage": tracing.share}},
    ]
    return configuration


def _traces_to(address: str) -> dict[str, Any]:
    """The exporter of traces to an address of the stack, which the rehearsal replaces."""
    return {"endpoint": f"${{env:TRACES_OTLP:-{address}}}", "tls": {"insecure": True}}


def sampler_values(settings: Settings, tracing: Tracing) -> dict[str, Any]:
    """Values of the same chart for the sampler of traces: one replica, as it must see all spans of a trace."""
    return {
        "fullnameOverride": parts.TRACE_SAMPLER.workload,
        "mode": "deployment",
        "replicaCount": 1,
        "image": {"repository": image(AGENT_IMAGE, settings)},
        "alternateConfig": sampler_configuration(tracing),
        "resources": sizing.SAMPLER,
        "securityContext": security.user(10001),  # the image's own
        "serviceAccount": {"automountServiceAccountToken": False},  # it asks the API server for nothing
        "ports": _ports(otlp=True) | {"otlp-http": {"enabled": False}},
        "service": {"enabled": True},
        "serviceMonitor": _monitor(settings),
    }


def _ports(*, otlp: bool) -> dict[str, Any]:
    """Only what is listened on; by default the chart opens the usual ports of tracing, on the node too."""
    listening: dict[str, Any] = {"enabled": True, "hostPort": None} if otlp else {"enabled": False}
    unused = ("jaeger-compact", "jaeger-thrift", "jaeger-grpc", "zipkin")
    return {
        "otlp": listening,
        "otlp-http": listening,
        **{name: {"enabled": False} for name in unused},
        "metrics": {"enabled": True},
    }


def _monitor(settings: Settings) -> dict[str, Any]:
    return {
        "enabled": True,
        "metricsEndpoints": [{"port": "metrics", "interval": settings.scrape.infrastructure}],
    }
