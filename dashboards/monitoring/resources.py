"""How near are the stack's programs to their limits?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.monitoring.selectors import OURS
from dashboards.panels import Query, above, timeseries
from dashboards.promql import series

CONTAINER = 'container!=""'
"""Without the sum of each pod, which names no container."""


def row() -> Row:
    """Memory and CPU as a share of their limits."""
    memory = series("container_memory_working_set_bytes", OURS, CONTAINER)
    cpu = series("container_cpu_usage_seconds_total", OURS, CONTAINER)
    return board.row(
        "Memory and CPU of the stack",
        timeseries(
            "Memory of its limit",
            Query(
                f"""
                max by (container) (
                  max by (pod, container) ({memory}) / {_limit("memory")}
                )
                """,
                "{{container}}",
            ),
            shows="Memory that each program of the stack uses, as a share of its limit (worst pod).",
            wrong="Prometheus near 100 %: fewer series, or a larger limit, before the kernel OOM-kills it. The same "
            "holds for the others.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.9),
            width=12,
        ),
        timeseries(
            "CPU of its limit",
            Query(
                f"""
                max by (container) (
                  sum by (pod, container) (rate({cpu}[$__rate_interval]))
                  / {_limit("cpu")}
                )
                """,
                "{{container}}",
            ),
            shows="CPU that each program of the stack uses, as a share of its limit (worst pod).",
            wrong="At 100 % it is throttled: late scrapes, slow queries, lagging logs. Raise the limit in the stack.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.9),
            width=12,
        ),
    )


def _limit(resource: str) -> str:
    limits = series("kube_pod_container_resource_limits", OURS, resource=resource)
    return f"max by (pod, container) ({limits})"
