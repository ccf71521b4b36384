"""Panels through Grafana's own library: `@grafana/data` of the chart's Grafana, run by Node.

The library decides every name, text, unit, date, threshold and colour, and the transformations; where they are drawn,
such as rows of a legend and widths of columns, is decided by each kind of panel and cannot be seen here.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.npm import NODE
from engine.toolchain import tool

SCRIPT = Path(__file__).with_suffix(".cjs")

Panel = dict[str, Any]
"""A panel as in a dashboard's JSON."""
Frame = dict[str, Any]
"""A data frame as Grafana's server sends it: `schema` and `data`."""
Value = float | str | None
Limits = Sequence[tuple[float | None, str]]
"""Steps of colours, as dashboards/panels.py has them, with hues."""


@dataclass(frozen=True)
class Cell:
    """One value as it is shown."""

    text: str
    """With its unit."""
    number: float | None
    """The number in it, if there is one."""
    colour: str
    """One of Grafana's hues, such as `red` for each shade of red; or the code of a colour that belongs to none."""
    shade: str
    """The code of the colour itself."""


@dataclass(frozen=True)
class Tile(Cell):
    """One value of a stat, or one bar, with its name and the scale it is drawn on."""

    name: str
    min: float | None
    max: float | None
    limits: Limits | None
    """What decides the colour, unless it is fixed."""


@dataclass(frozen=True)
class Field:
    """One series, or one column of a table."""

    name: str
    """What the legend or the table's head says."""
    type: str
    """`number`, `string` or `time`."""
    unit: str | None
    colour: str
    """Of its line and its legend, at its last value."""
    shade: str
    """The code of that colour."""
    min: float | None
    max: float | None
    limits: Limits | None
    """What decides the colours of its values, unless they are fixed."""
    raw: Sequence[Value]
    """The values before they are shown."""
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Drawn:
    """A panel with its data, as it is shown."""

    fields: Sequence[Field]
    tiles: Sequence[Tile]
    """Of a stat or of bars alone."""
    ignored: Sequence[str]
    """What the panel asks for and Grafana passes over in silence: options, transformations and matchers that it does
    not know, and overrides that match no field."""


def draw(asked: Sequence[tuple[Panel, Sequence[Frame]]], now: float | None = None) -> list[Drawn]:
    """What Grafana shows at `now`, in milliseconds, of each panel with these frames, by one process for all.

    Raises RuntimeError with what Node says if the library cannot read a panel.
    """
    panels = [{"panel": panel, "frames": frames} for panel, frames in asked]
    answers = node(SCRIPT, {"now": time.time() * 1000 if now is None else now, "asked": panels})
    return [_drawn(item) for item in answers]


def node(script: Path, asked: Any) -> Any:
    """What a script answers with Grafana's libraries at hand. Raises RuntimeError with what Node says."""
    done = subprocess.run(
        [NODE, str(script)],
        input=json.dumps(asked),
        # English, as the values of the report are.
        env=os.environ | {"NODE_PATH": str(tool("grafana-data") / "node_modules"), "LC_ALL": "en_US.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"Grafana's library could not draw the panels:\n{done.stderr}")
    return json.loads(done.stdout)


def _drawn(item: dict[str, Any]) -> Drawn:
    fields = [Field(**{**field, "cells": [Cell(**cell) for cell in field["cells"]]}) for field in item["fields"]]
    return Drawn(fields, [Tile(**tile) for tile in item["tiles"]], item["ignored"])
