"""IAM roles for service accounts: what a pod may do in AWS without holding a key."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_aws import eks, get_caller_identity_output, iam

from facts import NAMESPACE


@dataclass(frozen=True, kw_only=True)
class ServiceAccountRoleArgs:
    """Who may assume the role, and what it allows."""

    cluster_name: str
    """EKS cluster whose OpenID Connect provider vouches for the service account."""
    service_account: str
    """Service account in the monitoring namespace."""
    statements: Sequence[dict[str, Any]]
    """Statements of the role's only policy."""


class ServiceAccountRole(pulumi.ComponentResource):
    """A role that one service account of one cluster may assume."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: ServiceAccountRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monitoring:index:ServiceAccountRole", name, {}, opts)
        look_up = pulumi.InvokeOptions(parent=self)
        cluster = eks.get_cluster_output(name=args.cluster_name, opts=look_up)
        account = get_caller_identity_output(opts=look_up).account_id
        issuer = cluster.identities[0].oidcs[0].issuer
        trust = pulumi.Output.all(account=account, issuer=issuer).apply(
            lambda found: json.dumps(trust_policy(found["account"], found["issuer"], args.service_account))
        )
        child = pulumi.ResourceOptions(parent=self)
        role = iam.Role(f"{name}-role", assume_role_policy=trust, opts=child)
        iam.RolePolicy(f"{name}-policy", role=role.name, policy=json.dumps(policy(args.statements)), opts=child)
        self.arn = role.arn
        self.register_outputs({"arn": self.arn})


def trust_policy(account: str, issuer: str, service_account: str) -> dict[str, Any]:
    """Lets exactly one service account assume the role, through the cluster's identity provider."""
    provider = issuer.removeprefix("https://")
    return policy(
        [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRoleWithWebIdentity",
                "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{provider}"},
                "Condition": {
                    "StringEquals": {
                        f"{provider}:sub": f"system:serviceaccount:{NAMESPACE}:{service_account}",
                        f"{provider}:aud": "sts.amazonaws.com",
                    }
                },
            }
        ]
    )


def policy(statements: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}
