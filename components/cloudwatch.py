"""CloudWatch: the exporter for EKS, DynamoDB, the load balancer, Redis and the bill, and the role it reads with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import yaml

from components import charts, sizing
from components.aws_role import ServiceAccountRole, ServiceAccountRoleArgs
from settings import Aws, Charts
from validation import seconds

NAME = "cloudwatch-exporter"
BILLING_REGION = "us-east-1"
PERIOD_SECONDS = 300
LENGTH_SECONDS = 600
DOLLARS_PER_METRIC = 0.01 / 1000
"""Price of one metric requested by GetMetricData (AWS price list, 2026); it is not in the free tier."""
SECONDS_PER_MONTH = 2_592_000
DYNAMODB_OPERATIONS = 5
"""GetItem, PutItem, UpdateItem, Query and Scan: an upper bound for what one table reports."""


@dataclass(frozen=True)
class Job:
    """One namespace of CloudWatch: what is asked, and of how many resources."""

    namespace: str
    dimensions: tuple[str, ...]
    statistics: dict[str, tuple[str, ...]]
    """Statistics asked for, by metric."""
    resources: int
    """Upper bound on combinations of the dimensions' values, for the price."""

    @property
    def queries(self) -> int:
        """Metrics requested in one round."""
        return self.resources * sum(len(statistics) for statistics in self.statistics.values())


@dataclass(frozen=True, kw_only=True)
class CloudWatchArgs:
    """What the exporter depends on."""

    aws: Aws
    source: Charts
    namespace: pulumi.Input[str]


class CloudWatch(pulumi.ComponentResource):
    """The exporter and its role."""

    def __init__(self, name: str, args: CloudWatchArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monitoring:index:CloudWatch", name, {}, opts)
        role = ServiceAccountRole(
            "cloudwatch",
            ServiceAccountRoleArgs(
                cluster_name=args.aws.cluster_name, service_account=NAME, statements=read_statements(args.aws)
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        charts.install(
            charts.CLOUDWATCH_EXPORTER,
            NAME,
            namespace=args.namespace,
            values=exporter_values(args.aws, role.arn),
            source=args.source,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def jobs(aws: Aws) -> list[Job]:
    """Every metric that is asked for, with its price's factors."""
    tables = len(aws.tables)
    total = ("Sum",)
    return [
        Job(
            "AWS/DynamoDB",
            ("TableName",),
            {
                "ConsumedReadCapacityUnits": total,
                "ConsumedWriteCapacityUnits": total,
                "ReadThrottleEvents": total,
                "WriteThrottleEvents": total,
            },
            tables,
        ),
        Job(
            "AWS/DynamoDB",
            ("TableName", "Operation"),
            {"SuccessfulRequestLatency": ("Average",), "ThrottledRequests": total, "SystemErrors": total},
            tables * DYNAMODB_OPERATIONS,
        ),
        Job(
            "AWS/EKS",
            ("ClusterName",),
            {
                "apiserver_request_total": total,
                "apiserver_request_total_5XX": total,
                "scheduler_pending_pods_UNSCHEDULABLE": total,
                "apiserver_storage_size_bytes": ("Maximum",),
            },
            1,
        ),
        Job("AWS/NetworkELB", ("LoadBalancer",), {"ActiveFlowCount": ("Average",), "ProcessedBytes": total}, 1),
        Job(
            "AWS/ElastiCache",
            ("CacheClusterId",),
            {
                "CPUUtilization": ("Average",),
                "DatabaseMemoryUsagePercentage": ("Average",),
                "CurrConnections": ("Average",),
                "Evictions": total,
            },
            1,
        ),
    ]


def exporter_configuration(aws: Aws) -> dict[str, Any]:
    """The exporter's configuration. A job's type must be the namespace itself: its aliases are refused."""
    configuration: dict[str, Any] = {
        "apiVersion": "v1alpha1",
        "sts-region": aws.region,
        "discovery": {"jobs": [_discovery(job, aws) for job in jobs(aws)]},
    }
    if aws.billing:
        configuration["static"] = [_bill()]
        configuration["discovery"]["jobs"].append(_bill_by_service())
    return configuration


def _discovery(job: Job, aws: Aws) -> dict[str, Any]:
    discovery: dict[str, Any] = {
        "type": job.namespace,
        "regions": [aws.region],
        "dimensionNameRequirements": list(job.dimensions),
        "period": PERIOD_SECONDS,
        "length": LENGTH_SECONDS,
        "metrics": [
            # A missing sum is zero; a missing average stays missing.
            {"name": metric, "statistics": list(statistics), "nilToZero": statistics == ("Sum",)}
            for metric, statistics in job.statistics.items()
        ],
    }
    if aws.tags:
        discovery["searchTags"] = [{"key": key, "value": value} for key, value in aws.tags.items()]
    return discovery


def _bill() -> dict[str, Any]:
    """The whole bill. AWS updates it a few times a day, so a day is looked back."""
    return {
        "name": "billing-total",
        "namespace": "AWS/Billing",
        "regions": [BILLING_REGION],
        "dimensions": [{"name": "Currency", "value": "USD"}],
        "metrics": [{"name": "EstimatedCharges", "statistics": ["Maximum"], "period": 21600, "length": 86400}],
    }


def _bill_by_service() -> dict[str, Any]:
    return {
        "type": "AWS/Billing",
        "regions": [BILLING_REGION],
        "dimensionNameRequirements": ["ServiceName", "Currency"],
        "period": 21600,
        "length": 86400,
        "metrics": [{"name": "EstimatedCharges", "statistics": ["Maximum"]}],
    }


BILLED_SERVICES = 12
"""Services on the bill, an upper bound for the price of asking."""


def monthly_cost(aws: Aws) -> float:
    """Dollars a month for asking CloudWatch, an upper bound: metrics requested, times rounds, times the price."""
    queries = sum(job.queries for job in jobs(aws)) + (BILLED_SERVICES if aws.billing else 0)
    rounds = SECONDS_PER_MONTH / seconds(aws.interval)
    return round(queries * rounds * DOLLARS_PER_METRIC, 2)


def read_statements(aws: Aws) -> list[dict[str, Any]]:
    """What the exporter may read. CloudWatch and the tagging service have no narrower resource than `*`."""
    regions = [aws.region, *([BILLING_REGION] if aws.billing else [])]
    return [
        {
            "Effect": "Allow",
            "Action": [
                "cloudwatch:GetMetricData",
                "cloudwatch:GetMetricStatistics",
                "cloudwatch:ListMetrics",
                "tag:GetResources",
            ],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:RequestedRegion": regions}},
        },
        {"Effect": "Allow", "Action": ["iam:ListAccountAliases"], "Resource": "*"},
    ]


def exporter_values(aws: Aws, role_arn: pulumi.Input[str]) -> dict[str, Any]:
    """Values of the exporter's chart."""
    return {
        "fullnameOverride": NAME,
        "serviceAccount": {"name": NAME, "annotations": {"eks.amazonaws.com/role-arn": role_arn}},
        "config": yaml.safe_dump(exporter_configuration(aws), sort_keys=False),
        "extraArgs": {"scraping-interval": seconds(aws.interval), "labels-snake-case": True},
        "extraEnv": [{"name": "AWS_REGION", "value": aws.region}],
        "resources": sizing.sized("20m", "64Mi", "200m", "256Mi"),
        # The image names its user, and only a number proves that it is not root.
        "podSecurityContext": {"runAsNonRoot": True, "runAsUser": 65534, "fsGroup": 65534},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "testConnection": False,
        "serviceMonitor": {"enabled": True, "interval": "60s", "timeout": "30s"},
    }
