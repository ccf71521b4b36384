"""The ends of axes by Grafana's own scale builder and uPlot, run by Node.

Only one file of `@grafana/ui` is run, which needs nothing that a page needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from checks.grafana.drawn import node
from report.axes import Axis

SCRIPT = Path(__file__).with_suffix(".cjs")

Case = tuple[Axis, float, float]
"""An axis, and the least and the greatest value that is drawn on it."""


def ends(cases: Sequence[Case]) -> list[tuple[float, float]]:
    """Where each axis begins and ends, by one process for all. Raises RuntimeError with what Node says."""
    asked = [{"axis": _properties(axis), "low": low, "high": high} for axis, low, high in cases]
    return [(low, high) for low, high in node(SCRIPT, asked)]


def _properties(axis: Axis) -> dict[str, Any]:
    """What Grafana makes of a panel's options; those that a panel does not have are not there."""
    given = {
        "min": axis.minimum,
        "max": axis.maximum,
        "softMin": axis.soft_min,
        "softMax": axis.soft_max,
        "decimals": 0 if axis.whole else None,
        "distribution": "log" if axis.logarithmic else "linear",
        "log": 10 if axis.logarithmic else None,
    }
    return {name: value for name, value in given.items() if value is not None}
