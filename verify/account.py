"""What only AWS knows before a deployment: whether roles work, and whether `aws.tags` find anything.

Where there are no credentials, or they do not allow the question, the answer is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from settings.model import Aws
from verify.finding import Finding

TAGGED = ("elasticloadbalancing:loadbalancer", "elasticache:cluster")
"""What is found by its tags."""


def provider(aws: Aws) -> list[Finding]:
    """The cluster's issuer of tokens is an identity provider of the account, so that pods may take roles."""

    def look() -> list[Finding]:
        eks = _client("eks", aws)
        try:
            cluster = eks.describe_cluster(name=aws.cluster_name)["cluster"]
        except eks.exceptions.ResourceNotFoundException:
            what = f"aws.clusterName: {aws.region} has no cluster {aws.cluster_name}"
            return [Finding(what, f"aws eks list-clusters --region {aws.region} lists them")]
        issuer = cluster["identity"]["oidc"]["issuer"].removeprefix("https://")
        known = _client("iam", aws).list_open_id_connect_providers()["OpenIDConnectProviderList"]
        if any(each["Arn"].endswith(f":oidc-provider/{issuer}") for each in known):
            return []
        remedy = f"eksctl utils associate-iam-oidc-provider --cluster {aws.cluster_name} --approve"
        return [Finding(f"the account has no OpenID Connect provider for {issuer}: no pod can take a role", remedy)]

    return _asked(look)


def tags(aws: Aws) -> list[Finding]:
    """Each kind of resource that is found by `aws.tags` is found."""

    def look() -> list[Finding]:
        filters = [{"Key": name} for name in aws.tags]
        pages = (
            _client("resourcegroupstaggingapi", aws)
            .get_paginator("get_resources")
            .paginate(TagFilters=filters, ResourceTypeFilters=list(TAGGED))
        )
        found = [
            item["ResourceARN"] for page in pages for item in page["ResourceTagMappingList"] if _matches(item, aws)
        ]
        return [
            Finding(
                f"aws.tags find no {kind} in {aws.region}: nothing is measured of it",
                "correct aws.tags, or tag the resource; aws resourcegroupstaggingapi get-resources lists what has tags",
            )
            for kind in TAGGED
            if not any(f":{kind.partition(':')[0]}:" in arn for arn in found)
        ]

    return _asked(look)


def bucket(aws: Aws, name: str) -> list[Finding]:
    """The name of the log bucket, of which there is one in all of AWS, is free."""

    def look() -> list[Finding]:
        try:
            _client("s3", aws).head_bucket(Bucket=name)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status == HTTPStatus.NOT_FOUND:
                return []
            if status in (HTTPStatus.FORBIDDEN, HTTPStatus.MOVED_PERMANENTLY):
                what = f"the bucket {name} belongs to another account or region, or this user may not see it"
                return [Finding(what, "choose another aws.logBucket, such as one with the account's number in it")]
            raise
        what = f"the bucket {name} is there: if this stack has not made it, pulumi up fails"
        return [
            Finding(what, f"pulumi import aws:s3/bucket:Bucket logs {name}, or another aws.logBucket", unknown=True)
        ]

    return _asked(look)


def _matches(item: dict[str, Any], aws: Aws) -> bool:
    has = {tag["Key"]: tag["Value"] for tag in item["Tags"]}
    return all(re.search(pattern, has.get(name, "")) for name, pattern in aws.tags.items())


def _client(service: str, aws: Aws) -> Any:
    return boto3.client(service, region_name=aws.region)


def _asked(look: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return look()
    except (BotoCoreError, ClientError) as error:
        remedy = "log in to the account (aws sts get-caller-identity), with a role that may read it"
        return [Finding(f"it could not be checked: AWS: {error}", remedy, unknown=True)]
