"""How a panel's values look: unit, words, thresholds, colours, links, as its field configuration and overrides say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from report import units
from report.board import Json, Panel

COLOURS = {
    "green": "#3f9b57",
    "orange": "#e0803a",
    "red": "#d64a5b",
    "blue": "#4a82d8",
    "yellow": "#c9a227",
    "purple": "#9a6fd0",
    "text": "#7d8590",
}
"""Grafana's named colours, in shades that can be read on a light and on a dark ground."""

PALETTE = (
    "#4a82d8",
    "#3f9b57",
    "#e0803a",
    "#9a6fd0",
    "#2aa3a3",
    "#c9a227",
    "#d0629f",
    "#7a8b3c",
    "#6d7fc9",
    "#a8714a",
    "#5d9fc4",
    "#8c8c9a",
)
"""Colours of series that have none of their own, in turn; red is left for what is wrong."""

_VARIABLE = re.compile(r"\$\{([^}]+)\}")


class LookError(ValueError):
    """A panel is configured in a way that the report cannot draw."""


@dataclass(frozen=True)
class Link:
    """A link from a value to another dashboard."""

    title: str
    board: str
    chosen: Mapping[str, str]
    """Values of the other dashboard's variables."""


@dataclass(frozen=True)
class Field:
    """How the values of one series, or one column, look."""

    unit: str
    decimals: int | None
    steps: tuple[tuple[float, str], ...]
    """Values from which on a colour holds, ascending."""
    words: Mapping[str, str]
    """Words in place of values, by the value as Grafana writes it."""
    colour: str | None
    """Colour of its own, which no threshold changes."""
    minimum: float | None
    maximum: float | None
    links: tuple[Json, ...]
    coloured: bool
    """Whether thresholds colour the cells of a table."""

    def text(self, value: float) -> str:
        """A value as people read it."""
        return self.words.get(f"{value:g}") or units.text(value, self.unit, self.decimals)

    def shade(self, value: float) -> str:
        """The colour of a value: its own, or that of the highest threshold it reaches."""
        reached = [colour for bound, colour in self.steps if value >= bound]
        return self.colour or (reached[-1] if reached else COLOURS["text"])

    def link(self, known: Mapping[str, str]) -> Link | None:
        """Where a click on a series or a row leads, if it is another dashboard.

        `known` is what the variables in its address stand for: `__field.labels.…` or `__data.fields.…`.
        """
        for raw in self.links:
            address = urlsplit(_filled(raw["url"], known))
            if address.path.startswith("/d/"):
                chosen = {
                    name.removeprefix("var-"): values[0]
                    for name, values in parse_qs(address.query, keep_blank_values=True).items()
                    if name.startswith("var-")
                }
                return Link(_filled(raw["title"], known), address.path.split("/")[2], chosen)
        return None


def field(panel: Panel, name: str = "") -> Field:
    """How the series or column of this name looks; without a name, the panel's own look. Raises LookError."""
    config = panel.raw.get("fieldConfig", {})
    settings: Json = dict(config.get("defaults", {}))
    for override in config.get("overrides") or ():
        if _matches(panel, override["matcher"], name):
            settings |= {item["id"]: item.get("value") for item in override["properties"]}
    colour, custom = settings.get("color") or {}, settings.get("custom") or {}
    custom = custom | {key.removeprefix("custom."): item for key, item in settings.items() if key.startswith("custom.")}
    return Field(
        unit=settings.get("unit") or "none",
        decimals=settings.get("decimals"),
        steps=tuple(_steps(panel, settings)),
        words=_words(panel, settings.get("mappings") or ()),
        colour=named(colour["fixedColor"]) if colour.get("mode") == "fixed" else None,
        minimum=settings.get("min"),
        maximum=settings.get("max"),
        links=tuple(settings.get("links") or ()),
        coloured=str((custom.get("cellOptions") or {}).get("type", "")).startswith("color"),
    )


def named(colour: str) -> str:
    """A colour that the page knows, for one of Grafana's names such as `dark-red`."""
    return COLOURS.get(colour.rpartition("-")[2], colour)


def _matches(panel: Panel, matcher: Json, name: str) -> bool:
    match matcher["id"]:
        case "byName":
            return bool(matcher["options"] == name)
        case "byRegexp":
            return re.fullmatch(matcher["options"].strip("/"), name) is not None
    raise LookError(f"{panel.title}: override by {matcher['id']!r}: the report knows byName and byRegexp")


def _steps(panel: Panel, settings: Json) -> list[tuple[float, str]]:
    limits = settings.get("thresholds") or {"mode": "absolute", "steps": []}
    if limits["mode"] != "absolute":
        raise LookError(f"{panel.title}: thresholds in mode {limits['mode']!r}: the report knows absolute ones")
    return [
        (float("-inf") if step.get("value") is None else float(step["value"]), named(step["color"]))
        for step in limits["steps"]
    ]


def _words(panel: Panel, mappings: Any) -> dict[str, str]:
    words: dict[str, str] = {}
    for mapping in mappings:
        if mapping["type"] == "special":  # what is shown without a value, which `empty` says
            continue
        if mapping["type"] != "value":
            raise LookError(f"{panel.title}: words by {mapping['type']!r}: the report knows words for single values")
        words |= {value: result["text"] for value, result in mapping["options"].items() if result.get("text")}
    return words


def _filled(text: str, known: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: known.get(match[1], ""), text)
