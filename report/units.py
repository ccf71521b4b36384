"""Values as people read them: Grafana's unit identifiers, each with the steps in which its values are told.

The identifiers are those of `grafana_foundation_sdk.models.units`. An unknown one is refused, so that no value is shown
without its unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from quantities import MILLISECONDS

RELATIVE_TIMES = "dateTimeFromNow"
TIMES = frozenset({RELATIVE_TIMES, "dateTimeAsIso", "dateTimeAsLocal", "dateTimeAsSystem"})
"""Units of values that are moments, in milliseconds since 1970; the page shows them in its viewer's zone."""


class UnknownUnitError(ValueError):
    """A panel has a unit that is not listed here."""


class Step(NamedTuple):
    """From `size` on, a value is told in multiples of it, with this suffix."""

    size: float
    suffix: str


@dataclass(frozen=True)
class Unit:
    """How values of one unit are told."""

    steps: tuple[Step, ...]
    """Ascending; smaller values are told in the first one."""
    prefix: str = ""
    size: float = 1.0
    """Size of one, in what the steps count."""
    decimals: int = 0
    """At least so many digits after the point, unless they are zeros; three significant ones in any case."""


class Scale(NamedTuple):
    """A value divided by `divisor`, between these two texts, is that value as people read it."""

    divisor: float
    prefix: str
    suffix: str


def _counted(what: str = "") -> tuple[Step, ...]:
    return tuple(
        Step(size, f"{letter} {what}".rstrip() if letter or what else "")
        for size, letter in ((1, ""), (1e3, "K"), (1e6, "M"), (1e9, "B"))
    )


def _multiples(base: int, what: str) -> tuple[Step, ...]:
    letters = ("", "Ki", "Mi", "Gi", "Ti") if base == 1024 else ("", "k", "M", "G", "T")
    return tuple(Step(base**power, f" {letter}{what}") for power, letter in enumerate(letters))


_SECONDS = (
    Step(1e-9, " ns"),
    Step(1e-6, " µs"),
    Step(1e-3, " ms"),
    Step(1, " s"),
    Step(60, " min"),
    Step(3600, " h"),
    Step(86400, " d"),
)
_RATES = {"reqps": "req/s", "rps": "reads/s", "wps": "writes/s", "ops": "ops/s", "iops": "io/s", "pps": "packets/s"}
_PER_MINUTE = {"epm": "/min", "opm": "ops/min", "rpm": "reads/min", "wpm": "writes/min", "cpm": "/min"}
_PER_SECOND = {"cps": "/s", "eps": "/s", "mps": "messages/s", "recps": "records/s", "rowsps": "rows/s"}
_MONEY = {"currencyUSD": "$", "currencyEUR": "€", "currencyGBP": "£"}
_DURATIONS = {"ns": 1e-9, "µs": 1e-6} | {name: MILLISECONDS[name] / 1000 for name in ("ms", "s", "m", "h", "d")}

UNITS: dict[str, Unit] = {
    "none": Unit((Step(1, ""),)),
    "short": Unit(_counted()),
    "sishort": Unit(_multiples(1000, "")),
    "locale": Unit((Step(1, ""),)),
    "percent": Unit((Step(1, "%"),), decimals=2),
    "percentunit": Unit((Step(0.01, "%"),), decimals=2),
    "bytes": Unit(_multiples(1024, "B")),
    "decbytes": Unit(_multiples(1000, "B")),
    "binBps": Unit(_multiples(1024, "B/s")),
    "Bps": Unit(_multiples(1000, "B/s")),
    "bps": Unit(_multiples(1000, "bit/s")),
    "hertz": Unit(_multiples(1000, "Hz")),
    **{name: Unit(_counted(what)) for name, what in (_RATES | _PER_MINUTE | _PER_SECOND).items()},
    **{name: Unit(tuple(Step(*step) for step in _counted()), prefix=sign) for name, sign in _MONEY.items()},
    **{name: Unit(_SECONDS, size=size) for name, size in _DURATIONS.items()},
}


def scale(name: str, magnitude: float) -> Scale:
    """The scale in which a value of about `magnitude` is told. Raises UnknownUnitError."""
    unit = _unit(name)
    size = abs(magnitude) * unit.size
    reached = [step for step in unit.steps if step.size <= size * (1 + 1e-9)]
    # Nothing is told in the unit itself, not in the smallest step: 0 s, not 0 ns.
    plain = next((step for step in unit.steps if step.size == unit.size), unit.steps[0])
    step = plain if not size else reached[-1] if reached else unit.steps[0]
    return Scale(step.size / unit.size, unit.prefix, step.suffix)


def text(value: float, name: str, decimals: int | None = None) -> str:
    """A value as people read it. Raises UnknownUnitError."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    divisor, prefix, suffix = scale(name, value)
    shown = abs(value) / divisor
    sign = "-" if value < 0 else ""
    digits = f"{shown:,.{decimals}f}" if decimals is not None else _digits(shown, _unit(name).decimals)
    return f"{sign}{prefix}{digits}{suffix}"


def _unit(name: str) -> Unit:
    if name not in UNITS:
        raise UnknownUnitError(f"unit {name!r}: not known to the report; add it to UNITS in report/units.py")
    return UNITS[name]


def _digits(value: float, decimals: int) -> str:
    """Three significant digits or `decimals` after the point, whichever is more, without zeros that say nothing."""
    kept = max(2 - math.floor(math.log10(value)), decimals) if value else 0
    while round(value, kept) == 100 > value and kept < decimals + 3:
        kept += 1  # 99.996 % is not all of it
    written = f"{value:,.{kept}f}"
    return written.rstrip("0").rstrip(".") if "." in written else written
