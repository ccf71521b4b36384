"""What Grafana 13.2 makes of a screen, in pixels: what dashboards, their checks and the report have to agree on.

Panels are judged in a window of 1600 x 1000 with the menu open, as it is for who opens Grafana first: what fits there
fits without the menu, too.
"""

from __future__ import annotations

WINDOW = 1600
NARROW = 1280
"""The narrowest window that is looked at, without the menu, as the report has none."""
MENU = 300
MARGIN = 16
"""Left and right of the panels."""
GRID_COLUMNS = 24
GRID_ROW = 38
"""From one row of the grid to the next."""
GAP = 8
"""Between two panels; a part of each row and column."""
FOLD = 22
"""Rows of the grid that are seen before scrolling."""

LEAST_COLUMN = 150
"""Of a table, unless the panel says otherwise."""
LEGEND_ROW = 23
BESIDE = 0.6
"""Share of a graph that a legend beside it takes at most."""

_COLUMN = (WINDOW - MENU - 2 * MARGIN + GAP) / GRID_COLUMNS
_BORDER = 2
_PADDING = 2 * 8
_TITLE = 32


def width(columns: int) -> float:
    """What a panel of so many columns has for what it shows."""
    return columns * _COLUMN - GAP - _BORDER - _PADDING


def narrow(columns: int) -> float:
    """What a panel has in the narrowest window."""
    return columns * (NARROW - 2 * MARGIN + GAP) / GRID_COLUMNS - GAP - _BORDER - _PADDING


def height(rows: int) -> float:
    """What a panel of so many rows has for what it shows, below its title."""
    return rows * GRID_ROW - GAP - _BORDER - _TITLE - _PADDING
