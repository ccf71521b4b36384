"""Infrastructure: is the cluster healthy, what do AWS's services do and cost, and where does room run out?"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue
from dashboards import board
from dashboards.infrastructure import (
    cluster,
    costs,
    dns_and_kubelets,
    dynamodb,
    eks_and_load_balancer,
    network,
    nodes,
    redis,
    volumes,
    workloads,
)
from dashboards.stack import EVERYTHING, Stack


def build(catalogue: Catalogue, stack: Stack = EVERYTHING) -> Dashboard:
    """The dashboard; it is about the whole cluster, so neither the catalogue nor the stack is used."""
    del catalogue, stack
    return board.dashboard(
        "infrastructure",
        "Infrastructure",
        "Nodes, pods, workloads, volumes and network under the order processor, and the AWS services with their costs.",
        variables=[
            board.datasource(),
            board.choice("instance", "Node", "label_values(node_uname_info, instance)"),
            board.any_namespace(),
            board.choice(
                "table",
                "DynamoDB table",
                "label_values(aws_dynamodb_consumed_read_capacity_units_sum, dimension_table_name)",
            ),
        ],
        rows=[
            cluster.row(),
            workloads.row(),
            nodes.row(),
            dns_and_kubelets.row(),
            volumes.row(),
            network.row(),
            dynamodb.row(),
            eks_and_load_balancer.row(),
            redis.row(),
            costs.row(),
        ],
        since="now-3h",
        links=[board.links_to_tagged("The chart's Kubernetes dashboards", "kubernetes-mixin")],
    )
