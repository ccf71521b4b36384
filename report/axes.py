"""From where to where Grafana draws the values of a graph.

The rules are those of Grafana 13.2 and of uPlot, which it draws with: a tenth is added above and below, down to zero
but not past it; a soft bound holds until a value passes it; values that are all alike get as much room as they are
large, and zeros alone get 0 to 100.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

ROOM = 0.1
"""Share of the values' spread that is left free above and below."""
ALIKE = 10
"""Values are alike whose spread is more than so many powers of ten smaller than they are."""


@dataclass(frozen=True)
class Axis:
    """What a panel says of its vertical axis."""

    soft_min: float | None = None
    soft_max: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    whole: bool = False
    """Whether values are shown without decimals: then it ends at whole numbers."""
    logarithmic: bool = False

    def reach(self, low: float, high: float) -> tuple[float, float]:
        """The ends of the axis for values from `low` to `high`."""
        if self.logarithmic:
            return self._powers(low, high)
        fixed_min = None if self.soft_min is not None else self.minimum
        fixed_max = None if self.soft_max is not None else self.maximum
        low, high = low if fixed_min is None else fixed_min, high if fixed_max is None else fixed_max
        below, above = _with_room(low, high)
        # An axis turned upside down is the same axis, so one rule serves both ends.
        bottom = -_end(-low, -below, _turned(self.soft_min), _turned(self.minimum))
        top = _end(high, above, self.soft_max, self.maximum)
        if bottom == top == 0:
            top = 100
        if self.whole:
            bottom, top = math.floor(bottom), math.ceil(top)
        bottom, top = bottom if fixed_min is None else fixed_min, top if fixed_max is None else fixed_max
        if bottom == top != 0:
            bottom, top = sorted((2 * bottom, 0.0))
        return (bottom, top) if bottom < top else (0.0, 100.0)

    def _powers(self, low: float, high: float) -> tuple[float, float]:
        """Whole powers of ten, of values above zero; of values that are alike, those on both sides."""
        low, high = (
            end if bound is None or bound <= 0 else bound for bound, end in ((self.minimum, low), (self.maximum, high))
        )
        if low == high:
            low, high = low / 10, high * 10
        bottom, top = math.floor(math.log10(low)), math.ceil(math.log10(high))
        if self.whole:
            bottom = max(bottom, 0)
            top = top + 1 if top == bottom else top
        return (10.0**bottom, 10.0**top) if bottom < top else (1.0, 100.0)


def _with_room(low: float, high: float) -> tuple[float, float]:
    largest, spread = max(abs(low), abs(high)), high - low
    if spread <= 0 and 0 in (low, high):  # nothing, or nothing within a bound
        return low, high
    alike = spread <= 0 or abs(math.log10(largest) - math.log10(spread)) > ALIKE
    size = largest if alike else spread
    room = [size * (1 if alike and end else ROOM) for end in (low, high)]
    unit = 10.0 ** (math.floor(math.log10(size)) - 1)
    return math.floor(_exactly((low - room[0]) / unit)) * unit, math.ceil(_exactly((high + room[1]) / unit)) * unit


def _exactly(number: float) -> float:
    """Without what is only the error of a division."""
    return round(number, 8)


def _end(value: float, roomy: float, soft: float | None, hard: float | None) -> float:
    """The upper end of an axis whose highest value is `value`, and `roomy` with room above it."""
    if soft is None:  # then zero holds, unless even the room does not come near it
        holds, soft = value <= 0 <= roomy, 0.0
    else:
        holds = value <= soft
    return min(soft if holds else roomy, math.inf if hard is None else hard)


def _turned(bound: float | None) -> float | None:
    return None if bound is None else -bound
