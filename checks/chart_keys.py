"""The keys that each pinned chart knows, as one list of key paths per chart in `charts/`.

Charts swallow unknown keys silently, so every value the program sets is checked against these lists (test_charts).
A line is a dotted path to a value; ` *` after it means that the chart takes anything below (its default is an empty
map, an empty list or null). Keys with a dot are quoted: `grafana."grafana.ini".paths.data`.

    python -m checks.chart_keys check     # do the lists still match the real charts?
    python -m checks.chart_keys update    # write them, after a pin has changed
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click

from checks import versions
from checks.chart_source import Fetch, Package, UnreachableError, from_directory, from_repositories
from components.charts import CHARTS, Chart
from targets import Target

LISTS = Path(__file__).parent / "charts"
SAME, DIFFERENT, UNREACHABLE = 0, 1, 2

KeyPath = tuple[str, ...]

DOCUMENTED = {
    "kube-prometheus-stack": {
        "alertmanager.alertmanagerSpec.configSecret": "commented out, because the chart fills it unless told otherwise",
        'grafana."grafana.ini" *': "Grafana's own configuration; the chart passes every section on",
        "grafana.persistence.annotations *": "commented out; the chart puts it on the claim",
        "grafana.persistence.storageClassName": "commented out; without it the cluster's default class is used",
        "kube-state-metrics.priorityClassName": "commented out; the chart puts it on the pod",
        "prometheus-node-exporter.containerSecurityContext *": "Kubernetes' own; all of it is written",
        "prometheus-node-exporter.priorityClassName": "commented out; the chart puts it on the pods",
    },
    "loki": {
        "gateway.metrics.image.digest": "not in the defaults; the helper for all images of the chart reads it",
        "loki.ingester *": "Loki's own configuration, which Loki itself reads strictly",
        "loki.limits_config *": "Loki's own configuration, which Loki itself reads strictly",
        "loki.storage.bucketNames.chunks": "commented out, because there is no name to choose; needed for s3",
    },
    "prometheus-blackbox-exporter": {
        "config.modules *": "the exporter's own configuration; the chart writes every module",
        "fullnameOverride": "read by the chart's name helper only",
        "securityContext *": "Kubernetes' own; all of it is written",
    },
    "prometheus-yet-another-cloudwatch-exporter": {
        "serviceMonitor.interval": "commented out; without it the stack's interval is used",
        "serviceMonitor.timeout": "commented out; without it the stack's timeout is used",
    },
    "tempo": {
        "persistence.storageClassName": "commented out; without it the cluster's default class is used",
    },
}
"""Keys that a chart reads but does not have among its defaults, in the lists' format, and why they are missing."""


class KeyList:
    """The keys that one chart knows."""

    def __init__(self, lines: list[str]) -> None:
        self._free = {parse(line[:-2]) for line in lines if line.endswith(" *")}
        self.known = {path[:depth] for line in lines for path in [parse(line)] for depth in range(1, len(path) + 1)}
        """Every key path, those of maps included."""

    @classmethod
    def of(cls, chart: Chart) -> KeyList:
        """The keys of a pinned chart: its list, and what it reads beside."""
        return cls(accepted(chart))

    def unknown(self, values: Mapping[str, Any], at: KeyPath = ()) -> Iterator[KeyPath]:
        """The key paths in `values` that the chart does not know; the highest of each, not what is below."""
        for key, value in values.items():
            path = (*at, key)
            if path not in self.known:
                yield path
            elif isinstance(value, Mapping) and path not in self._free:
                yield from self.unknown(value, path)

    def nearest(self, path: KeyPath) -> str | None:
        """The known key that was probably meant: a sibling, or else a key of that name elsewhere."""
        siblings = [known[-1] for known in self.known if known[:-1] == path[:-1]]
        if near := difflib.get_close_matches(path[-1], siblings, n=1):
            return render((*path[:-1], near[0]))
        elsewhere = difflib.get_close_matches(render(path), map(render, self.known), n=1)
        return elsewhere[0] if elsewhere else None

    def below(self, last: str) -> list[KeyPath]:
        """Every known path whose last key is `last`, sorted."""
        return sorted(path for path in self.known if path[-1] == last)


def accepted(chart: Chart) -> list[str]:
    """The lines of every key that a pinned chart reads: its list, and the documented ones beside it."""
    return [*list_file(chart).read_text().splitlines(), *DOCUMENTED.get(chart.name, {})]


