"""The calls that the official aws provider makes for a stack's objects, made to moto, which plays AWS.

Every input is a parameter of a call; one that is not mapped below fails. moto takes much that AWS refuses: names of
any length and letters, trust policies that are none, policies of any size. So each call is first held against the
limits in AWS's own service models, which botocore brings, and against AWS's quotas.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.model import Shape
from botocore.utils import check_dns_name

QUOTAS = {("create_role", "AssumeRolePolicyDocument"): 2048, ("put_role_policy", "PolicyDocument"): 10_240}
"""Characters of a policy, white space not counted (IAM and STS quotas, in the IAM user guide)."""


class RefusedError(Exception):
    """What AWS would answer to a call that moto may take."""


@dataclass(frozen=True)
class Call:
    """One call of boto3."""

    service: str
    operation: str
    parameters: Mapping[str, str]
    """Path of the parameter that each input becomes."""


CALLS = {
    "aws.s3.Bucket": (
        Call("s3", "create_bucket", {"bucket": "Bucket", "region": "CreateBucketConfiguration.LocationConstraint"}),
    ),
    "aws.s3.BucketPublicAccessBlock": (
        Call(
            "s3",
            "put_public_access_block",
            {
                "bucket": "Bucket",
                "blockPublicAcls": "PublicAccessBlockConfiguration.BlockPublicAcls",
                "blockPublicPolicy": "PublicAccessBlockConfiguration.BlockPublicPolicy",
                "ignorePublicAcls": "PublicAccessBlockConfiguration.IgnorePublicAcls",
                "restrictPublicBuckets": "PublicAccessBlockConfiguration.RestrictPublicBuckets",
            },
        ),
    ),
    "aws.s3.BucketPolicy": (Call("s3", "put_bucket_policy", {"bucket": "Bucket", "policy": "Policy"}),),
    "aws.s3.BucketLifecycleConfiguration": (
        Call(
            "s3",
            "put_bucket_lifecycle_configuration",
            {"bucket": "Bucket", "rules": "LifecycleConfiguration.Rules"},
        ),
    ),
    "aws.iam.Role": (
        Call("iam", "create_role", {"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"}),
        # moto reads a trust policy only where it is changed.
        Call("iam", "update_assume_role_policy", {"name": "RoleName", "assumeRolePolicy": "PolicyDocument"}),
    ),
    "aws.iam.RolePolicy": (
        Call("iam", "put_role_policy", {"name": "PolicyName", "role": "RoleName", "policy": "PolicyDocument"}),
    ),
}
"""By kind, in the order in which one needs the other."""


@dataclass(frozen=True, eq=False)
class Account:
    """A region of an account."""

    region: str

    @functools.cache  # noqa: B019 - an account lives as long as the tests of a module
    def client(self, service: str) -> Any:
        """A client of the account's owner."""
        return boto3.client(service, region_name=self.region)

    def create(self, kind: str, inputs: Mapping[str, Any]) -> None:
        """Make an object.

        Raises LookupError for an input that is not mapped, and RefusedError or what botocore and moto raise for one
        that AWS refuses.
        """
        if kind not in CALLS:
            raise LookupError(f"{kind}: say in CALLS which calls make it")
        unmapped = inputs.keys() - {name for call in CALLS[kind] for name in call.parameters}
        if unmapped:
            raise LookupError(f"{kind}: {sorted(unmapped)}: say in CALLS which parameters they are")
        for call in CALLS[kind]:
            self._make(call, _parameters(call, {"region": self.region, **inputs}))

    def _make(self, call: Call, parameters: dict[str, Any]) -> None:
        client = self.client(call.service)
        model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[call.operation])
        wrong = [*beyond(model.input_shape, parameters, call.operation), *_beyond_quota(call, parameters)]
        if call.operation == "create_bucket" and not check_dns_name(parameters["Bucket"]):
            wrong.append(f"create_bucket.Bucket: {parameters['Bucket']!r} is no host name")
        if wrong:
            raise RefusedError("; ".join(wrong))
        getattr(client, call.operation)(**parameters)


def _parameters(call: Call, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The call's parameters; an opened JSON document is closed again."""
    parameters: dict[str, Any] = {}
    for name, path in call.parameters.items():
        if name in inputs:
            *outer, last = path.split(".")
            level = parameters
            for part in outer:
                level = level.setdefault(part, {})
            level[last] = json.dumps(inputs[name]) if isinstance(inputs[name], dict) else _spelt(inputs[name])
    return parameters


def _spelt(value: Any) -> Any:
    """The value with the keys of all that is in a list as AWS spells them."""
    if isinstance(value, list):
        return [_spelt(item) for item in value]
    if isinstance(value, dict):
        return {"ID" if key == "id" else key[0].upper() + key[1:]: _spelt(inner) for key, inner in value.items()}
    return value


def beyond(shape: Shape, value: Any, where: str) -> Iterator[str]:
    """Everything in a value that the service's model does not allow, and botocore sends all the same."""
    if shape.type_name == "structure":
        for name, inner in value.items():
            yield from beyond(shape.members[name], inner, f"{where}.{name}")
    elif shape.type_name == "list":
        for item in value:
            yield from beyond(shape.member, item, where)
    elif shape.type_name == "string":
        yield from _beyond_text(shape.metadata, value, where)


def _beyond_text(limits: Mapping[str, Any], value: str, where: str) -> Iterator[str]:
    shortest, longest = limits.get("min", 0), limits.get("max", len(value))
    if not shortest <= len(value) <= longest:
        yield f"{where}: {len(value)} characters, not {shortest} to {longest}"
    if not re.fullmatch(limits.get("pattern", "(?s).*"), value):
        yield f"{where}: {value!r} does not match {limits['pattern']}"
    if limits.get("enum") and value not in limits["enum"]:
        yield f"{where}: {value!r} is none of {limits['enum']}"


def _beyond_quota(call: Call, parameters: Mapping[str, Any]) -> Iterator[str]:
    for name, value in parameters.items():
        quota = QUOTAS.get((call.operation, name))
        size = len(re.sub(r"\s", "", str(value)))
        if quota and size > quota:
            yield f"{call.operation}.{name}: {size} characters, more than the quota of {quota}"
