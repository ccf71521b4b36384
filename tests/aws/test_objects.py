"""The stack's objects in AWS, made with the recorded inputs and read back."""

from __future__ import annotations

import json

from tests.aws.account import Account
from tests.aws.conftest import Rendering


def test_the_bucket_is_in_the_stacks_region_and_shows_nothing_to_the_public(
    account: Account, rendering: Rendering
) -> None:
    s3 = account.client("s3")
    (name,) = [inputs["bucket"] for inputs in rendering.of("aws.s3.Bucket")]
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == [name]
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == account.region
    block = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
    assert block == dict.fromkeys(
        ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
    )


def test_the_bucket_is_asked_by_tls_alone_and_keeps_no_abandoned_uploads(
    account: Account, rendering: Rendering
) -> None:
    s3 = account.client("s3")
    (name,) = [inputs["bucket"] for inputs in rendering.of("aws.s3.Bucket")]
    (statement,) = json.loads(s3.get_bucket_policy(Bucket=name)["Policy"])["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert statement["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    (rule,) = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
    assert rule["Status"] == "Enabled"
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert "Expiration" not in rule


def test_roles_and_their_policies_read_back_as_recorded(account: Account, rendering: Rendering) -> None:
    iam = account.client("iam")
    trusts = {role["RoleName"]: role["AssumeRolePolicyDocument"] for role in iam.list_roles()["Roles"]}
    assert trusts == {inputs["name"]: inputs["assumeRolePolicy"] for inputs in rendering.of("aws.iam.Role")}
    recorded = rendering.of("aws.iam.RolePolicy")
    for inputs in recorded:
        found = iam.get_role_policy(RoleName=inputs["role"], PolicyName=inputs["name"])
        assert found["PolicyDocument"] == inputs["policy"]
    assert {inputs["role"] for inputs in recorded} == trusts.keys()
