"""What the pinned charts deploy: `versions.yaml`, typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import yaml

LISTED = Path(__file__).with_name("versions.yaml")


@dataclass(frozen=True)
class Image:
    """An image that a chart pulls, and how its values pin it by digest."""

    name: str
    """With its registry and tag, such as `quay.io/prometheus/prometheus:v3.14.0-distroless`."""
    form: Literal["digest", "hex", "tag"]
    """How the chart wants the digest: as it is, without `sha256:`, or as part of the tag."""
    at: tuple[str, ...]
    """The keys of the value."""

    def pin(self, digest: str) -> str:
        """The value that pins the image by `sha256:…`."""
        if self.form == "tag":
            return f"{self.name.rpartition(':')[2]}@{digest}"
        return digest.removeprefix("sha256:") if self.form == "hex" else digest


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
    images: tuple[Image, ...] = ()
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
    images = [
        Image(name.format(tag), cast(Literal["digest", "hex", "tag"], form), tuple(path.split(".")))
        for name, pinned in item.get("images", {}).items()
        for form, path in pinned.items()
    ]
    return Deployed(chart, place, **item | {"images": tuple(images)})
