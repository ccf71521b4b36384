"""The Kubernetes objects that the program deploys: each must be there and hold what the program says.

Charts are Helm's: what becomes of them is in `verify.releases`.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from verify.cluster import Cluster, ClusterError, ForbiddenError, NotServedError
from verify.comparison import Difference, differences
from verify.finding import Finding, unreadable

NOT_COMPLETED = frozenset({"ConfigMap", "NetworkPolicy", "PrometheusRule", "ResourceQuota"})
"""Kinds to whose content the API server adds no default: what the program does not say, somebody else does."""
SECRETS_WITHOUT_HELMS = "owner!=helm"
"""Helm keeps every revision of a release as a Secret of up to a mebibyte; `verify.releases` reads the newest alone."""


@dataclass(frozen=True, kw_only=True)
class Object:
    """A Kubernetes object as it should be."""

    api_version: str
    kind: str
    namespace: str
    """Empty for an object of the whole cluster."""
    name: str
    fields: Mapping[str, Any]
    """All that is said of it; a Secret's values as `stringData`."""

    @property
    def key(self) -> str:
        """Kind and name, as kubectl takes them."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def listing(self) -> str:
        """API path that lists the objects of its kind in its namespace."""
        return listing(self.api_version, self.kind, self.namespace)


def from_manifest(manifest: Mapping[str, Any], namespace: str = "") -> Object:
    """The object that a manifest describes, in `namespace` where it names none."""
    metadata = manifest["metadata"]
    return Object(
        api_version=manifest["apiVersion"],
        kind=manifest["kind"],
        namespace=metadata.get("namespace", namespace),
        name=metadata["name"],
        fields=manifest,
    )


def listing(api_version: str, kind: str, namespace: str) -> str:
    """API path that lists the objects of a kind in a namespace, or in the cluster where it is empty."""
    root = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    scope = f"/namespaces/{namespace}" if namespace else ""
    query = f"?labelSelector={SECRETS_WITHOUT_HELMS.replace('=', '%3D')}" if kind == "Secret" else ""
    return f"{root}{scope}/{plural(kind)}{query}"


def plural(kind: str) -> str:
    """The name of a kind in API paths, by the rule that all kinds of this stack follow."""
    name = kind.lower()
    if name.endswith("y"):
        return f"{name[:-1]}ies"
    return f"{name}es" if name.endswith("s") else f"{name}s"


def items(cluster: Cluster, path: str) -> list[Any]:
    """The objects that the API lists at a path."""
    listed: list[Any] = cluster.get(path)["items"]
    return listed


Judge = Callable[[Object, Mapping[str, Any] | None], Iterator[Finding]]
"""Says what is wrong with an object, given the one in the cluster, if it is there."""


def judged(cluster: Cluster, wanted: Iterable[Object], judge: Judge) -> list[Finding]:
    """What a judge finds wrong with objects. One list for each kind and namespace; one that fails is a finding."""
    by_listing: dict[str, list[Object]] = defaultdict(list)
    for each in wanted:
        by_listing[each.listing].append(each)
    return [found for path, objects in by_listing.items() for found in _of_a_kind(cluster, path, objects, judge)]


def _of_a_kind(cluster: Cluster, path: str, objects: list[Object], judge: Judge) -> Iterator[Finding]:
    try:
        present = {item["metadata"]["name"]: item for item in items(cluster, path)}
    except ForbiddenError as error:
        yield unreadable(error)
    except NotServedError:
        kind, names = objects[0].kind, ", ".join(each.name for each in objects)
        yield Finding(
            f"the API server does not know the kind {kind}; missing are: {names}",
            "bring back the operator's resource definitions, as the check of the definitions says",
        )
    except ClusterError as error:
        yield Finding(f"no {objects[0].kind} could be read: {error}", "try again; does the API server work?")
    else:
        for each in objects:
            yield from judge(each, present.get(each.name))


def compared(cluster: Cluster, wanted: Iterable[Object], stack: str) -> list[Finding]:
    """Every object is there and holds what the program says."""

    def judge(each: Object, present: Mapping[str, Any] | None) -> Iterator[Finding]:
        if present is None:
            yield Finding(f"{each.key} is missing", restore(stack))
        else:
            yield from _changes(each, present, stack)

    return judged(cluster, wanted, judge)


def restore(stack: str) -> str:
    """The remedy for what was deleted behind Pulumi's back, which it does not notice by itself."""
    return f"pulumi up --refresh --stack {stack}; without --refresh Pulumi believes that all is there"


def _changes(wanted: Object, present: Mapping[str, Any], stack: str) -> Iterator[Finding]:
    found = list(_differences(wanted, present))
    changed = [each for each in found if not each.added]
    added = [each for each in found if each.added]
    if changed:
        yield Finding(
            f"{wanted.key} is not what the program deploys: {_told(changed, wanted.kind)}",
            f"PULUMI_K8S_ENABLE_PATCH_FORCE=true pulumi up --refresh --stack {stack}; "
            "by force, as a field that was edited by hand belongs to whoever did it",
        )
    if added:
        yield Finding(
            f"{wanted.key} says more than the program does: {_told(added, wanted.kind)}",
            f"kubectl edit {wanted.key} and take it out: Pulumi leaves alone what it has not said",
        )


def _told(found: list[Difference], kind: str) -> str:
    """The first difference and how many more there are; of a Secret only the place."""
    first, more = found[0], len(found) - 1
    text = first.path if kind == "Secret" else str(first)
    return f"{text} (and {more} more)" if more else text


def _differences(wanted: Object, present: Mapping[str, Any]) -> Iterator[Difference]:
    if wanted.kind == "Secret":  # which the program writes as text
        values = {
            key: base64.b64decode(value).decode(errors="replace") for key, value in present.get("data", {}).items()
        }
        present = {**present, "stringData": values}
    for field, value in wanted.fields.items():
        if field not in ("apiVersion", "kind"):  # which the items of a list leave out
            complete = wanted.kind in NOT_COMPLETED and field != "metadata"
            yield from differences(value, present.get(field), field, complete=complete)
