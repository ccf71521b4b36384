"""Resource requests and limits in the shape that Kubernetes wants."""

from __future__ import annotations

from typing import Any

from settings import Resources


def sized(cpu: str, memory: str, cpu_limit: str, memory_limit: str) -> dict[str, Any]:
    """Requests and limits of one container."""
    return {
        "requests": {"cpu": cpu, "memory": memory},
        "limits": {"cpu": cpu_limit, "memory": memory_limit},
    }


def of(workload: Resources) -> dict[str, Any]:
    """Requests and limits that the stack's settings give a workload."""
    return sized(workload.cpu, workload.memory, workload.cpu_limit, workload.memory_limit)


SMALL = sized("10m", "48Mi", "100m", "128Mi")
"""For exporters, sidecars and reloaders, whose load does not depend on the application's."""
EVENTS = sized("20m", "96Mi", "200m", "256Mi")
"""For the collector of Kubernetes events, which keeps those of the last hour in memory."""
SAMPLER = sized("20m", "96Mi", "500m", "384Mi")
"""For the sampler of traces: ten thousand of them, of some 10 KiB each."""
OPERATOR = sized("50m", "96Mi", "500m", "256Mi")
"""For the Prometheus operator."""
