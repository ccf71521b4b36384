"""How the real charts differ from `components/versions.yaml`."""

from __future__ import annotations

from collections.abc import Iterator

from checks.chart_source import Package
from components.charts import Chart
from components.versions import deployed


def differences(chart: Chart, package: Package) -> Iterator[str]:
    """Where the real chart deploys another version than is listed."""
    for item in deployed():
        found = package.version(item.place)
        if item.chart == f"{chart.name}-{chart.version}" and found != item.version:
            yield f"{item.place} is {found}, and {item.version} in versions.yaml"
