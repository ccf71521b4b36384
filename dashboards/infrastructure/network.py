"""What do nodes and pods send and receive, what is lost, and how long does it take?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.infrastructure.selectors import NODE, POD
from dashboards.panels import Query, above, timeseries, to_service
from dashboards.promql import series

REAL_DEVICE = 'device!~"lo|veth.*|cali.*|cni.*|eni.*|docker.*|br-.*"'
"""Network devices that carry a node's own traffic; pod interfaces would count the same bytes again."""


def row() -> Row:
    """Traffic, drops and connections of the nodes, and the probes of the services."""
    return board.row(
        "Network performance and latency",
        timeseries(
            "Node traffic",
            *(
                Query(
                    "sum by (instance) "
                    f"(rate({series(f'node_network_{way}_bytes_total', NODE, REAL_DEVICE)}[$__rate_interval]))",
                    "{{instance}} " + way,
                )
                for way in ("receive", "transmit")
            ),
            shows="Bytes per second that each node receives and sends.",
            wrong="Near the instance type's bandwidth everything slows: spread the pods or take a larger type.",
            unit=units.BytesPerSecondIEC,
        ),
        timeseries(
            "Pod traffic",
            *(
                Query(
                    "topk(8, sum by (namespace, pod) "
                    f"(rate({series(f'container_network_{way}_bytes_total', POD)}[$__rate_interval])))",
                    "{{pod}} " + way,
                )
                for way in ("receive", "transmit")
            ),
            shows="Bytes per second of the eight pods that receive and the eight that send most.",
            wrong="A pod that sends far more than it used to: large answers, a retry loop, or data leaving.",
            unit=units.BytesPerSecondIEC,
        ),
        timeseries(
            "Network errors and drops",
            *(
                Query(
                    "sum by (instance) "
                    f"(rate({series(f'node_network_{way}_{fault}_total', NODE, REAL_DEVICE)}[$__rate_interval]))",
                    "{{instance}} " + f"{way} {fault}",
                )
                for way in ("receive", "transmit")
                for fault in ("errs", "drop")
            ),
            shows="Packets per second that each node's network devices failed or dropped.",
            wrong="Steady drops: the instance's allowance is exceeded, or its queue is too short.",
            unit=units.PacketsPerSecond,
        ),
        timeseries(
            "Packets dropped by pod",
            *(
                Query(
                    "topk(8, sum by (namespace, pod) "
                    f"(rate({series(f'container_network_{way}_packets_dropped_total', POD)}[$__rate_interval])))",
                    "{{pod}} " + way,
                )
                for way in ("receive", "transmit")
            ),
            shows="Packets per second dropped at the network devices of pods, for the eight pods with most each way.",
            wrong="One pod: it reads more slowly than it is sent to, often out of CPU. All pods of a node: see the "
            "node's drops beside it.",
            unit=units.PacketsPerSecond,
        ),
        timeseries(
            "TCP retransmissions",
            Query(
                f"""
                rate({series("node_netstat_Tcp_RetransSegs", NODE)}[$__rate_interval])
                  /
                (rate({series("node_netstat_Tcp_OutSegs", NODE)}[$__rate_interval]) > 0)
                """,
                "{{instance}}",
            ),
            shows="Share of sent TCP segments that had to be sent again.",
            wrong="Above 1 % connections stall: look for drops beside it, or for a distant party that is overloaded.",
            unit=units.PercentUnit,
            limits=above(0.01, 0.05),
        ),
        timeseries(
            "Connections tracked",
            Query(
                f"""
                max by (instance) (
                  {series("node_nf_conntrack_entries", NODE)} / {series("node_nf_conntrack_entries_limit", NODE)}
                )
                """,
                "{{instance}}",
            ),
            shows="Connections tracked by each node's kernel, as a share of its limit.",
            wrong="When the table is full, the node drops new connections at random, name look-ups first: find the "
            "pod that opens them.",
            unit=units.PercentUnit,
            limits=above(0.75, 0.9),
            maximum=1,
        ),
        timeseries(
            "Probe duration",
            Query(
                'max by (service) (probe_duration_seconds{job="service-probes"})',
                "{{service}}",
            ),
            shows="Round trip inside the cluster to each service's health endpoint: the network plus a static answer.",
            wrong="All services slower: DNS or the network. One alone: click on its line for its detail.",
            unit=units.Seconds,
            limits=above(1, 5),
            drill=to_service(),
            width=12,
        ),
        timeseries(
            "Probe phases",
            Query(
                'max by (phase) (probe_http_duration_seconds{job="service-probes"})',
                "{{phase}}",
            ),
            shows="Where the slowest probe of a health endpoint spends its time: looking up the name (resolve), "
            "connecting, waiting for the answer (processing), reading it (transfer).",
            wrong="resolve: CoreDNS is slow or loses packets. connect: the network. processing: the service itself.",
            unit=units.Seconds,
            limits=above(0.5, 1),
            width=12,
        ),
    )
