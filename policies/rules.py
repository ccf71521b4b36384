"""The policies: pure functions from a resource to its violations.

The Pulumi engine runs them for `make preview` and `make deploy`, and deploys nothing that one of them refuses. They see
what the program registers. Of a Helm release they see its values, not what the chart makes of them. A value that only
`pulumi up` knows is UNKNOWN in a preview, and is checked before its resource is created.

To add a policy:

1. Write a function below that takes a Resource and yields a sentence for each violation: where, why, and the remedy. It
   must not show a value that may be a secret. `mappings` and `pods` find what is nested.
2. Add its Rule to RULES.
3. Add examples to `tests/unit/policies.yaml`: what it refuses, and what resembles that and passes. `make test-unit`
   runs them.
4. Add it to the table of policies in `docs/deploying.md`, and to the program of `tests/engine/test_policies.py`, which
   breaks each policy: `make test-engine`.

To allow one object what a policy refuses, add it to the exceptions of that policy, with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import parts
from components import protection
from components.logs.redaction_patterns import SECRETS

UNKNOWN = "(known after pulumi up)"
"""In place of a value that a preview does not know."""

_APPLICATION_GROUPS = ("apps", "batch", "core")
"""Where Kubernetes' own workloads are. Containers of others, such as Prometheus, may be patches of what is there."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource that is about to be created or updated."""

    type: str
    """Such as `kubernetes:apps/v1:Deployment`."""
    name: str
    """Its name in the program."""
    properties: Mapping[str, Any]
    """What the program gives it, as plain mappings, lists and values."""
    protected: bool = False
    """Whether the engine refuses to delete it."""
    urn: str = ""
    """Its name in the engine."""

    @property
    def title(self) -> str:
        """Kind and name, such as `Deployment/route-sums`."""
        named = of(self.properties, "metadata", "name") or self.properties.get("name")
        return f"{self.kind}/{self.name if named in (None, UNKNOWN) else named}"

    @property
    def kind(self) -> str:
        """Such as `Deployment`."""
        return self.type.rpartition(":")[2]

    @property
    def group(self) -> str:
        """The group of a Kubernetes object, such as `apps`; empty for what is none."""
        package, _, rest = self.type.partition(":")
        return rest.partition("/")[0] if package == "kubernetes" else ""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A policy for single resources, checked before each is created or updated."""

    name: str
    """The name that a refusal gives."""
    description: str
    """What every resource keeps to, as a sentence."""
    check: Callable[[Resource], Iterator[str]]
    """A sentence for each violation: where, why, and the remedy."""
    exceptions: Mapping[str, str] = field(default_factory=dict)
    """Titles of what the policy allows, with the reason."""

    def violations(self, resource: Resource) -> list[str]:
        """A sentence for each violation that is no exception."""
        return [] if resource.title in self.exceptions else [f"{resource.title}: {it}" for it in self.check(resource)]


@dataclass(frozen=True, kw_only=True)
class StackRule:
    """A policy for all resources together, checked at the end of a preview and of an update."""

    name: str
    description: str
    check: Callable[[Sequence[Resource]], Iterator[tuple[Resource, str]]]
    """Each resource that violates it, with a sentence that has the remedy."""


def of(value: Any, *keys: str) -> Any:
    """What is nested below these keys; UNKNOWN below a value that is, and None where there is nothing."""
    for key in keys:
        if value == UNKNOWN:
            break
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def mappings(value: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every mapping in the value, itself too, and its path, such as `spec.template.spec`."""
    if isinstance(value, Mapping):
        yield path, value
        for key, item in value.items():
            yield from mappings(item, f"{path}.{key}".removeprefix("."))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from mappings(item, f"{path}[{index}]")


