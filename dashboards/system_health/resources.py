"""Have the services room left?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, above, timeseries, to_service
from dashboards.promql import series
from dashboards.system_health.selectors import SERVICE

CONTAINER = 'namespace=~"$namespace", container=~"$service"'

PROCESS = f'namespace=~"$namespace", {SERVICE}'


def row() -> Row:
    """CPU, memory and descriptors of processes, and of containers against their limits."""
    throttled = series("container_cpu_cfs_throttled_periods_total", CONTAINER)
    periods = series("container_cpu_cfs_periods_total", CONTAINER)
    return board.row(
        "Saturation and resource utilisation",
        timeseries(
            "CPU by service",
            Query(
                f"sum by (service) (rate({series('process_cpu_seconds_total', PROCESS)}[$__rate_interval]))",
                "{{service}}",
            ),
            shows="CPU cores that each service's processes use, as they count it themselves.",
            wrong="Compare with the request rate: more CPU for the same traffic came with a change of code or data.",
            unit=units.Short,
            soft_max=0.1,
            drill=to_service(),
        ),
        timeseries(
            "Memory by service",
            Query(f"sum by (service) ({series('process_resident_memory_bytes', PROCESS)})", "{{service}}"),
            shows="Resident memory of each service's processes.",
            wrong="A steady climb over hours is a leak: the container will be killed at its limit.",
            unit=units.BytesIEC,
            drill=to_service(),
        ),
        timeseries(
            "Open file descriptors",
            Query(
                f"max by (service) ({series('process_open_fds', PROCESS)} / {series('process_max_fds', PROCESS)})",
                "{{service}}",
            ),
            shows="Open files and sockets as a share of what the process may open; the fullest instance.",
            wrong="A climb means that connections are not closed: look for a slow or failing dependency.",
            unit=units.PercentUnit,
            limits=above(0.7, 0.9),
            drill=to_service(),
        ),
        timeseries(
            "Container memory against limit",
            Query(
                f"""
                max by (container) (
                  max by (namespace, pod, container) ({series("container_memory_working_set_bytes", CONTAINER)})
                    /
                  {_limit("memory")}
                )
                """,
                "{{container}}",
            ),
            shows="Memory in use as a share of the container's limit; the fullest pod. At 100 % it is killed.",
            wrong="Raise the limit or find the leak before 100 %; see Infrastructure for restarts.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.9),
            drill=to_service("container"),
        ),
        timeseries(
            "Container CPU against limit",
            Query(
                f"""
                max by (container) (
                  sum by (namespace, pod, container)
                    (rate({series("container_cpu_usage_seconds_total", CONTAINER)}[$__rate_interval]))
                    /
                  {_limit("cpu")}
                )
                """,
                "{{container}}",
            ),
            shows="CPU in use as a share of the container's limit; the busiest pod.",
            wrong="Near 100 % requests wait for CPU: raise the limit or add replicas.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.9),
            drill=to_service("container"),
        ),
        timeseries(
            "CPU throttling",
            Query(
                f"""
                sum by (container) (rate({throttled}[$__rate_interval]))
                  /
                (sum by (container) (rate({periods}[$__rate_interval])) > 0)
                """,
                "{{container}}",
            ),
            shows="Share of scheduling periods in which a container was stopped because its CPU limit was used up.",
            wrong="Explains slow answers at low average CPU: short bursts meet the limit. Raise it.",
            unit=units.PercentUnit,
            limits=above(0.25, 0.5),
            drill=to_service("container"),
        ),
    )


def _limit(resource: str) -> str:
    limits = series("kube_pod_container_resource_limits", CONTAINER, resource=resource)
    return f"max by (namespace, pod, container) ({limits})"
