"""Is the cluster healthy: are nodes and pods ready, and is there room for more?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.infrastructure.selectors import POD
from dashboards.panels import NEUTRAL, Query, above, stat, states, timeseries
from dashboards.promql import series

CONDITIONS = 4
"""Of a node: its readiness, and pressure on memory, disk and process ids."""

PHASE_COLOURS = {"Running": "green", "Pending": "orange", "Failed": "red", "Unknown": "red"}


def row() -> Row:
    """Nodes and pods by their state, and what all pods have reserved."""
    return board.row(
        "Kubernetes cluster health",
        stat(
            "Nodes ready",
            Query('sum(kube_node_status_condition{condition="Ready", status="true"})', "ready"),
            shows="Nodes that accept pods.",
            wrong="Compare with the nodes not ready beside it and with the node group's size.",
            unit=units.Short,
            limits=[(None, "red"), (1, "green")],
            width=4,
            height=5,
        ),
        stat(
            "Nodes not ready",
            Query(
                'sum(kube_node_status_condition{condition="Ready", status=~"false|unknown"}) or vector(0)',
                "not ready",
            ),
            shows="Nodes that have failed or are unreachable.",
            wrong="`kubectl describe node`, then its instance in EC2; its pods move after 5 minutes.",
            unit=units.Short,
            limits=[(None, "green"), (1, "red")],
            width=5,
            height=5,
        ),
        stat(
            "Pods by phase",
            Query(f"sum by (phase) ({series('kube_pod_status_phase', POD)})", "{{phase}}"),
            shows="Pods in each phase now.",
            wrong="Pending: no node has room, or a volume is missing. Failed: `kubectl describe pod`.",
            unit=units.Short,
            limits=NEUTRAL,
            decimals=0,
            colours=PHASE_COLOURS,
            width=6,
            height=5,
        ),
        stat(
            "Pods not ready",
            Query(
                f"""
                sum(
                  {series("kube_pod_status_ready", POD, condition="true")} == bool 0
                    and on (namespace, pod)
                  {series("kube_pod_status_phase", POD, 'phase=~"Pending|Running"')} == 1
                )
                """,
                "not ready",
            ),
            shows="Pods that should be ready but are not: they are starting, fail their readiness probe, or wait for "
            "a node.",
            wrong="`kubectl get pods` shows which. Unschedulable ones are beside it, crashing ones among the restarts.",
            unit=units.Short,
            limits=above(1, 3),
            width=4,
            height=5,
        ),
        stat(
            "Pods without a node",
            Query(f"sum({series('kube_pod_status_scheduled', POD, condition='false')})", "unschedulable"),
            shows="Pods that fit on no node.",
            wrong="Add a node or lower requests; `kubectl describe pod` names what is missing.",
            unit=units.Short,
            limits=above(1, 3),
            width=5,
            height=5,
        ),
        timeseries(
            "Pods by phase over time",
            Query(f"sum by (phase) ({series('kube_pod_status_phase', POD)})", "{{phase}}"),
            shows="Pods in each phase.",
            wrong="A rise of pending pods together with the resources requested means that the cluster is full.",
            unit=units.Short,
            colours=PHASE_COLOURS,
            stacked=True,
        ),
        states(
            "Node conditions",
            Query(
                """
                max by (node, condition)
                  (kube_node_status_condition{condition!="Ready", status="true"})
                  or
                max by (node, condition)
                  (kube_node_status_condition{condition="Ready", status=~"false|unknown"})
                """,
                "{{node}} {{condition}}",
            ),
            shows="Each node's conditions; red while memory, disk or process ids are short or the node is not ready.",
            wrong="Pressure evicts pods: free memory or disk below, or add a node.",
            unit=units.Short,
            limits=[(None, "green"), (1, "red")],
            bands=CONDITIONS * 3,
            words={0: "fine", 1: "in trouble"},
        ),
        timeseries(
            "Resources requested",
            *(
                Query(
                    f'sum(kube_pod_container_resource_requests{{resource="{resource}"}})'
                    f' / sum(kube_node_status_allocatable{{resource="{resource}"}})',
                    resource,
                )
                for resource in ("cpu", "memory")
            ),
            shows="CPU and memory that all pods have reserved, as a share of what the nodes can give.",
            wrong="Near 100 % new pods stay pending although the nodes look idle: lower requests or add a node.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.95),
        ),
    )
