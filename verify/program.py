"""The real program, run in this process under Pulumi's mocks, and everything it registers.

The mocks are a stand-in for the engine and the providers. They show what the program asks for; they do not prove
that an engine or a cluster accepts it (misspelt fields, invalid names and duplicate names all pass).
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import logging
import runpy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import mocks, rpc, set_all_config, settings

from facts import ROOT
from settings import PROJECT, is_encrypted

STACK_TYPE = "pulumi:pulumi:Stack"
ACCOUNT = "123456789012"
"""The account of every ARN that the mocks make up: no account has this number, which AWS uses in examples."""
PLACEHOLDER = "made-up-by-verify"
"""In place of every secret, where the program runs only to see what it registers."""


@dataclass(frozen=True, kw_only=True)
class Registered:
    """One resource, as the program registered it."""

    type: str
    """Type token, such as `kubernetes:core/v1:Secret`."""
    name: str
    """Pulumi name; a Kubernetes object's own name is in `inputs["metadata"]["name"]`."""
    inputs: dict[str, Any]
    """Inputs with secrets in clear and whole numbers as `int`."""
    secrets: frozenset[str]
    """Dotted paths of the inputs that are Pulumi secrets."""
    custom: bool
    """Whether a provider manages it; false for components."""
    parent: str
    """`key` of the parent; empty for the stack's own children."""
    dependencies: frozenset[str]
    """`key` of every resource it waits for, by `depends_on` or through an input."""
    protect: bool
    """Whether the engine refuses to delete it."""
    retain_on_delete: bool
    """Whether deletion from the stack leaves it in the cluster."""
    provider: str
    """`key` of its provider; empty for the default one."""

    @property
    def key(self) -> str:
        """Type and name, which together are unique in a stack."""
        return f"{self.type}::{self.name}"


class Program(list[Registered]):
    """Everything one evaluation registered, in order, and what it exported."""

    outputs: dict[str, Any]
    """The stack's outputs, secrets in clear."""

    def of(self, type_: str) -> list[Registered]:
        """Every resource of a type."""
        return [resource for resource in self if resource.type == type_]

    def one(self, type_: str, name: str) -> Registered:
        """The resource of this type and name. Raises LookupError with the names of that type."""
        for resource in self.of(type_):
            if resource.name == name:
                return resource
        raise LookupError(f"no {type_} named {name!r}; there are: {[resource.name for resource in self.of(type_)]}")


def evaluate(stack: str, config: Mapping[str, Any], secrets: Mapping[str, str], root: Path = ROOT) -> Program:
    """Run the `__main__.py` of the project in `root` for a stack and return what it registers.

    `config` is the section of the stack's file, whose encrypted values are left out; `secrets` are the secrets that are
    set, by key without the project's name. What the program raises is raised here, as is LookupError for a provider
    function that is not answered below. Every call starts from nothing and leaves nothing behind.
    """
    readable = {key: value for key, value in config.items() if not is_encrypted(value)}
    plain = {key: value if isinstance(value, str) else json.dumps(value) for key, value in readable.items()}
    secret = {f"{PROJECT}:{key}": value for key, value in secrets.items()}
    return contextvars.copy_context().run(asyncio.run, _run(stack, plain | secret, sorted(secret), root))


_SILENT = logging.getLogger(__name__)
_SILENT.disabled = True  # a deployment tells what the program warns of


def is_made_up(text: str) -> bool:
    """Whether a value that the program registers hangs on a placeholder, and so says nothing about a cluster."""
    return PLACEHOLDER in text or ACCOUNT in text


async def _run(stack: str, config: dict[str, str], secret_keys: list[str], root: Path) -> Program:
    # A failed future has been raised by then. Its traceback, printed when it is collected, can fall into the middle
    # of an import, and Python 3.11 then fails that import.
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)
    monitor = _Monitor(_Providers())
    settings.set_root_resource(None)  # type: ignore[arg-type]  # an earlier evaluation's stack may still be set
    pulumi.runtime.set_mocks(monitor.mocks, PROJECT, stack, preview=False, logger=_SILENT, monitor=monitor)
    settings.set_root_resource(None)  # type: ignore[arg-type]  # run_in_stack makes its own, to receive the exports
    settings.SETTINGS.outputs = set()  # a failed evaluation leaves its own here, of a loop that is closed
    set_all_config(config, secret_keys)
    await pulumi.runtime.run_in_stack(lambda: _main(root))
    return monitor.program


