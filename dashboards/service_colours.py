"""The colour that each service of the catalogue has on every graph, which is never one of trouble.

Grafana's own colours by name are drawn by lot from all of its palette: a service that is well may be red. So each name
that a legend can give a service has a colour of its own here; a name with more in it, such as a route, keeps Grafana's.
"""

from __future__ import annotations

import colorsys
import itertools
import re
from collections.abc import Iterator, Sequence

from grafana_foundation_sdk.models import dashboard as model

from dashboards.colours import by_name, fixed

HUES = (210, 280, 155, 315, 185, 95, 245, 125, 295, 170, 225, 80)
"""Degrees of the services' colours, in the order of the catalogue: none from red to yellow. A service that is added at
its end changes none."""

LIGHTNESS = (0.62, 0.82, 0.45, 0.72, 0.54, 0.9)
"""Of the lines that one graph has of a service, such as its percentiles."""

SLIS = ("availability", "latency")
LABELS = {"service", "service_name"}
"""Labels that name a service, as does `container` where it is chosen as one."""
CONTAINER_OF_SERVICE = 'container=~"$service"'


def keep(board: model.Dashboard, services: Sequence[str]) -> None:
    """Give the series of each service its colour on the graphs of a dashboard; a panel's own colours stay."""
    for panel in board.panels or []:
        if isinstance(panel, model.Panel) and panel.type_val == "timeseries" and panel.field_config is not None:
            found = [*_overrides(panel, services)]
            panel.field_config.overrides = [*found, *panel.field_config.overrides]


def colour(place: int, line: int = 0) -> str:
    """The colour of the service at this place of the catalogue, and of one of its lines."""
    again, hue = divmod(place, len(HUES))
    lightness, saturation = LIGHTNESS[line % len(LIGHTNESS)], 0.65 / (1 + again)
    red, green, blue = colorsys.hls_to_rgb(HUES[hue] / 360, lightness, saturation)
    return f"#{round(255 * red):02x}{round(255 * green):02x}{round(255 * blue):02x}"


def _overrides(panel: model.Panel, services: Sequence[str]) -> Iterator[model.DashboardFieldConfigSourceOverrides]:
    lines = [line for target in panel.targets or [] for line in _lines(target)]
    for (place, service), (number, line) in itertools.product(enumerate(services), enumerate(lines)):
        yield by_name(line.format(service), color=fixed(colour(place, number)))


def _lines(target: object) -> Iterator[str]:
    """The names that a query gives the lines of a service, with `{}` for its name; none where others are in them."""
    legend, labels = str(getattr(target, "legend_format", "")), set(LABELS)
    if CONTAINER_OF_SERVICE in str(getattr(target, "expr", "")):
        labels.add("container")
    named = re.findall(r"\{\{(\w+)\}\}", legend)
    if len(labels & {*named}) == 1 and {*named} <= labels | {"sli"}:
        form = re.sub(rf"\{{\{{({'|'.join(labels)})\}}\}}", "{}", legend)
        yield from (form.replace("{{sli}}", sli) for sli in (SLIS if "sli" in named else [""]))
