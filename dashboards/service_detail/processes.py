"""What do the service's processes use, and do they stay up?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, above, bars, timeseries
from dashboards.promql import series
from dashboards.service_detail.selectors import SERVICE
from dashboards.terminations import last_terminations

PROCESS = f'namespace=~"$namespace", {SERVICE}'
CONTAINER = 'namespace=~"$namespace", container=~"$service"'


def row() -> Row:
    """CPU, memory, descriptors and restarts by pod, and why containers ended."""
    return board.row(
        "Processes",
        timeseries(
            "CPU",
            Query(
                f"sum by (service, pod) (rate({series('process_cpu_seconds_total', PROCESS)}[$__rate_interval]))",
                "{{pod}}",
            ),
            shows="CPU cores that each process uses, as it counts them itself.",
            wrong="Compare with the request rate: more CPU for the same traffic came with a change of code or data.",
            unit=units.Short,
            soft_max=0.1,
        ),
        timeseries(
            "Memory",
            Query(f"sum by (service, pod) ({series('process_resident_memory_bytes', PROCESS)})", "{{pod}}"),
            shows="Resident memory of each process.",
            wrong="A steady climb over hours is a leak: the container will be killed at its limit.",
            unit=units.BytesIEC,
        ),
        timeseries(
            "Open file descriptors",
            Query(
                f"max by (service, pod) ({series('process_open_fds', PROCESS)} / {series('process_max_fds', PROCESS)})",
                "{{pod}}",
            ),
            shows="Open files and sockets as a share of what the process may open.",
            wrong="A climb means that connections are not closed: look for a slow or failing dependency.",
            unit=units.PercentUnit,
            limits=above(0.7, 0.9),
        ),
        bars(
            "Restarts",
            Query(
                "sum by (container, pod) "
                f"(increase({series('kube_pod_container_status_restarts_total', CONTAINER)}[$__range]))",
                "{{pod}}",
            ),
            shows="Restarts of the service's containers in the chosen time range.",
            wrong="Read the last lines before the restart below; `kubectl describe pod` gives the reason.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 3),
        ),
        last_terminations(CONTAINER, width=16),
    )
