"""Limits, and the range of values that a graph shows at least.

Grafana draws a series that does not move on an axis of its own making: nothing but zeros on 0 to 100, which for a
share is 0 to 10,000 %. A soft range gives way to larger values, so it can only widen an axis.
"""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models import units

Limits = Sequence[tuple[float | None, str]]
"""Threshold steps: a colour and the value from which it holds; the first holds from minus infinity (None)."""

NEUTRAL: Limits = [(None, "blue")]
"""For a number that is neither good nor bad in itself."""

LEAST: dict[str, float] = {
    units.Percent: 100,
    units.Seconds: 0.1,
    units.Milliseconds: 100,
    units.BytesIEC: 1024,
    units.BytesPerSecondIEC: 1024,
}
"""Top of the axis of a graph without limits, by unit, if its values stay below; 1 for all others: 100 %, 1 a second."""


def above(warning: float, critical: float) -> Limits:
    """Green, orange from `warning`, red from `critical`."""
    return [(None, "green"), (warning, "orange"), (critical, "red")]


def below(warning: float, critical: float) -> Limits:
    """Red up to `critical`, orange up to `warning`, green from there on."""
    return [(None, "red"), (critical, "orange"), (warning, "green")]


def low_is_bad(limits: Limits) -> bool:
    """Whether the lowest values are those to look at, as with `below`."""
    return bool(limits) and limits[0][1] == "red"


def soft_range(
    unit: str, limits: Limits, *, signed: bool = False, top: float | None = None
) -> tuple[float | None, float | None]:
    """The least and the greatest value that a graph shows at least; None where its values decide.

    It begins at 0 and reaches the highest limit. Where low is bad it does not begin at 0, as 95 % and 100 % would be
    one line; `signed` values may be on both sides of it. `top` is for what is usually far below its limit or unit.
    """
    bounds = [bound for bound, _ in limits if bound is not None]
    if low_is_bad(limits):
        return None, top or LEAST.get(unit, 1)
    highest = top or max([*bounds, 0]) or LEAST.get(unit, 1)
    return (-highest if signed else 0), highest
