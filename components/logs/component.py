"""Logs: Loki, and the agent on every node that feeds it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import s3

import parts
from catalogue import Catalogue
from components import charts
from components.aws_role import ServiceAccountRole, ServiceAccountRoleArgs
from components.logs.agent import agent_values, events_values
from components.logs.loki import SERVICE_ACCOUNT, loki_values
from settings import Settings


@dataclass(frozen=True, kw_only=True)
class LogsArgs:
    """What the logs depend on."""

    settings: Settings
    catalogue: Catalogue
    namespace: pulumi.Input[str]


class Logs(pulumi.ComponentResource):
    """Loki, on a volume or on a bucket of its own, the log agent, and the collector of Kubernetes events."""

    def __init__(self, name: str, args: LogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monitoring:index:Logs", name, {}, opts)
        settings, aws = args.settings, args.settings.aws
        role_arn = None
        if aws and aws.log_bucket:
            role_arn = self._bucket(aws.log_bucket, aws.cluster_name, protect=settings.storage.protect)
        loki_release = charts.install(
            charts.LOKI,
            parts.LOKI.release,
            namespace=args.namespace,
            values=loki_values(settings, role_arn),
            settings=settings,
            opts=pulumi.ResourceOptions(parent=self),
        )
        charts.install(
            charts.LOG_AGENT,
            parts.LOG_AGENT.release,
            namespace=args.namespace,
            values=agent_values(settings, args.catalogue),
            settings=settings,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[loki_release]),
        )
        charts.install(
            charts.LOG_AGENT,
            parts.KUBERNETES_EVENTS.release,
            namespace=args.namespace,
            values=events_values(settings),
            settings=settings,
            opts=pulumi.ResourceOptions(parent=self, depends_on=[loki_release]),
        )
        self.register_outputs({})

    def _bucket(self, name: str, cluster: str, *, protect: bool) -> pulumi.Output[str]:
        """The bucket and the role that lets Loki in this cluster use it; returns the role's ARN."""
        bucket = s3.Bucket(
            "logs",
            bucket=name,
            opts=pulumi.ResourceOptions(parent=self, protect=protect, retain_on_delete=protect),
        )
        s3.BucketPublicAccessBlock(
            "logs",
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=pulumi.ResourceOptions(parent=self),
        )
        s3.BucketPolicy(
            "logs",
            bucket=bucket.id,
            policy=json.dumps(encrypted_only(name)),
            opts=pulumi.ResourceOptions(parent=self),
        )
        s3.BucketLifecycleConfiguration(
            "logs",
            bucket=bucket.id,
            rules=[
                {
                    "id": "abandoned-uploads",  # of a Loki that was killed: nobody sees them, and they are billed
                    "status": "Enabled",
                    "filter": {"prefix": ""},
                    "abort_incomplete_multipart_upload": {"days_after_initiation": 7},
                }
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
        role = ServiceAccountRole(
            "loki",
            ServiceAccountRoleArgs(
                cluster_name=cluster,
                service_account=SERVICE_ACCOUNT,
                statements=bucket_statements(name),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )
        return role.arn


def encrypted_only(bucket: str) -> dict[str, Any]:
    """The bucket's policy: whoever asks, and for whatever, asks by TLS."""
    arn = f"arn:aws:s3:::{bucket}"
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def bucket_statements(bucket: str) -> list[dict[str, Any]]:
    """What Loki may do: list its bucket, and read, write and delete its objects."""
    arn = f"arn:aws:s3:::{bucket}"
    return [
        {"Effect": "Allow", "Action": ["s3:ListBucket"], "Resource": arn},
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"], "Resource": f"{arn}/*"},
    ]
