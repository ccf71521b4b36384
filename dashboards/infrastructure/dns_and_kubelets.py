"""Are names resolved, and do the nodes' kubelets start and watch their pods?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, above, timeseries, where_there_is
from dashboards.promql import quantile

CODES = {"NOERROR": "green", "NXDOMAIN": "blue", "SERVFAIL": "red", "REFUSED": "orange"}
"""Colours of what CoreDNS answers; a name that does not exist is ordinary, as search domains are tried first."""


def row() -> Row:
    """Requests, answers and latency of CoreDNS; pods, errors and latencies of the kubelets."""
    dns = where_there_is(
        "CoreDNS in pods, which EKS Auto Mode does not have",
        timeseries(
            "DNS requests",
            Query("sum by (type) (rate(coredns_dns_requests_total[$__rate_interval]))", "{{type}}"),
            shows="Requests per second to CoreDNS, by type of record.",
            wrong="A steep rise is a client that retries or does not keep connections: find the pod that sends most "
            "below.",
            unit=units.RequestsPerSecond,
        ),
        timeseries(
            "DNS answers by code",
            Query("sum by (rcode) (rate(coredns_dns_responses_total[$__rate_interval]))", "{{rcode}}"),
            shows="Answers per second of CoreDNS, by code. NXDOMAIN is ordinary: a short name is tried with each "
            "search domain.",
            wrong="SERVFAIL: CoreDNS does not reach the API server or the name servers of the network; its log names "
            "the request.",
            unit=units.RequestsPerSecond,
            colours=CODES,
        ),
        timeseries(
            "DNS latency",
            *(
                Query(quantile(share, "coredns_dns_request_duration_seconds_bucket"), f"P{100 * share:g}")
                for share in (0.5, 0.99)
            ),
            shows="Time within which CoreDNS answers half and 99 % of its requests. Interpolated between histogram "
            "bounds.",
            wrong="P99 alone: names outside the cluster, so the name servers of the network are slow. Both: CoreDNS "
            "lacks CPU or replicas.",
            unit=units.Seconds,
            limits=above(0.1, 0.25),
        ),
    )
    return board.row(
        "Cluster DNS and kubelets",
        *dns,
        timeseries(
            "Pods on each node",
            Query("sum by (node) (kubelet_running_pods)", "{{node}} pods"),
            Query('sum by (node) (kubelet_running_containers{container_state="running"})', "{{node}} containers"),
            shows="Pods and containers that run on each node, as its kubelet counts them.",
            wrong="A node far above the others: its pods do not fit elsewhere. A fall to zero: the node was drained or "
            "its container runtime failed.",
            unit=units.Short,
            decimals=0,
            width=6,
        ),
        timeseries(
            "Failed runtime calls",
            Query(
                """
                60 * sum by (node) (rate(kubelet_runtime_operations_errors_total[$__rate_interval]))
                or
                0 * sum by (node) (rate(kubelet_runtime_operations_total[$__rate_interval]))
                """,
                "{{node}}",
            ),
            shows="Calls per minute from each kubelet to its container runtime that failed. A few are ordinary while "
            "pods end. The first failure of each kind after the kubelet starts is not counted.",
            wrong="Sustained: images cannot be pulled, or the runtime is in trouble. `kubectl describe node`, and the "
            "events of its pods.",
            unit=units.EventsPerMinute,
            limits=above(10, 60),
            width=6,
        ),
        timeseries(
            "Kubelet: pod check P99",
            Query(quantile(0.99, "kubelet_pleg_relist_duration_seconds_bucket", by="node"), "{{node}}"),
            shows="Time within which 99 % of each kubelet's checks of all its pods are done (PLEG relist).",
            wrong="Above 10 s: the node's container runtime is slow, often short of CPU or disk. After 3 minutes "
            "without a check the node is not ready.",
            unit=units.Seconds,
            limits=above(1, 10),
            width=6,
        ),
        timeseries(
            "Start of pods P95",
            Query(quantile(0.95, "kubelet_pod_start_duration_seconds_bucket", by="node", window="1h"), "{{node}}"),
            shows="Time within which 95 % of the pods that each node started within the hour before came to run, "
            "downloading their images included.",
            wrong="Above a minute: large images, a slow registry, or volumes that are slow to attach. "
            "`kubectl describe pod` shows which.",
            unit=units.Seconds,
            limits=above(30, 60),
            empty="No pod was started",
            width=6,
        ),
    )
