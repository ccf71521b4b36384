"""Logs: Loki, and the agent on every node that feeds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi_aws import s3

from catalogue import Catalogue
from components import charts, priorities, sizing, storage
from components.addresses import OTLP_RECEIVER, TEMPO_OTLP, loki, prometheus_replica
from components.aws_role import ServiceAccountRole, ServiceAccountRoleArgs
from components.foundation import BUSYBOX
from components.logs import events as log_events
from components.logs import redaction
from facts import LOKI_MEGABYTES_A_SECOND, LOKI_STREAMS
from settings import Settings
from validation import mebibytes, seconds

LOKI_SERVICE_ACCOUNT = "loki"
AGENT_IMAGE = "ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-k8s"
AGENT_CONFIGURATION = Path(__file__).with_name("log_agent.yaml")
AGENT_START = Path(__file__).with_name("log_agent.sh")
"""What the agent's container runs: it starts the collector, and sets damaged files aside."""
EVENTS_CONFIGURATION = Path(__file__).with_name("kubernetes_events.yaml")
AGENT_GATES = "stanza.synchronousLogEmitter"
"""Without this gate the agent commits a file's offset before the line is in its queue, and a kill loses lines."""
AGENT_STATE = "/var/lib/order-processor-log-agent"
"""Directory on each node with the agent's offsets and queue."""


@dataclass(frozen=True, kw_only=True)
class LogsArgs:
    """What the logs depend on."""

    settings: Settings
    catalogue: Catalogue
    namespace: pulumi.Input[str]


