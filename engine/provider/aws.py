"""AWS as far as the program needs it: names, ARNs and look-ups of a made-up account."""

# ruff: noqa: ARG002 - a model's signatures
from __future__ import annotations

from dataclasses import dataclass

from engine.provider.model import InvalidPropertyError
from engine.provider.store import ApiError, Key, Store
from engine.provider.values import Path, Properties

ACCOUNT = "123456789012"
"""The account number that AWS's own documentation uses."""

REGION = "us-west-2"
"""The region where the provider is given none."""


@dataclass(frozen=True)
class _Type:
    """What is known of a resource type."""

    named_by: tuple[str, ...]  # inputs that identify it; the first is made up where the program leaves it out
    arn: str = ""
    fixed: tuple[str, ...] = ()  # further inputs whose change replaces it


_TYPES = {
    "aws:iam/role:Role": _Type(("name",), "arn:aws:iam::{account}:role/{name}", fixed=("path",)),
    "aws:iam/rolePolicy:RolePolicy": _Type(("name", "role")),
    "aws:s3/bucket:Bucket": _Type(("bucket",), "arn:aws:s3:::{name}"),
    "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration": _Type(("bucket",)),
    "aws:s3/bucketPolicy:BucketPolicy": _Type(("bucket",)),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": _Type(("bucket",)),
}
"""Those that the program has."""


class Aws:
    """The rules of a made-up account."""

    def __init__(self) -> None:
        self._region = REGION

    def configure(self, options: Properties) -> None:
        """Take `region`."""
        self._region = options.get("region") or REGION

    def check(self, type_: str, name: str, inputs: Properties, old: Properties, seed: str) -> Properties:
        """Fill in the name."""
        known = _TYPES.get(type_)
        if known is None:
            raise InvalidPropertyError("", f"the stand-in for aws knows no {type_}, only {', '.join(_TYPES)}")
        first = known.named_by[0]
        return inputs | {first: inputs.get(first) or old.get(first) or f"{name}-{seed}"}

    def key(self, type_: str, inputs: Properties) -> Key:
        """`aws.iam.Role` and what names it."""
        _, module, resource = type_.split(":")
        names = [str(inputs[name]).rpartition("/")[2] for name in _TYPES[type_].named_by]
        return Key(f"aws.{module.partition('/')[0]}.{resource}", "", "-".join(names))

    def document(self, type_: str, inputs: Properties) -> Properties:
        """The type and the inputs."""
        return {"type": type_, **inputs}

    def admit(self, type_: str, inputs: Properties, store: Store) -> None:
        """Everything may be created at any time: the program's references give the order."""

    def identifier(self, type_: str, inputs: Properties) -> str:
        """The name."""
        return self.key(type_, inputs).name

    def computed(self, type_: str, urn: str, inputs: Properties) -> Properties:
        """The ARN of what has one."""
        return {"arn": self._arn(type_, inputs)} if _TYPES[type_].arn else {}

    def sealed(self, type_: str) -> tuple[str, ...]:
        """Nothing that the program does not mark itself."""
        return ()

    def fixed(self, type_: str, path: Path) -> bool:
        """What names it, and what AWS cannot change."""
        known = _TYPES[type_]
        return path[0] in known.named_by + known.fixed

    def invoke(self, token: str, arguments: Properties) -> Properties:
        """The look-ups that the program makes."""
        match token:
            case "aws:index/getCallerIdentity:getCallerIdentity":
                arn = f"arn:aws:iam::{ACCOUNT}:user/rehearsal"
                return {"id": ACCOUNT, "accountId": ACCOUNT, "arn": arn, "userId": "AIDAREHEARSALEXAMPLE"}
            case "aws:eks/getCluster:getCluster":
                return self._cluster(arguments["name"])
            case "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider":
                issuer = arguments.get("url", self._issuer).removeprefix("https://")
                arn = f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer}"
                return {"id": arn, "arn": arn, "url": issuer, "clientIdLists": ["sts.amazonaws.com"]}
            case _:
                raise ApiError(f"the stand-in for aws has no function {token}")

    def _cluster(self, name: str) -> Properties:
        return {
            "id": name,
            "name": name,
            "arn": f"arn:aws:eks:{self._region}:{ACCOUNT}:cluster/{name}",
            "endpoint": f"https://rehearsal.{self._region}.eks.amazonaws.com",
            "identities": [{"oidcs": [{"issuer": f"https://{self._issuer}"}]}],
            "status": "ACTIVE",
        }

    @property
    def _issuer(self) -> str:
        return f"oidc.eks.{self._region}.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE"

    def _arn(self, type_: str, inputs: Properties) -> str:
        known = _TYPES[type_]
        return known.arn.format(account=ACCOUNT, name=inputs[known.named_by[0]])
