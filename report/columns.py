"""The columns of a table: how wide Grafana makes them, and which are in sight without scrolling."""

from __future__ import annotations

from collections.abc import Sequence

import screen
from report.board import Panel
from report.look import Field, field


def widths(panel: Panel, names: Sequence[str]) -> list[float]:
    """Pixels of each column: its own, or an equal share of what the others leave, but no less than it needs."""
    looks = [field(panel, name) for name in names]
    given = [look.width for look in looks if look.width]
    share = (screen.width(panel.width) - sum(given)) / max(len(looks) - len(given), 1)
    return [look.width or max(look.min_width, share) for look in looks]


def in_sight(panel: Panel, names: Sequence[str]) -> list[str]:
    """The columns that are seen in full without scrolling."""
    seen, end = [], 0.0
    for name, wide in zip(names, widths(panel, names), strict=True):
        end += wide
        if end <= screen.width(panel.width) + 1:
            seen.append(name)
    return seen


def tracks(panel: Panel, names: Sequence[str]) -> str:
    """The widths as CSS lays out a grid's columns, in a window of any size."""
    return " ".join(_track(field(panel, name)) for name in names)


def _track(look: Field) -> str:
    return f"{look.width:g}px" if look.width else f"minmax({look.min_width:g}px, 1fr)"
