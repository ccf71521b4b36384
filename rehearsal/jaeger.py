"""Jaeger, which stands in for Tempo: it takes the spans that the log agent sends, and gives traces by their ids.

For `make up TRACES=1`: it takes long to build, and services need more memory to send spans. It is another program than
the deployed one; docs/proof.md says what is not proven of Tempo.
"""

from __future__ import annotations

from typing import Any

from local import switches
from local.ports import Ports

NAME = "jaeger"
KEPT = 5_000
"""Traces in memory; the oldest go first. Of a healthy system at its usual load those are some ten minutes."""


def from_environment() -> bool | None:
    """Whether `TRACES` asks for it; None if it is not set. Raises RehearsalError if it is neither 1 nor 0."""
    return switches.on("TRACES", "keep traces")


def configuration(ports: Ports) -> dict[str, Any]:
    """One process that keeps the newest traces in memory."""
    return {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": ports.address("jaeger-otlp")}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": KEPT}}}},
            "jaeger_query": {
                "storage": {"traces": "memory"},
                "http": {"endpoint": ports.address("jaeger")},
                "grpc": {"endpoint": ports.address("jaeger-grpc")},
            },
        },
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}},
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
    }