class Logs(pulumi.ComponentResource):
    """Loki, on a volume or on a bucket of its own, the log agent, and the collector of Kubernetes events."""

    def __init__(self, name: str, args: LogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monitoring:index:Logs", name, {}, opts)
        settings = args.settings
        role_arn = self._bucket(settings) if settings.logs.bucket else None
        loki_release = charts.install(
            charts.LOKI,
            "loki",
            namespace=args.namespace,
            values=loki_values(settings, role_arn),
            source=settings.charts,
            opts=pulumi.ResourceOptions(parent=self),
        )
        charts.install(
            charts.LOG_AGENT,
            "log-agent",
            namespace=args.namespace,
            values=agent_values(settings, args.catalogue),
            source=settings.charts,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[loki_release]),
        )
        charts.install(
            charts.LOG_AGENT,
            "kubernetes-events",
            namespace=args.namespace,
            values=events_values(settings),
            source=settings.charts,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[loki_release]),
        )
        self.register_outputs({})

    def _bucket(self, settings: Settings) -> pulumi.Output[str]:
        """The bucket and the role that lets Loki use it; returns the role's ARN."""
        protect = settings.storage.protect
        bucket = s3.Bucket(
            "logs",
            bucket=settings.logs.bucket,
            opts=pulumi.ResourceOptions(parent=self, protect=protect, retain_on_delete=protect),
        )
        s3.BucketPublicAccessBlock(
            "logs",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        role = ServiceAccountRole(
            "loki",
            ServiceAccountRoleArgs(
                cluster_name=settings.aws.cluster_name if settings.aws else "",
                service_account=LOKI_SERVICE_ACCOUNT,
                statements=bucket_statements(str(settings.logs.bucket)),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return role.arn


def bucket_statements(bucket: str) -> list[dict[str, Any]]:
    """What Loki may do: list its bucket, and read, write and delete its objects."""
    arn = f"arn:aws:s3:::{bucket}"
    return [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": arn},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": f"{arn}/*"},
    ]


def loki_values(settings: Settings, role_arn: pulumi.Input[str] | None) -> dict[str, Any]:
    """Values of Loki's chart."""
    values: dict[str, Any] = {
        "deploymentMode": settings.logs.mode.capitalize(),
        "loki": loki_configuration(settings),
        # Loki's own default caches ask for ten gibibytes, the canary and the chart's test for nothing we read.
        "chunksCache": {"enabled": False},
        "resultsCache": {"enabled": False},
        "lokiCanary": {"enabled": False},
        "test": {"enabled": False},
        "ruler": {"enabled": False},
        "sidecar": {"rules": {"enabled": False}},
        "monitoring": {"serviceMonitor": {"enabled": True, "interval": settings.scrape.infrastructure}},
        # Replicas of the deprecated simple-scalable mode, whose defaults are not zero.
        "backend": {"replicas": 0},
        "read": {"replicas": 0},
        "write": {"replicas": 0},
        "serviceAccount": {"name": LOKI_SERVICE_ACCOUNT},
    }
    if role_arn is not None:
        values["serviceAccount"]["annotations"] = {"eks.amazonaws.com/role-arn": role_arn}
    return values | (_distributed(settings) if settings.logs.mode == "distributed" else _monolithic(settings))


def _monolithic(settings: Settings) -> dict[str, Any]:
    return {
        "singleBinary": {
            "replicas": settings.workloads.loki.replicas,
            "resources": sizing.of(settings.workloads.loki),
            "persistence": _persistence(settings),
        },
        "gateway": {"enabled": False},
    }


def _persistence(settings: Settings) -> dict[str, Any]:
    if settings.storage.kind == "ephemeral":
        return {"enabled": False}
    return {
        "enabled": True,
        "size": storage.size(settings, "loki"),
        "storageClass": storage.storage_class(settings, "loki"),
    }


DISTRIBUTED_REPLICAS = {
    "ingester": 3,
    "distributor": 2,
    "querier": 2,
    "queryFrontend": 2,
    "queryScheduler": 2,
    "indexGateway": 2,
    "compactor": 1,
}
"""The least with which lines are still taken and found while one node is lost: each line must be in two of three
ingesters. The chart keeps a part's replicas on different nodes. Only deleting waits for its one compactor.
"""
GATEWAY_REPLICAS = 2
"""Of the proxy in front of the parts, so that it survives the same."""


def _distributed(settings: Settings) -> dict[str, Any]:
    resources = sizing.of(settings.workloads.loki)
    parts: dict[str, Any] = {
        part: {"replicas": count, "resources": resources} for part, count in DISTRIBUTED_REPLICAS.items()
    }
    # What must outlive a pod: lines that are not on the bucket yet, deletion marks, the downloaded index.
    volume = _persistence(settings)
    # A list replaces the chart's own as a whole: what a claim leaves out has no default.
    claim = volume | {"name": "data", "accessModes": ["ReadWriteOnce"]}
    enabled = claim.pop("enabled")
    for part in ("ingester", "compactor"):
        parts[part]["persistence"] = {"enabled": enabled, "claims": [claim]}
    parts["indexGateway"]["persistence"] = volume
    return {
        **parts,
        "singleBinary": {"replicas": 0},
        "gateway": {
            "enabled": True,
            "replicas": GATEWAY_REPLICAS,
            "resources": sizing.SMALL,
            "metrics": {"resources": sizing.SMALL},
        },
    }


def loki_configuration(settings: Settings) -> dict[str, Any]:
    """The `loki` section of the values: Loki's own configuration, in the chart's keys.

    Retention works only with all of: the compactor enabled for it, a store for its requests, and 24 h index tables.
    """
    on_bucket = settings.logs.bucket is not None
    store = "s3" if on_bucket else "filesystem"
    # Of two copies both must be written: only from three on can one replica be away.
    replication = 3 if settings.logs.mode == "distributed" or settings.workloads.loki.replicas >= 3 else 1
    hours = f"{seconds(settings.retention.logs) // 3600}h"
    configuration: dict[str, Any] = {
        "auth_enabled": False,
        "commonConfig": {"replication_factor": replication},
        "storage": _object_store(settings) if on_bucket else {"type": "filesystem"},
        "schemaConfig": {
            "configs": [
                {
                    "from": "2024-04-01",
                    "store": "tsdb",
                    "object_store": store,
                    "schema": "v13",
                    "index": {"prefix": "loki_index_", "period": "24h"},
                }
            ]
        },
        "compactor": {
            "retention_enabled": True,
            "delete_request_store": store,
            "working_directory": "/var/loki/compactor",
        },
        "limits_config": {
            "retention_period": hours,
            # A chunk is deleted when all of it is too old; until then its old lines are not shown.
            "max_query_lookback": hours,
            # Lines older than this would be deleted as soon as they are written.
            "reject_old_samples_max_age": hours,
            "allow_structured_metadata": True,
            "discover_log_levels": True,
            "volume_enabled": True,
            **_ingestion_limits(),
            "split_queries_by_interval": "1h",  # hours are searched side by side
            "query_timeout": "1m",
            # One for each request that failed: Loki's own 500 are too few for an incident.
            "max_query_series": 5000,
            # Retention deletes all the same. Otherwise any pod that reaches Loki could have every line deleted.
            "deletion_mode": "disabled",
            "otlp_config": {
                "resource_attributes": {
                    "ignore_defaults": True,
                    "attributes_config": [
                        {
                            "action": "index_label",
                            "attributes": ["service.name", "k8s.namespace.name", "k8s.cluster.name"],
                        },
                        {"action": "structured_metadata", "attributes": ["k8s.pod.name", "k8s.container.name"]},
                    ],
                }
            },
        },
        "ingester": {
            "max_chunk_age": f"{2 * LATE_HOURS}h",
            "chunk_encoding": "snappy",
            # From a write-ahead log that outlives the pod, Loki knows its last lines when it starts again, and stores
            # none twice that is sent again. Without one, all lines must be in chunks before it ends.
            "wal": {
                "flush_on_shutdown": settings.storage.kind == "ephemeral",
                # Loki's own is 4 GB: reading the log again would kill a smaller pod, again and again.
                "replay_memory_ceiling": f"{mebibytes(settings.workloads.loki.memory_limit) // 2}MB",
            },
        },
        # Chunks stay in memory for longer than the 3 h for which it is asked by default.
        "querier": {"query_ingesters_within": "0s"},
        "query_range": {"cache_results": True},  # in memory, as nothing else is named
        "server": {
            # Loki's own 4 MiB refuse large batches, and queries with many lines.
            "grpc_server_max_recv_msg_size": MESSAGE_BYTES,
            "grpc_server_max_send_msg_size": MESSAGE_BYTES,
            # Longer than a query may take.
            "http_server_read_timeout": "2m",
            "http_server_write_timeout": "2m",
            "graceful_shutdown_timeout": "5s",  # of the 30 s until the pod is killed
        },
        "analytics": {"reporting_enabled": False},
    }
    return configuration


LATE_HOURS = 12
"""A line that is older than the newest one of its service by more than this is refused for good: half of a chunk's age.

Agents that catch up are that late, while another node's has told what is new; Loki's own hour would lose their lines.
"""
MESSAGE_BYTES = 100 * 1024**2
"""Largest message between Loki's parts: what its clients send at most."""


def _ingestion_limits() -> dict[str, Any]:
    """Limits against a service that runs away. What they refuse is a whole request, which the agent sends again."""
    return {
        "ingestion_rate_mb": LOKI_MEGABYTES_A_SECOND,
        "ingestion_burst_size_mb": 128,  # more than any request has: one above it would be refused for ever
        # Not the limit of a single service: Loki drops what exceeds it and still answers that all is well, if another
        # service's lines follow in the same request.
        "per_stream_rate_limit": "1GB",
        "per_stream_rate_limit_burst": "1GB",
        # The parts would hide from Loki that a line which is sent again is there already.
        "shard_streams": {"enabled": False},
        "max_global_streams_per_user": LOKI_STREAMS,
    }


def _object_store(settings: Settings) -> dict[str, Any]:
    region = settings.aws.region if settings.aws else None
    return {"type": "s3", "bucketNames": {"chunks": settings.logs.bucket}, "s3": {"region": region}}


def agent_configuration(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """The agent's configuration: the file beside this module with what it masks and which events it counts."""
    configuration = _masking(AGENT_CONFIGURATION)
    configuration["processors"]["transform/parse"]["log_statements"][-1]["statements"] += log_events.statements(
        catalogue.events
    )
    configuration["connectors"]["count"]["logs"] |= log_events.counts(catalogue.events)
    _count_from_the_beginning(configuration)
    configuration["processors"]["redaction/attributes"] |= redaction.attributes()
    if settings.workloads.prometheus.replicas > 1:
        _count_on_every_replica(configuration, settings.workloads.prometheus.replicas)
    if settings.tracing:
        configuration["exporters"]["otlp_grpc/tempo"] = {"endpoint": TEMPO_OTLP, "tls": {"insecure": True}}
        configuration["service"]["pipelines"]["traces"] = {
            "receivers": ["otlp"],
            "processors": ["memory_limiter", "resource", "redaction/attributes"],
            "exporters": ["otlp_grpc/tempo"],
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
        "fullnameOverride": "log-agent",
        "mode": "daemonset",
        "image": {"repository": AGENT_IMAGE},
        "command": {"name": "start/agent", "extraArgs": [f"--feature-gates={AGENT_GATES}"]},
        "initContainers": [_start()],
        "alternateConfig": agent_configuration(settings, catalogue),
        "extraEnvs": [
            {"name": "CLUSTER_NAME", "value": settings.cluster},
            {"name": "LOG_NAMESPACES", "value": ",".join((catalogue.namespace, *settings.logs.namespaces))},
            {"name": "LOKI_OTLP_URL", "value": f"{loki(settings)}/otlp"},
            {"name": "PROMETHEUS_OTLP_URL", "value": OTLP_RECEIVER},
        ],
        "resources": sizing.of(settings.workloads.log_agent),
        # The node's log files belong to root: read them, and nothing more.
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": ["DAC_READ_SEARCH"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
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


def _start() -> dict[str, Any]:
    """Puts a shell and the agent's start beside the collector, whose image has nothing but the collector."""
    return {
        "name": "start",
        "image": BUSYBOX,
        "command": ["sh", "-c", 'cp /bin/busybox /start && printf %s "$AGENT" >/start/agent && chmod 755 /start/agent'],
        "env": [{"name": "AGENT", "value": AGENT_START.read_text().replace("$", "$$")}],  # Kubernetes halves them
        "volumeMounts": [{"name": "start", "mountPath": "/start"}],
        "resources": sizing.SMALL,
        "securityContext": {
            "runAsUser": 0,
            "runAsGroup": 0,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _count_from_the_beginning(configuration: dict[str, Any]) -> None:
    """Count no line that is older than the agent's state: what its first start finds has not happened now."""
    new = "log.time_unix_nano >= ${env:AGENT_BEGAN:-0}"
    for counted in configuration["connectors"]["count"]["logs"].values():
        counted["conditions"] = [f"{condition} and {new}" for condition in counted.get("conditions", [])] or [new]


def events_values(settings: Settings) -> dict[str, Any]:
    """Values of the same chart for the events of the cluster: one replica, which may read events and nothing else."""
    return {
        "fullnameOverride": "kubernetes-events",
        "mode": "deployment",
        "replicaCount": 1,  # a second one would tell everything twice
        "rollout": {"strategy": "Recreate"},
        "image": {"repository": AGENT_IMAGE},
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
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,  # the image's own
            "runAsGroup": 10001,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "ports": _ports(otlp=False),
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
