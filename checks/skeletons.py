"""Skeleton charts: what the pinned charts put into a cluster, as far as this stack's objects and checks need it.

The pinned charts are on no package registry. Where `CHARTS` names no directory of the real ones, tests install these:
the same names, versions and value keys, installed by real Helm. Their templates are our own, and read from the values
what the program sets; what they do not prove is that the real charts render the same. Unlike the real charts, a
skeleton refuses a value that its chart does not have.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from checks.chart_keys import LISTS, accepted, parse
from components.charts import CHARTS, KUBE_PROMETHEUS_STACK, PROMETHEUS_OPERATOR_CRDS, Chart, package
from engine.toolchain import tool

SOURCES = Path(__file__).parent / "skeleton_charts"
"""A directory for each chart: its values and templates. `common.tpl` is part of every one."""
ALERTS = LISTS / "default_alerts.txt"
"""Every alert of kube-prometheus-stack, with its group and severities."""

_PLAIN = {"type": ["string", "number", "boolean", "array", "null"]}
"""Schema of a value that is no map. Null is Helm's way to take a default away."""


def directory(scratch: Path) -> Path:
    """A directory of every pinned chart as `<chart>-<version>.tgz`: what `CHARTS` names, or skeletons in `scratch`."""
    if real := os.environ.get("CHARTS"):
        return Path(real).resolve()
    pack(scratch)
    return scratch


def pack(destination: Path) -> None:
    """Write every skeleton into a directory. The same sources give the same bytes."""
    for chart in CHARTS:
        (destination / package(chart)).write_bytes(_archive(chart.name, _files(chart)))


def schema(lines: list[str]) -> dict[str, Any]:
    """A JSON schema that takes the keys of these lines and no others (see checks/chart_keys.py)."""
    root = _closed()
    for line in sorted(lines, key=lambda line: line.endswith(" *")):  # a free-form map wins over keys below it
        *above, last = parse(line)
        node = root
        for key in above:
            node = node["properties"].setdefault(key, _closed())
        node["properties"][last] = {} if line.endswith(" *") else _PLAIN
    return root


def _closed() -> dict[str, Any]:
    return {"type": ["object", "null"], "properties": {}, "additionalProperties": False}


def _files(chart: Chart) -> dict[str, bytes]:
    """A chart's files by their paths within it."""
    source = SOURCES / chart.name
    files = {str(path.relative_to(source)): path.read_bytes() for path in source.rglob("*") if path.is_file()}
    description = yaml.safe_load(files["Chart.yaml"]) | {"name": chart.name, "version": chart.version}
    values = schema(accepted(chart))
    for subchart in description.get("dependencies", []):
        values["properties"][subchart["name"]]["properties"]["global"] = {}  # Helm itself adds it
    return {
        **files,
        "Chart.yaml": json.dumps(description).encode(),
        "values.schema.json": json.dumps(values).encode(),
        "templates/_common.tpl": (SOURCES / "common.tpl").read_bytes(),
        **_further(chart),
    }


def _further(chart: Chart) -> dict[str, bytes]:
    """Files that a chart takes from elsewhere: the operator's own definitions, and the list of the chart's alerts."""
    if chart is PROMETHEUS_OPERATOR_CRDS:
        found = tool("prometheus-operator").parent.glob("monitoring.coreos.com_*.yaml")
        return {f"charts/crds/{path.name}": path.read_bytes() for path in found}
    if chart is KUBE_PROMETHEUS_STACK:
        return {ALERTS.name: ALERTS.read_bytes()}
    return {}


def _archive(name: str, files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as archive,
    ):
        for path, content in sorted(files.items()):
            member = tarfile.TarInfo(f"{name}/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()
