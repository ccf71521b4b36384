"""How a panel's values look: unit, words, thresholds, colours, links, as its field configuration and overrides say."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any
from urllib.parse import parse_qs, urlsplit

import screen
from report import colours, units
from report.axes import Axis
from report.board import Json, Panel
from report.sources import Series

_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_BETWEEN_SLASHES = re.compile(r"/(.*)/([a-z]*)", re.DOTALL)


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
class Word:
    """What is shown in place of a value."""

    text: str | None
    colour: str | None


@dataclass(frozen=True)
class Field:
    """How the values of one series, or one column, look."""

    name: str
    """A name with variables such as `${__field.labels.service}`; empty for that of the query."""
    unit: str
    decimals: int | None
    steps: tuple[tuple[float, str], ...]
    """Values from which on a colour holds, up to the first that is not reached."""
    words: Mapping[str, Word]
    """Words in place of values, by the value as Grafana writes it."""
    scheme: str
    """Where its colour comes from: `fixed`, `thresholds`, `palette-classic` or `palette-classic-by-name`."""
    fixed: str | None
    """The colour of the scheme `fixed`."""
    minimum: float | None
    maximum: float | None
    axis: Axis
    links: tuple[Json, ...]
    coloured: bool
    """Whether thresholds colour the cells of a table."""
    empty: str
    """What a table's cell says that has no value."""
    width: float | None
    """Pixels of a table's column; None for an equal share of what the others leave."""
    min_width: float
    """The least that such a share may be."""
    wrapped: bool
    """Whether a long text is broken into lines, rather than cut."""

    def name_of(self, series: Series) -> str:
        """What a series is called."""
        known = {f"__field.labels.{name}": value for name, value in series.labels.items()}
        return _filled(self.name, known) or series.legend

    def text(self, value: float) -> str:
        """A value as people read it."""
        word = self.words.get(units.plain(value))
        return (word and word.text) or units.text(value, self.unit, self.decimals)

    def reduced(self, value: float) -> str:
        """What a tile, a bar or a legend says of a series; NaN is here that it has no value."""
        return self.text(value) if "nan" in self.words or not math.isnan(value) else self.empty

    def shade(self, value: float) -> str:
        """The colour of a value (NaN for none): of its word, its own, or of the highest threshold that it reaches."""
        word = self.words.get(units.plain(value))
        level = -math.inf if math.isnan(value) else value
        reached = [colour for _, colour in takewhile(lambda step: level >= step[0], self.steps)]
        return (word and word.colour) or self.fixed or (reached[-1] if reached else colours.NAMED["text"])

    def colour(self, place: int, name: str, value: float) -> str:
        """The colour of the series at this place of its panel, with its name and its last value."""
        match self.scheme:
            case "palette-classic":
                return colours.PALETTE[place % len(colours.PALETTE)]
            case "palette-classic-by-name":
                return colours.by_name(name)
        return self.shade(value)

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
    custom = dict(settings.get("custom") or {})
    custom |= {key.removeprefix("custom."): item for key, item in settings.items() if key.startswith("custom.")}
    scheme, cell = settings.get("color") or {}, custom.get("cellOptions") or {}
    return Field(
        name=settings.get("displayName") or "",
        unit=settings.get("unit") or "none",
        decimals=settings.get("decimals"),
        steps=tuple(_steps(panel, settings)),
        words=_words(panel, settings.get("mappings") or ()),
        scheme=_scheme(panel, scheme),
        fixed=colours.named(scheme["fixedColor"]) if scheme.get("mode") == "fixed" else None,
        minimum=settings.get("min"),
        maximum=settings.get("max"),
        axis=_axis(settings, custom),
        links=tuple(settings.get("links") or ()),
        coloured=str(cell.get("type", "")).startswith("color"),
        empty=settings.get("noValue") or "",
        width=custom.get("width"),
        min_width=custom.get("minWidth") or screen.LEAST_COLUMN,
        wrapped=bool(custom.get("wrapText") or cell.get("wrapText")),
    )


def _axis(settings: Json, custom: Json) -> Axis:
    return Axis(
        custom.get("axisSoftMin"),
        custom.get("axisSoftMax"),
        settings.get("min"),
        settings.get("max"),
        whole=settings.get("decimals") == 0,
        logarithmic=(custom.get("scaleDistribution") or {}).get("type") == "log",
    )


def _scheme(panel: Panel, colour: Json) -> str:
    known = ("fixed", "palette-classic", "palette-classic-by-name", "thresholds")
    scheme = colour.get("mode") or "thresholds"
    if scheme not in known:
        raise LookError(f"{panel.title}: colours by {scheme!r}: the report knows {', '.join(known)}")
    return str(scheme)


def _matches(panel: Panel, matcher: Json, name: str) -> bool:
    match matcher["id"]:
        case "byName":
            return bool(matcher["options"] == name)
        case "byRegexp":
            return _found(matcher["options"], name)
    raise LookError(f"{panel.title}: override by {matcher['id']!r}: the report knows byName and byRegexp")


def _found(pattern: str, name: str) -> bool:
    """Whether a pattern is all of a name, or anywhere in it if it is written between slashes, as Grafana has it."""
    between = _BETWEEN_SLASHES.fullmatch(pattern)
    if between is None:
        return re.fullmatch(pattern, name) is not None
    return re.search(between[1], name, re.IGNORECASE if "i" in between[2] else 0) is not None


def _steps(panel: Panel, settings: Json) -> list[tuple[float, str]]:
    limits = settings.get("thresholds") or {"mode": "absolute", "steps": []}
    if limits["mode"] != "absolute":
        raise LookError(f"{panel.title}: thresholds in mode {limits['mode']!r}: the report knows absolute ones")
    return [
        (float("-inf") if step.get("value") is None else float(step["value"]), colours.named(step["color"]))
        for step in limits["steps"]
    ]


def _words(panel: Panel, mappings: Any) -> dict[str, Word]:
    words: dict[str, Word] = {}
    for mapping in mappings:
        for value, result in _results(panel, mapping):
            colour = result.get("color")
            words.setdefault(value, Word(result.get("text"), colours.named(colour) if colour else None))
    return words


def _results(panel: Panel, mapping: Json) -> list[tuple[str, Json]]:
    """Each value of a mapping, as `text` writes it, and what it is replaced by."""
    options = mapping["options"]
    if mapping["type"] == "value":
        return list(options.items())
    if mapping["type"] == "special" and options["match"] in {"null", "nan", "null+nan"}:
        # Tiles and bars have no NaN: the last value of a series is the last number, or null.
        told = options["match"] != ("null" if panel.kind == "table" else "nan")
        return [("nan", options["result"])] if told else []
    raise LookError(
        f"{panel.title}: words by {mapping['type']!r}: the report knows words for single values and for none"
    )


def _filled(text: str, known: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: known.get(match[1], ""), text)
