"""Where the images of our own containers come from; a chart's come from there by its values (`components.charts`)."""

from __future__ import annotations

from settings import Settings


def image(name: str, settings: Settings) -> str:
    """An image such as `docker.io/library/busybox:1.37.0` as the stack pulls it: below its registry, if it has one."""
    registry = settings.images.registry
    return f"{registry}/{name.partition('/')[2]}" if registry else name
