"""The pinned Helm charts and the one way to install them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.helm.v3 import Release, RepositoryOptsArgs

from components.images import pinned
from settings import Charts, Settings

PROMETHEUS_COMMUNITY = "https://prometheus-community.github.io/helm-charts"
GRAFANA_COMMUNITY = "https://grafana-community.github.io/helm-charts"
OPEN_TELEMETRY = "https://open-telemetry.github.io/opentelemetry-helm-charts"

TIMEOUT_SECONDS = 600
"""How long Helm waits for one release; its own 300 s are too short for a first pull of every image."""


@dataclass(frozen=True)
class Chart:
    """One chart at one exact version."""

    name: str
    version: str
    repository: str
    registry: str = "global.imageRegistry"
    """The value by which the chart takes all its images from one registry; empty if it has none or no images."""


KUBE_PROMETHEUS_STACK = Chart("kube-prometheus-stack", "88.5.3", PROMETHEUS_COMMUNITY)
PROMETHEUS_OPERATOR_CRDS = Chart("prometheus-operator-crds", "31.0.1", PROMETHEUS_COMMUNITY, registry="")
BLACKBOX_EXPORTER = Chart("prometheus-blackbox-exporter", "11.17.2", PROMETHEUS_COMMUNITY)
CLOUDWATCH_EXPORTER = Chart(
    "prometheus-yet-another-cloudwatch-exporter", "0.47.0", PROMETHEUS_COMMUNITY, registry="image.registry"
)
LOKI = Chart("loki", "18.11.0", GRAFANA_COMMUNITY)
TEMPO = Chart("tempo", "2.2.4", GRAFANA_COMMUNITY)
LOG_AGENT = Chart("opentelemetry-collector", "0.170.0", OPEN_TELEMETRY, registry="")  # our values name its image

CHARTS = (
    KUBE_PROMETHEUS_STACK,
    PROMETHEUS_OPERATOR_CRDS,
    BLACKBOX_EXPORTER,
    CLOUDWATCH_EXPORTER,
    LOKI,
    TEMPO,
    LOG_AGENT,
)
"""Every chart that the program can install."""


def install(
    chart: Chart,
    name: str,
    *,
    namespace: pulumi.Input[str],
    values: Mapping[str, Any],
    settings: Settings,
    opts: pulumi.ResourceOptions,
) -> Release:
    """Install `chart` as the release `name`, whose name in the cluster is fixed, and wait until it is ready.

    `atomic` rolls a failed upgrade back, so that the next one starts from a release that works.
    """
    where, options = locate(chart, settings.charts)
    return Release(
        name,
        name=name,
        namespace=namespace,
        chart=where,
        version=None if settings.charts.source == "directory" else chart.version,
        repository_opts=options,
        values=pinned(f"{chart.name}-{chart.version}", from_mirror(chart, values, settings), settings),
        timeout=TIMEOUT_SECONDS,
        atomic=True,
        opts=opts,
    )


def from_mirror(chart: Chart, values: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The values, with the stack's registry of images where it has one."""
    if not (settings.images.registry and chart.registry):
        return dict(values)
    section, key = chart.registry.split(".")
    return {**values, section: {**values.get(section, {}), key: settings.images.registry}}


def needed(settings: Settings) -> tuple[Chart, ...]:
    """The charts that a stack installs."""
    unused = {CLOUDWATCH_EXPORTER: settings.aws is None, TEMPO: settings.tracing is None}
    return tuple(chart for chart in CHARTS if not unused.get(chart))


def package(chart: Chart) -> str:
    """The name of a chart's file in a directory."""
    return f"{chart.name}-{chart.version}.tgz"


def locate(chart: Chart, source: Charts) -> tuple[str, RepositoryOptsArgs | None]:
    """What Helm is asked for, and the repository it is asked of, under the stack's chart source."""
    if source.source == "directory":
        return f"{source.location}/{package(chart)}", None
    if source.source == "oci":
        return f"{source.location}/{chart.name}", None
    repository = source.location if source.source == "mirror" else chart.repository
    return chart.name, RepositoryOptsArgs(repo=repository)
