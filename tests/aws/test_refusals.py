"""Inputs that AWS refuses are refused here too, by moto or by the limits that calls are held against."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from tests.aws.account import Account, RefusedError
from tests.aws.conftest import Rendering

TRUST = {
    "Effect": "Allow",
    "Action": "sts:AssumeRoleWithWebIdentity",
    "Principal": {"Federated": "arn:aws:iam::123456789012:oidc-provider/example.org"},
}
ALLOWED = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::some-bucket/*"}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def test_what_nobody_mapped_fails(account: Account) -> None:
    with pytest.raises(LookupError, match=r"aws\.s3\.Bucket: \['acl'\]: say in CALLS"):
        account.create("aws.s3.Bucket", {"bucket": "some-bucket", "acl": "public-read"})
    with pytest.raises(LookupError, match=r"aws\.ec2\.Vpc: say in CALLS"):
        account.create("aws.ec2.Vpc", {})


LIMITS = [
    ("aws.s3.Bucket", {"bucket": "Some_Bucket"}, "no host name"),
    ("aws.s3.Bucket", {"bucket": "b" * 64}, "no host name"),
    ("aws.s3.Bucket", {"bucket": "some-bucket", "region": "us-west-9"}, "us-west-9' is none of"),
    ("aws.iam.Role", {"name": "r" * 65}, "65 characters, not 1 to 64"),
    ("aws.iam.Role", {"name": "a role"}, "RoleName: 'a role' does not match"),
    ("aws.iam.Role", {"assumeRolePolicy": policy(*[TRUST] * 20)}, "more than the quota of 2048"),
    ("aws.iam.RolePolicy", {"name": "p" * 129}, "129 characters, not 1 to 128"),
    ("aws.iam.RolePolicy", {"policy": policy(*[ALLOWED] * 200)}, "more than the quota of 10240"),
]
"""What moto takes, mostly; the model or a quota refuses it."""

MOTO = [
    ("aws.s3.BucketPublicAccessBlock", {"bucket": "another-bucket"}, "NoSuchBucket"),
    ("aws.iam.Role", {"name": "role-1", "assumeRolePolicy": "{"}, "MalformedPolicyDocument"),
    ("aws.iam.Role", {"name": "role-2", "assumeRolePolicy": policy(ALLOWED)}, "MalformedPolicyDocument"),
    ("aws.iam.RolePolicy", {"role": "another-role"}, "NoSuchEntity"),
    ("aws.s3.BucketPolicy", {"bucket": "another-bucket"}, "NoSuchBucket"),
    ("aws.s3.BucketLifecycleConfiguration", {"rules": [{"status": "on"}]}, "is none of"),
    ("aws.iam.RolePolicy", {"policy": "{"}, "MalformedPolicyDocument"),
    ("aws.iam.RolePolicy", {"policy": policy({**ALLOWED, "Effect": "allow"})}, "MalformedPolicyDocument"),
    ("aws.iam.RolePolicy", {"policy": policy({**ALLOWED, "Action": "GetObject"})}, "MalformedPolicyDocument"),
    ("aws.iam.RolePolicy", {"policy": policy({**ALLOWED, "Resource": "some-bucket"})}, "MalformedPolicyDocument"),
    (
        "aws.iam.RolePolicy",
        {"policy": policy({**ALLOWED, "Condition": {"StringEqual": {"aws:RequestedRegion": "us-west-2"}}})},
        "MalformedPolicyDocument",
    ),
    ("aws.s3.BucketPublicAccessBlock", {"blockPublicAcls": "yes"}, "Invalid type for parameter"),
]
"""What moto, or botocore's own check, refuses."""


@pytest.mark.parametrize(("kind", "wrong", "why"), [*LIMITS, *MOTO])
def test_an_input_that_aws_refuses_fails(
    account: Account, rendering: Rendering, kind: str, wrong: dict[str, Any], why: str
) -> None:
    with pytest.raises((RefusedError, ClientError, ParamValidationError), match=why):
        account.create(kind, rendering.of(kind)[0] | wrong)
