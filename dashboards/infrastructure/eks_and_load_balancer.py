"""Does AWS's part of the cluster keep up: its API server, and the load balancer before it?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards.board import Row
from dashboards.infrastructure.aws import CLOUDWATCH_PERIOD, FOUND_LATE, NAMED_LATE, NAMED_SUM, aws_row
from dashboards.panels import Query, above, timeseries


def row() -> Row:
    """The API server's requests and storage, and the load balancer's connections."""
    return aws_row(
        "EKS control plane and load balancer",
        timeseries(
            "EKS API requests",
            Query(
                f"sum by (dimension_cluster_name) (aws_eks_apiserver_request_total_sum) / {CLOUDWATCH_PERIOD}",
                "{{dimension_cluster_name}} requests",
            ),
            Query(
                f"sum by (dimension_cluster_name) (aws_eks_apiserver_request_total_5_xx_sum) / {CLOUDWATCH_PERIOD}",
                "{{dimension_cluster_name}} 5xx",
            ),
            shows="Requests per second to the cluster's API server, and those it answered with a 5xx status. "
            f"{NAMED_SUM}",
            wrong="5xx answers: a control plane update, or a webhook that fails. A flood: a controller in a loop.",
            unit=units.RequestsPerSecond,
        ),
        timeseries(
            "EKS API latency",
            Query(
                "max by (dimension_cluster_name) (aws_eks_apiserver_request_duration_seconds_get_p99_average)",
                "{{dimension_cluster_name}}",
            ),
            shows="99 % of the reads of single objects were answered by the cluster's API server within this time. "
            f"{NAMED_LATE}",
            wrong="Above 1 s everything in the cluster is late: a flood of requests beside it, or a busy control "
            "plane, which AWS enlarges by itself within minutes.",
            unit=units.Seconds,
            limits=above(0.5, 1),
        ),
        timeseries(
            "EKS control plane storage",
            Query(
                "max by (dimension_cluster_name) (aws_eks_apiserver_storage_size_bytes_maximum)",
                "{{dimension_cluster_name}}",
            ),
            shows="Size of the control plane's database. At 8 GiB the cluster becomes read-only.",
            wrong="Find the kind of object that grows, often Events or Helm release Secrets, and delete the old ones.",
            unit=units.BytesIEC,
            limits=above(4 * 2**30, 6 * 2**30),
        ),
        timeseries(
            "Load balancer flows",
            Query(
                "sum by (dimension_load_balancer) (aws_networkelb_active_flow_count_average)",
                "{{dimension_load_balancer}}",
            ),
            shows=f"Connections open through the network load balancer. {FOUND_LATE}",
            wrong="None while users are active: check its target health and DNS. A flood: see the gateway's request "
            "rate.",
            unit=units.Short,
        ),
        timeseries(
            "Load balancer traffic",
            Query(
                f"sum by (dimension_load_balancer) (aws_networkelb_processed_bytes_sum) / {CLOUDWATCH_PERIOD}",
                "{{dimension_load_balancer}}",
            ),
            shows=f"Bytes per second through the network load balancer, both ways. {FOUND_LATE}",
            wrong="More bytes for the same requests: an answer has grown, or files are being fetched.",
            unit=units.BytesPerSecondIEC,
        ),
        timeseries(
            "Load balancer resets",
            *(
                Query(
                    f"sum by (dimension_load_balancer) (aws_networkelb_tcp_{party}_reset_count_sum)",
                    "{{dimension_load_balancer}} by the " + name,
                )
                for party, name in (("elb", "load balancer"), ("target", "target"))
            ),
            shows=f"Connections broken off in {CLOUDWATCH_PERIOD // 60} min, by the load balancer or by the gateway "
            f"behind it. {FOUND_LATE}",
            wrong="By the load balancer: its target is unhealthy, or connections were idle for too long. By the "
            "target: the gateway restarts or refuses.",
            unit=units.Short,
            limits=above(50, 500),
        ),
    )
