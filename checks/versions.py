"""What the pinned charts deploy: `charts/versions.yaml`, typed, and how it differs from the real charts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from checks.chart_source import Package
from components.charts import Chart

LISTED = Path(__file__).parent / "charts" / "versions.yaml"


@dataclass(frozen=True)
class Deployed:
    """One program that a chart deploys."""

    chart: str
    """Name and version of the chart."""
    place: str
    """Where the chart says the version: `appVersion`, a subchart's, or the path of an image's tag in its values."""
    version: str
    """As the chart writes it."""
    instead: str = ""
    """The version that our values choose; empty where they leave the chart's."""
    tool: str = ""
    """The tool of the rehearsal that is the same program."""
    not_run: str = ""
    """Why there is none."""
    images: tuple[str, ...] = ()
    """The images that are pulled."""
    when: str = ""
    """The value of ours without which none is pulled, such as `gateway.enabled`."""

    @property
    def number(self) -> str:
        """The version without `v`, and without the image's variant."""
        return (self.instead or self.version).removeprefix("v").partition("-")[0]


def deployed() -> list[Deployed]:
    """Everything that the pinned charts deploy and that matters here."""
    listed = yaml.load(LISTED.read_text(), Loader=yaml.CSafeLoader)
    return [_read(chart, place, item) for chart, places in listed.items() for place, item in places.items()]


def _read(chart: str, place: str, item: dict[str, Any]) -> Deployed:
    tag = item.get("instead", item["version"])
    return Deployed(chart, place, **item | {"images": tuple(image.format(tag) for image in item.get("images", ()))})


def differences(chart: Chart, package: Package) -> Iterator[str]:
    """Where the real chart deploys another version than is listed."""
    for item in deployed():
        found = package.version(item.place)
        if item.chart == f"{chart.name}-{chart.version}" and found != item.version:
            yield f"{item.place} is {found}, and {item.version} in versions.yaml"
