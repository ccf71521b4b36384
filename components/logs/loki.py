"""Values of Loki's chart. Pure functions."""

from __future__ import annotations

from typing import Any

import pulumi

from components import sizing, storage
from facts import LOKI_MEGABYTES_A_SECOND, LOKI_STREAMS
from quantities import mebibytes, seconds
from settings import Aws, Retention, Settings

SERVICE_ACCOUNT = "loki"
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
LATE_HOURS = 12
"""A line that is older than the newest one of its service by more than this is refused for good: half of a chunk's age.

Agents that catch up are that late, while another node's has told what is new; Loki's own hour would lose their lines.
"""
MESSAGE_BYTES = 100 * 1024**2
"""Largest message between Loki's parts: what its clients send at most."""


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
        # It asks the API server for nothing; AWS' own token is mounted by the role's annotation.
        "defaults": {"automountServiceAccountToken": False},
        "serviceAccount": {"name": SERVICE_ACCOUNT, "automountServiceAccountToken": False},
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
    objects = _object_store(settings.aws)
    store = objects["type"]
    # Of two copies both must be written: only from three on can one replica be away.
    replication = 3 if settings.logs.mode == "distributed" or settings.workloads.loki.replicas >= 3 else 1
    kept = settings.retention
    hours = _hours(kept.logs)
    configuration: dict[str, Any] = {
        "auth_enabled": False,
        "commonConfig": {"replication_factor": replication},
        "storage": objects,
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
            **({"retention_stream": _by_service(kept)} if kept.logs_by_service else {}),
            # A chunk is deleted when all of it is too old; until then its old lines are not shown. Loki knows one such
            # limit: the lines of a service that is kept for less are shown until their chunk goes.
            "max_query_lookback": _hours(max([kept.logs, *kept.logs_by_service.values()], key=seconds)),
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


def _by_service(kept: Retention) -> list[dict[str, Any]]:
    """Loki tells lines apart by the labels of their stream alone: by service, and not by what a line is about."""
    return [
        {"selector": f'{{service_name="{name}"}}', "priority": 1, "period": _hours(span)}
        for name, span in sorted(kept.logs_by_service.items())
    ]


def _hours(span: str) -> str:
    return f"{seconds(span) // 3600}h"


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


def _object_store(aws: Aws | None) -> dict[str, Any]:
    if aws and aws.log_bucket:
        return {"type": "s3", "bucketNames": {"chunks": aws.log_bucket}, "s3": {"region": aws.region}}
    return {"type": "filesystem"}