def pods(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The specifications of pods in a workload of Kubernetes, and the path of each."""
    if resource.group in _APPLICATION_GROUPS:
        for path, found in mappings(resource.properties):
            if "containers" in found:
                yield path, found


def _load_balancers(resource: Resource) -> Iterator[str]:
    for path, found in mappings(resource.properties if resource.group else {}):
        if found.get("type") == "LoadBalancer":
            yield (
                f"{path}.type: LoadBalancer exposes it outside the cluster; use ClusterIP, and access.grafanaFrom or "
                "access.alertmanagerFrom for an ingress"
            )


_NAMES = "|".join(SECRETS["names"])
_NAMED = re.compile(_NAMES, re.IGNORECASE)
_LINE = re.compile(rf"({_NAMES})[\"']?[ \t]*[:=][ \t]*[\"']?(?![\"'$/{{\[|>&*!<#]|true\b|false\b|null\b)\S")
"""In a text in lower case: a key that ends like the name of a secret, and a value that is no reference, path, nested
value or placeholder."""
_FORMS = {form["name"]: re.compile(form["pattern"]) for form in SECRETS["forms"]}


def _secrets(resource: Resource) -> Iterator[str]:
    remedy = "put it into a Secret, from pulumi.Config().require_secret(), and mount it"
    data = resource.properties.get("data") if resource.kind == "ConfigMap" else None
    for key, value in data.items() if isinstance(data, Mapping) else ():
        if _NAMED.search(key):
            yield f"data.{key}: its name is that of a secret; {remedy}"
        if line := _LINE.search(str(value).lower()):
            yield f"data.{key}: gives {line.group(1)} a value; {remedy}"
        for form in (name for name, pattern in _FORMS.items() if pattern.search(str(value))):
            yield f"data.{key}: has the form of a secret ({form}); {remedy}"


_CONTAINERS = ("initContainers", "containers")
_NEEDED = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))


def _unbounded(resource: Resource) -> Iterator[str]:
    containers = (item for _, pod in pods(resource) for kind in _CONTAINERS for item in _list(pod.get(kind)))
    for container in containers:
        lacking = [f"{part}.{what}" for part, what in _NEEDED if not of(container, "resources", part, what)]
        if lacking:
            name = of(container, "name")
            yield f"container {name}: resources lack {', '.join(lacking)}; set what it needs, and its memory at most"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _privileged(resource: Resource) -> Iterator[str]:
    for path, found in mappings(resource.properties if resource.group else {}):
        if found.get("privileged") is True:
            yield f"{path}.privileged: it could do all that its node can; add the capabilities that it needs instead"


def _host_paths(resource: Resource) -> Iterator[str]:
    for path, found in mappings(resource.properties if resource.kind != "PersistentVolume" else {}):
        if resource.group and found.get("hostPath"):
            yield f"{path}.hostPath: mounts files of the node; use a PersistentVolumeClaim or an emptyDir"


_HOLDS_DATA = (
    "aws:dynamodb/table:Table",
    "aws:ebs/volume:Volume",
    "aws:efs/fileSystem:FileSystem",
    "aws:rds/instance:Instance",
    "aws:s3/bucket:Bucket",
    "kubernetes:core/v1:Namespace",
    "kubernetes:core/v1:PersistentVolume",
    "kubernetes:core/v1:PersistentVolumeClaim",
)


def _unprotected(resources: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    if any(item.name == protection.NAME and item.protected for item in resources):  # storage.protect is set
        for item in resources:
            if item.type in _HOLDS_DATA and not item.protected:
                yield item, f"{item.title}: give it ResourceOptions(protect=settings.storage.protect)"


RULES = (
    Rule(
        name="no-load-balancer",
        description="No Service is of type LoadBalancer.",
        check=_load_balancers,
    ),
    Rule(
        name="no-secret-in-config-map",
        description="A ConfigMap holds no secret, by the names and forms that the log agent masks (secrets.json).",
        check=_secrets,
    ),
    Rule(
        name="bounded-containers",
        description="Every container requests CPU and memory, and has a memory limit.",
        check=_unbounded,
    ),
    Rule(
        name="no-privileged-pod",
        description="No pod is privileged.",
        check=_privileged,
    ),
    Rule(
        name="no-host-path",
        description="No pod mounts files of its node, except agents of nodes.",
        check=_host_paths,
        exceptions={
            f"Release/{parts.LOG_AGENT.release}": "reads the logs of all pods of its node",
            "Job/volume-directories": "makes the directories of storage.kind local",
        },
    ),
)

STACK_RULES = (
    StackRule(
        name="protected-data",
        description="Where storage.protect is set, everything that holds data is protected.",
        check=_unprotected,
    ),
)
