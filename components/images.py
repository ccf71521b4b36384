"""Where container images come from, and which of them are pinned by digest: our own containers', and the charts'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.versions import Image, deployed
from facts import BUSYBOX, PYTHON
from invalid import InvalidInputError, one_of
from settings import Settings

OWN = (BUSYBOX, PYTHON)
"""The images of our own containers."""


def place(name: str, settings: Settings) -> str:
    """Where a stack finds an image such as `docker.io/library/busybox:1.37.0`: below its registry, if it has one."""
    registry = settings.images.registry
    return f"{registry}/{name.partition('/')[2]}" if registry else name


def image(name: str, settings: Settings) -> str:
    """An image of a container of ours as the stack pulls it: from its place, by its digest if the stack has one."""
    digest = settings.images.digests.get(name)
    return f"{place(name, settings)}@{digest}" if digest else place(name, settings)


def pinned(chart: str, values: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """The values of a chart, such as `loki-18.11.0`, with the stack's digests of the images that it pulls."""
    changed, digests = dict(values), settings.images.digests
    for found in _of_charts(chart) if digests else ():
        if found.name in digests:
            changed = _with(changed, found.at, found.pin(digests[found.name]))
    return changed


def _with(values: Mapping[str, Any], at: Sequence[str], value: str) -> dict[str, Any]:
    first, *rest = at
    return {**values, first: _with(values.get(first, {}), rest, value) if rest else value}


def refuse_unknown(settings: Settings) -> None:
    """Raise InvalidInputError for digests of images, or of versions of them, that no stack pulls.

    A digest that was left behind would keep an old program when a chart's version changes.
    """
    if settings.images.digests:
        known = sorted((*OWN, *(found.name for found in _of_charts())))
        unknown = [name for name in settings.images.digests if name not in known]
        if unknown:
            raise InvalidInputError(
                [f'images.digests: "{name}" is no image of a stack; expected {one_of(known, name)}' for name in unknown]
            )


def _of_charts(chart: str | None = None) -> list[Image]:
    return [found for item in deployed() if chart in (None, item.chart) for found in item.images]