def list_file(chart: Chart) -> Path:
    """Where a chart's list is kept."""
    return LISTS / f"{chart.name}-{chart.version}.keys"


def render(path: KeyPath) -> str:
    """A key path as text, with the keys quoted that contain more than a plain key does."""
    return ".".join(key if re.fullmatch(r'[^.\s"*]+', key) else json.dumps(key) for key in path)


def parse(line: str) -> KeyPath:
    """A key path from text, with or without the mark of a free-form value."""
    keys = re.findall(r'"(?:[^"\\]|\\.)*"|[^.]+', line.removesuffix(" *"))
    return tuple(json.loads(key) if key.startswith('"') else key for key in keys)


def lines(package: Package) -> list[str]:
    """A chart's list: every key of its defaults and of its schema, sorted."""
    return sorted(_lines(package.defaults, package.schema, ()))


def _lines(default: Any, schema: Mapping[str, Any], path: KeyPath, in_closed: bool = False) -> Iterator[str]:
    """The lines at and below `path`; `in_closed` says that the schema names every key that may be beside it."""
    if path and _takes_anything(default, schema, in_closed):
        yield f"{render(path)} *"
        return
    children = default if isinstance(default, Mapping) else {}
    described = schema.get("properties", {})
    names = {*map(str, children), *described}
    if not names:
        yield render(path)
    for name in names:
        yield from _lines(children.get(name, _ABSENT), described.get(name, {}), (*path, name), _is_closed(schema))


_ABSENT = object()
"""Default of a key that only the schema knows."""


def _takes_anything(default: Any, schema: Mapping[str, Any], in_closed: bool) -> bool:
    """Whether the chart takes any keys below: its default is empty, unless a schema names what may be there."""
    types = {schema["type"]} if isinstance(schema.get("type"), str) else set(schema.get("type", []))
    if _is_closed(schema) or (types and not types & {"object", "array"}):
        return False
    if in_closed and "properties" not in schema:
        return True  # a schema this exact leaves a map open on purpose, whatever the default holds
    return default in (None, {}, []) or (default is _ABSENT and "properties" not in schema)


def _is_closed(schema: Mapping[str, Any]) -> bool:
    return schema.get("additionalProperties") is False


@click.group(help=__doc__.partition("\n")[0])
def cli() -> None:
    """Keep the lists and the charts together."""


_directory = click.option(
    "--charts",
    "directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Read <chart>-<version>.tgz files from here instead of the charts' repositories.",
)


@cli.command(cls=Target, example="make charts-check CHARTS=directory")
@_directory
def check(directory: Path | None) -> None:
    """Compare the lists and the versions with the real charts: exit 0 same, 1 different, 2 a chart cannot be had."""
    differences = 0
    for chart, package in _packages(directory):
        kept = list_file(chart).read_text().splitlines() if list_file(chart).exists() else []
        real = lines(package)
        changed = [line for line in difflib.unified_diff(kept, real, "list", "chart", "", "", 0, "") if line[0] in "+-"]
        changed += versions.differences(chart, package)
        differences += bool(changed)
        click.echo("\n".join([f"{chart.name} {chart.version}: {'DIFFERENT' if changed else 'same'}", *changed]))
    if differences:
        click.echo("Review the difference, then: python -m checks.chart_keys update", err=True)
    sys.exit(DIFFERENT if differences else SAME)


@cli.command()
@_directory
def update(directory: Path | None) -> None:
    """Write the list of every pinned chart, and remove the lists of charts that are no longer pinned."""
    packages = list(_packages(directory))  # all of them, or none is written
    for stale in LISTS.glob("*.keys"):
        stale.unlink()
    for chart, package in packages:
        real = lines(package)
        list_file(chart).write_text("\n".join(real) + "\n")
        click.echo(f"{chart.name} {chart.version}: {len(real)} keys")


def _packages(directory: Path | None) -> Iterator[tuple[Chart, Package]]:
    """Each pinned chart with what the real one says. Exits with 2 where one cannot be had."""
    source: AbstractContextManager[Fetch]
    source = nullcontext(from_directory(directory)) if directory else from_repositories()
    with source as fetch:
        for chart in CHARTS:
            try:
                yield chart, fetch(chart)
            except UnreachableError as error:
                click.echo(f"Cannot get {chart.name} {chart.version}: {error}", err=True)
                click.echo(
                    "Nothing is known about the charts; try again, or give CHARTS=directory of their packages.",
                    err=True,
                )
                sys.exit(UNREACHABLE)


if __name__ == "__main__":
    cli()