def _main(root: Path) -> None:
    runpy.run_path(str(root / "__main__.py"), run_name="__main__")


class _Monitor(mocks.MockMonitor):
    """Pulumi's mock monitor, which also keeps what its mocks are not told: parent, dependencies, options."""

    def __init__(self, providers: mocks.Mocks) -> None:
        super().__init__(providers)
        self.program = Program()

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        if request.type != STACK_TYPE:
            self.program.append(_registered(request))
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]

    def RegisterResourceOutputs(self, request: Any) -> Any:  # noqa: N802
        if f"::{STACK_TYPE}::" in request.urn:
            self.program.outputs, _ = _plain(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]


def _registered(request: Any) -> Registered:
    inputs, secrets = _plain(request.object)
    return Registered(
        type=request.type,
        name=request.name,
        inputs=inputs,
        secrets=secrets,
        custom=request.custom,
        parent="" if STACK_TYPE + "::" in request.parent else _key(request.parent),
        dependencies=frozenset(_key(urn) for urn in request.dependencies),
        protect=request.protect,
        retain_on_delete=request.retainOnDelete,
        provider=_key(request.provider.rpartition("::")[0]) if request.provider else "",
    )


def _key(urn: str) -> str:
    """`type::name` of a URN, whose type is qualified by the types of its parents."""
    *_, types, name = urn.split("::", 3)
    return f"{types.split('$')[-1]}::{name}"


def _plain(message: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """A property bag as plain values, and the paths of its secrets."""
    secrets: set[str] = set()
    values: dict[str, Any] = _unwrap(message, "", secrets)
    return values, frozenset(secrets)


def _unwrap(value: Any, path: str, secrets: set[str]) -> Any:
    """Take secrets out of their wrapping, noting their paths, and make `1.0` the 1 that the program wrote."""
    if isinstance(value, Mapping):
        if rpc._special_sig_key in value and value[rpc._special_sig_key] == rpc._special_secret_sig:
            secrets.add(path)
            return _unwrap(value["value"], path, secrets)
        return {key: _unwrap(inner, f"{path}.{key}".lstrip("."), secrets) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_unwrap(inner, f"{path}[{index}]", secrets) for index, inner in enumerate(value)]
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Providers(mocks.Mocks):
    """A stand-in for the kubernetes and aws providers: outputs are the inputs, plus what AWS would compute."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.typ.startswith("aws:"):
            return f"{args.name}-id", args.inputs
        service = args.typ.split(":")[1].split("/")[0]
        name = args.inputs.get("name") or args.inputs.get("bucket") or args.name
        return f"{name}-id", {"name": name, "arn": f"arn:aws:{service}::{ACCOUNT}:{name}", **args.inputs}

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        answer = _LOOKUPS.get(args.token)
        if answer is None:
            raise LookupError(f"the program called {args.token}, which verify/program.py does not answer: {args.args}")
        return {**args.args, **answer}, []


_ISSUER = "oidc.eks.us-west-2.amazonaws.com/id/EXAMPLE"

_LOOKUPS: dict[str, dict[str, Any]] = {
    "aws:index/getCallerIdentity:getCallerIdentity": {
        "accountId": ACCOUNT,
        "arn": f"arn:aws:iam::{ACCOUNT}:user/tester",
        "userId": "AIDATESTER",
        "id": ACCOUNT,
    },
    "aws:index/getPartition:getPartition": {"partition": "aws", "dnsSuffix": "amazonaws.com", "id": "aws"},
    "aws:eks/getCluster:getCluster": {
        "arn": f"arn:aws:eks:us-west-2:{ACCOUNT}:cluster/test",
        "status": "ACTIVE",
        "identities": [{"oidcs": [{"issuer": f"https://{_ISSUER}"}]}],
    },
    "aws:iam/getOpenIdConnectProvider:getOpenIdConnectProvider": {
        "arn": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{_ISSUER}",
        "url": _ISSUER,
    },
}
"""What AWS answers to the look-ups that the program makes; anything else is refused."""
