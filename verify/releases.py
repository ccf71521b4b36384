"""What Helm has made of the releases that the program installs, by Helm's own records.

Helm keeps each revision of a release as a Secret: its status, the chart, the values, and every object as it was
rendered. Pulumi knows only that a release exists: what happens to the objects in it, it neither sees nor mends.
"""

from __future__ import annotations

import base64
import functools
import gzip
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from facts import NAMESPACE
from verify.cluster import Cluster
from verify.comparison import differences
from verify.finding import Finding
from verify.objects import Object, from_manifest, items, judged, restore

RECORDS = f"/api/v1/namespaces/{NAMESPACE}/secrets?labelSelector=owner%3Dhelm%2Cstatus%21%3Dsuperseded"
NEEDED = frozenset(
    {
        *("ConfigMap", "DaemonSet", "Deployment", "Service", "StatefulSet"),
        *("Alertmanager", "PodMonitor", "Prometheus", "PrometheusRule", "ServiceMonitor"),
    }
)
"""Kinds of a chart's objects that are looked for: without one of them, part of the monitoring ends in silence."""
UNINSTALL = f"helm --namespace {NAMESPACE} uninstall"
"""The command that takes away, with its name, a release that Pulumi does not know of."""
NOT_NOTED = (
    "that Pulumi knows of every release: a run that was killed may have installed one and not noted it; "
    f"if pulumi up says that a name is still in use, {UNINSTALL} with that name, and pulumi up again"
)
"""What a killed run may leave that no record of Helm's shows."""

_SEPARATOR = re.compile(r"^---\s*$", re.MULTILINE)
_KIND = re.compile(r"^kind:\s*[\"']?(\w+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Release:
    """A Helm release as the program installs it."""

    name: str
    chart: str
    """The chart's name and version, as `loki-18.11.0`."""
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Record:
    """The newest revision of a release in the cluster."""

    name: str
    revision: int
    status: str
    chart: str
    values: Mapping[str, Any]
    objects: tuple[Object, ...]
    """Those of the monitoring's namespace that are needed."""

    @property
    def rollback(self) -> str:
        """The command that makes every object of the revision again as it was rendered."""
        return f"helm rollback {self.name} {self.revision}"


def records(cluster: Cluster) -> dict[str, Record]:
    """The newest revision of each release, by its name."""
    newest: dict[str, Mapping[str, Any]] = {}
    for secret in sorted(items(cluster, RECORDS), key=lambda secret: int(secret["metadata"]["labels"]["version"])):
        newest[secret["metadata"]["labels"]["name"]] = secret
    return {name: _read(secret["data"]["release"]) for name, secret in newest.items()}


@functools.lru_cache(maxsize=64)
def _read(data: str) -> Record:
    """A record from its Secret: gzip in Base64, in the Base64 of every Secret."""
    record = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(data))))
    metadata = record["chart"]["metadata"]
    objects = (from_manifest(each, NAMESPACE) for each in _manifests(record.get("manifest", "")))
    return Record(
        name=record["name"],
        revision=record["version"],
        status=record["info"]["status"],
        chart=f"{metadata['name']}-{metadata['version']}",
        values=record.get("config") or {},
        objects=tuple(each for each in objects if each.namespace == NAMESPACE),
    )


def _manifests(text: str) -> Iterator[dict[str, Any]]:
    """The needed ones of a record's manifests; the others are long, and some of them no YAML to this parser."""
    for document in _SEPARATOR.split(text):
        kind = _KIND.search(document)
        if kind and kind[1] in NEEDED:
            yield yaml.load(document, Loader=yaml.CSafeLoader)


def compared(cluster: Cluster, wanted: Iterable[Release], stack: str) -> list[Finding]:
    """Every release is deployed, with the chart and the values that the program says."""
    present = records(cluster)
    return [finding for release in wanted for finding in _release(release, present.get(release.name), stack)]


def _release(wanted: Release, record: Record | None, stack: str) -> Iterator[Finding]:
    name = f"the Helm release {wanted.name}"
    if record is None:
        yield Finding(f"{name} is not installed", restore(stack))
    elif record.status == "deployed":
        yield from _content(name, wanted, record, stack)
    else:
        yield _halfway(record, stack)


def left_halfway(cluster: Cluster, stack: str) -> list[Finding]:
    """Every release that is there, whoever installed it, is deployed."""
    return [_halfway(record, stack) for record in records(cluster).values() if record.status != "deployed"]


def _halfway(record: Record, stack: str) -> Finding:
    name = f"the Helm release {record.name}"
    if record.status == "failed":
        return Finding(
            f"{name} has failed in its revision {record.revision}",
            f"pulumi up --refresh --stack {stack} tries again and says why; helm history {record.name} shows the past",
        )
    return Finding(
        f"{name} was left {record.status} in its revision {record.revision}",
        "unless a pulumi up is at work: "
        f"kubectl delete secret sh.helm.release.v1.{record.name}.v{record.revision}, "
        f"then pulumi up --refresh --stack {stack}; if that says that the stack is locked, pulumi cancel first",
    )


def _content(name: str, wanted: Release, record: Record, stack: str) -> Iterator[Finding]:
    update = (
        f"pulumi up --stack {stack}; if it changes nothing, the release was changed by Helm behind its back: "
        f"helm history {wanted.name}, then helm rollback {wanted.name} to the revision before"
    )
    if record.chart != wanted.chart:
        yield Finding(f"{name} is of the chart {record.chart}, not {wanted.chart}", update)
    found = list(differences(wanted.values, record.values, "values"))
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        yield Finding(f"{name} has other values: {found[0]}{more}", update)


def missing(cluster: Cluster) -> list[Finding]:
    """Every needed object that a chart has rendered is there."""
    return [
        finding
        for record in records(cluster).values()
        for finding in judged(cluster, record.objects, functools.partial(_is_there, record))
    ]


def _is_there(record: Record, each: Object, present: Mapping[str, Any] | None) -> Iterator[Finding]:
    if present is None:
        yield Finding(
            f"{each.key}, which the release {record.name} made, is missing",
            f"{record.rollback} makes it again; Pulumi does not look into a release",
        )
