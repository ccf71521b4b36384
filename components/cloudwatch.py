"""CloudWatch: the exporter for EKS, DynamoDB, the load balancer, Redis and the bill, and the role it reads with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import yaml

import parts
from components import charts, security, sizing
from components.aws_role import ServiceAccountRole, ServiceAccountRoleArgs
from quantities import seconds
from settings import Aws, Settings

NAME = parts.CLOUDWATCH_EXPORTER.release
BILLING_REGION = "us-east-1"
PERIOD_SECONDS = 300
LENGTH_SECONDS = 600
DELAY_SECONDS = 120
"""CloudWatch completes a figure one to two minutes after its period. The exporter waits for that where it finds the
resources itself; of named ones it asks up to now, whatever a metric's own `delay` says, and logs that it ignores it."""
DOLLARS_PER_METRIC = 0.01 / 1000
"""Price of a metric that GetMetricData asks for, and of a call of GetMetricStatistics (AWS price list, 2026)."""
SECONDS_PER_MONTH = 2_592_000
DYNAMODB_OPERATIONS = ("GetItem", "PutItem", "UpdateItem", "Query", "Scan")
"""What the services do to a table."""


@dataclass(frozen=True)
class Job:
    """One namespace of CloudWatch: what is asked, and of which resources."""

    namespace: str
    dimensions: tuple[str, ...]
    statistics: dict[str, tuple[str, ...]]
    """Statistics asked for, by metric."""
    resources: tuple[tuple[str, ...], ...] = ()
    """The dimensions' values of each resource; none: those that carry the stack's tags, found by the exporter."""

    @property
    def queries(self) -> int:
        """Requests that one round is charged for; a job that finds its resources is priced as if it found one.

        Of a named resource the exporter asks for all statistics of a metric at once, of a found one for each by itself.
        """
        if self.resources:
            return len(self.resources) * len(self.statistics)
        return sum(len(statistics) for statistics in self.statistics.values())


@dataclass(frozen=True, kw_only=True)
class CloudWatchArgs:
    """What the exporter depends on."""

    aws: Aws
    settings: Settings
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
            settings=args.settings,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})


def jobs(aws: Aws) -> list[Job]:
    """Every metric that is asked for, with its price's factors."""
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
            tuple((table,) for table in aws.tables),
        ),
        Job(
            "AWS/DynamoDB",
            ("TableName", "Operation"),
            {
                # The count is that of the requests that did not fail.
                "SuccessfulRequestLatency": ("Average", "SampleCount"),
                "ThrottledRequests": total,
                "SystemErrors": total,
            },
            tuple((table, operation) for table in aws.tables for operation in DYNAMODB_OPERATIONS),
        ),
        Job(
            "AWS/EKS",
            ("ClusterName",),
            {
                "apiserver_request_total": total,
                "apiserver_request_total_5XX": total,
                "apiserver_request_duration_seconds_GET_P99": ("Average",),
                "apiserver_storage_size_bytes": ("Maximum",),
            },
            ((aws.cluster_name,),),
        ),
        Job(
            "AWS/NetworkELB",
            ("LoadBalancer",),
            {
                "ActiveFlowCount": ("Average",),
                "ProcessedBytes": total,
                "TCP_ELB_Reset_Count": total,
                "TCP_Target_Reset_Count": total,
            },
        ),
        Job(
            "AWS/ElastiCache",
            ("CacheClusterId",),
            {
                "CPUUtilization": ("Average",),
                "EngineCPUUtilization": ("Average",),
                "DatabaseMemoryUsagePercentage": ("Average",),
                "CurrConnections": ("Average",),
                "Evictions": total,
            },
        ),
    ]


def exporter_configuration(aws: Aws) -> dict[str, Any]:
    """The exporter's configuration: named resources are asked for as such, the others found by their tags.

    A job's type must be the namespace itself: its aliases are refused.
    """
    named = [static for job in jobs(aws) for static in _static(job, aws)]
    found = [_discovery(job, aws) for job in jobs(aws) if not job.resources]
    bill = [_bill()] if aws.billing else []
    bill_by_service = [_bill_by_service()] if aws.billing else []
    return {
        "apiVersion": "v1alpha1",
        "sts-region": aws.region,
        "discovery": {"jobs": [*found, *bill_by_service]},
        "static": [*named, *bill],
    }


def _static(job: Job, aws: Aws) -> list[dict[str, Any]]:
    """One entry for each named resource. It needs no tag, and neither finds nor pays for anybody else's.

    Sums of the newest period lack what CloudWatch does not have yet, up to 40 %. To find these resources too would
    complete them, but tell errors later: CloudWatch lists a metric only up to 15 minutes after its first figure.
    """
    return [
        {
            "name": "-".join(values),
            "namespace": job.namespace,
            "regions": [aws.region],
            "dimensions": [{"name": name, "value": value} for name, value in zip(job.dimensions, values, strict=True)],
            # What has no figure has no series: the exporter shows a missing sum as zero only of resources it finds.
            "metrics": [
                {
                    "name": metric,
                    "statistics": list(statistics),
                    "period": PERIOD_SECONDS,
                    "length": LENGTH_SECONDS,
                }
                for metric, statistics in job.statistics.items()
            ],
        }
        for values in job.resources
    ]


def _discovery(job: Job, aws: Aws) -> dict[str, Any]:
    return {
        "type": job.namespace,
        "regions": [aws.region],
        "dimensionNameRequirements": list(job.dimensions),
        "period": PERIOD_SECONDS,
        "length": LENGTH_SECONDS,
        "delay": DELAY_SECONDS,
        "searchTags": [{"key": key, "value": value} for key, value in aws.tags.items()],
        "metrics": [
            # A missing sum is zero; a missing average is NaN.
            {"name": metric, "statistics": list(statistics), "nilToZero": statistics == ("Sum",)}
            for metric, statistics in job.statistics.items()
        ],
    }


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
    """Dollars a month for asking CloudWatch: metrics requested, times rounds, times the price.

    An estimate: a load balancer, a cache and a bill of twelve services are assumed, and no free tier.
    """
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
        "serviceAccount": {
            "name": NAME,
            "annotations": {"eks.amazonaws.com/role-arn": role_arn},
            "automountServiceAccountToken": False,  # AWS' own token is mounted by the role's annotation
        },
        "config": yaml.dump(exporter_configuration(aws), Dumper=yaml.CSafeDumper, sort_keys=False),
        "extraArgs": {"scraping-interval": seconds(aws.interval), "labels-snake-case": True},
        "extraEnv": [{"name": "AWS_REGION", "value": aws.region}],
        "resources": sizing.sized("20m", "64Mi", "200m", "256Mi"),
        # The image names its user, and only a number proves that it is not root.
        "podSecurityContext": {"runAsNonRoot": True, "runAsUser": 65534, "fsGroup": 65534},
        "securityContext": security.LOCKED,
        "testConnection": False,
        "serviceMonitor": {"enabled": True, "interval": "60s", "timeout": "30s"},
    }
