"""Values as Grafana 13.2 writes them: its unit identifiers, each with the steps in which its values are written.

The identifiers are those of `grafana_foundation_sdk.models.units`. An unknown one is refused, so that no value is shown
without its unit. `tests/contract/test_drawn_alike.py` compares all of this with Grafana's own library.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import NamedTuple

AGE = "dateTimeFromNow"
TIMES = frozenset({AGE, "dateTimeAsIso", "dateTimeAsLocal", "dateTimeAsSystem"})
"""Units of values that are moments, in milliseconds since 1970; the page shows them in its viewer's zone."""
INFINITY = "∞"
_ANY_SIZE = Context(prec=400, rounding=ROUND_HALF_UP)


class UnknownUnitError(ValueError):
    """A panel has a unit that is not listed here."""


class Step(NamedTuple):
    """How values of a size are written: multiplied by `times`, divided by `by`, with this suffix."""

    suffix: str
    times: float = 1.0
    by: float = 1.0

    def of(self, value: float) -> float:
        """The number that is written of a value."""
        return value * self.times / self.by


Choice = Callable[[float], Step]
"""The step in which a value of this size is written."""


@dataclass(frozen=True)
class Unit:
    """How values of one unit are written."""

    choose: Choice
    prefix: str = ""
    after_infinity: str = ""
    grouped: bool = False
    """Whether thousands are separated; decimals are then at most those that a panel asks for."""


class Scale(NamedTuple):
    """A value divided by `divisor`, between these two texts, is that value as people read it."""

    divisor: float
    prefix: str
    suffix: str


def _always(step: Step) -> Choice:
    return lambda _: step


def _powers(base: int, suffixes: Sequence[str], lowest: int = 0) -> Choice:
    """Powers of `base` from the `lowest` one on."""

    def choose(size: float) -> Step:
        power = math.floor(math.log10(size) / math.log10(base)) if size else 0
        power = min(max(power, lowest), lowest + len(suffixes) - 1)
        return Step(suffixes[power - lowest], by=float(base) ** power)

    return choose


def _counted(what: str) -> Unit:
    suffixes = [f"{letter} {what}" for letter in ("", "K", "M", "B", "T")]
    return Unit(_powers(1000, suffixes), after_infinity=f"undefined {what}")  # a slip of Grafana's


def _bytes(what: str) -> Unit:
    letters = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
    return Unit(_powers(1024, [f" {letter}{what}" for letter in letters]))


def _metric(what: str) -> Unit:
    letters = ("f", "p", "n", "µ", "m", "", "k", "M", "G", "T", "P", "E", "Z", "Y")
    return Unit(_powers(1000, [f" {letter}{what}" for letter in letters], lowest=-5))


def _money(sign: str) -> Unit:
    return Unit(_powers(1000, ("", "K", "M", "B", "T")), prefix=sign)


def _durations(*ends: tuple[float, Step]) -> Unit:
    """Each step with the size at which the next one begins."""

    def choose(size: float) -> Step:
        step = next((step for end, step in ends if size < end), ends[-1][1])
        plural = step.suffix in _PLURALS and step.of(size) > 1
        return step._replace(suffix=f"{step.suffix}s") if plural else step

    return Unit(choose, after_infinity=" years")


_PLURALS = (" min", " hour", " day", " week", " year")
_RATES = {
    "reqps": "req/s",
    "rps": "rd/s",
    "wps": "wr/s",
    "ops": "ops/s",
    "iops": "io/s",
    "cps": "c/s",
    "eps": "evt/s",
    "mps": "msg/s",
    "recps": "rec/s",
    "rowsps": "rows/s",
    "cpm": "c/m",
    "epm": "evts/m",
    "opm": "ops/m",
    "reqpm": "req/m",
    "rpm": "rd/m",
    "wpm": "wr/m",
}

UNITS: dict[str, Unit] = {
    "none": Unit(_always(Step(""))),
    "short": Unit(_powers(1000, ("", " K", " Mil", " Bil", " Tri", " Quadr", " Quint", " Sext", " Sept"))),
    "locale": Unit(_always(Step("")), grouped=True),
    "percent": Unit(_always(Step("%")), after_infinity="%"),
    "percentunit": Unit(_always(Step("%", times=100)), after_infinity="%"),
    "bytes": _bytes("B"),
    "binBps": _bytes("B/s"),
    **{
        name: _metric(what)
        for name, what in {"decbytes": "B", "Bps": "B/s", "bps": "b/s", "pps": "p/s", "hertz": "Hz"}.items()
    },
    **{name: _counted(what) for name, what in _RATES.items()},
    **{name: _money(sign) for name, sign in {"currencyUSD": "$", "currencyEUR": "€", "currencyGBP": "£"}.items()},
    "s": _durations(
        (1e-6, Step(" ns", times=1e9)),
        (1e-3, Step(" µs", times=1e6)),
        (1, Step(" ms", times=1e3)),
        (60, Step(" s")),
        (3600, Step(" min", by=60)),
        (86_400, Step(" hour", by=3600)),
        (604_800, Step(" day", by=86_400)),
        (31_536_000, Step(" week", by=604_800)),
        (math.inf, Step(" year", by=31_556_900)),
    ),
    "ms": _durations(
        (1e3, Step(" ms")),
        (6e4, Step(" s", by=1e3)),
        (36e5, Step(" min", by=6e4)),
        (864e5, Step(" hour", by=36e5)),
        (31_536e6, Step(" day", by=864e5)),
        (math.inf, Step(" year", by=31_536e6)),
    ),
    "d": _durations((7, Step(" day")), (365, Step(" week", by=7)), (math.inf, Step(" year", by=365))),
}


def scale(name: str, magnitude: float) -> Scale:
    """The scale in which a value of about `magnitude` is written. Raises UnknownUnitError."""
    unit = _unit(name)
    step = _step(name, magnitude)
    return Scale(step.by / step.times, unit.prefix, step.suffix)


def text(value: float, name: str, decimals: int | None = None) -> str:
    """A value as people read it, with its unit. Raises UnknownUnitError."""
    unit = _unit(name)
    if math.isnan(value):
        return "NaN"
    before = "-" if unit.prefix and value < 0 else ""
    number = abs(value) if unit.prefix else value
    if math.isinf(value):
        written, suffix = (INFINITY if number > 0 else f"-{INFINITY}"), unit.after_infinity
    elif unit.grouped:
        written, suffix = _grouped(number, 3 if decimals is None else decimals), ""
    else:
        step = _step(name, number)
        written, suffix = _fixed(step.of(number), decimals if value or name != "s" else 0), step.suffix
    return f"{before}{unit.prefix}{written}{suffix}"


def age(seconds: float) -> str:
    """How long ago a moment was, as Grafana says it of `dateTimeFromNow`: rounded, and a little less than each unit."""
    size = abs(seconds)
    minutes, hours, days = (_rounded(size / length) for length in (60, 3600, 86_400))
    months = _rounded(size / 86_400 * 4800 / 146_097)  # 400 years have so many months and days
    years = _rounded(size / 86_400 * 400 / 146_097)
    steps = [
        (_rounded(size) < 45, "a few seconds"),
        (minutes <= 1, "a minute"),
        (minutes < 45, f"{minutes} minutes"),
        (hours <= 1, "an hour"),
        (hours < 22, f"{hours} hours"),
        (days <= 1, "a day"),
        (days < 26, f"{days} days"),
        (months <= 1, "a month"),
        (months < 11, f"{months} months"),
        (years <= 1, "a year"),
        (True, f"{years} years"),
    ]
    said = next(words for holds, words in steps if holds)
    return f"in {said}" if seconds < 0 else f"{said} ago"


def plain(value: float) -> str:
    """A number as JavaScript writes it, which is also how Grafana looks up the word for a value."""
    if not math.isfinite(value):
        return "nan" if math.isnan(value) else INFINITY
    if value and not 1e-6 <= abs(value) < 1e21:
        return re.sub(r"\.0(?=e|$)|(?<=e[+-])0+", "", repr(value))
    return f"{Decimal(repr(value + 0.0)):f}".removesuffix(".0")


def _unit(name: str) -> Unit:
    if name not in UNITS:
        raise UnknownUnitError(f"unit {name!r}: not known to the report; add it to UNITS in report/units.py")
    return UNITS[name]


def _step(name: str, value: float) -> Step:
    # Nothing is written in the unit itself, not in its smallest part: 0 s, not 0 ns.
    return _unit(name).choose(abs(value)) if value or name != "s" else Step(" s")


def _fixed(value: float, decimals: int | None) -> str:
    """With so many decimals, by default as many as three digits need."""
    kept = _decimals(value) if decimals is None else decimals
    if not value:
        return f"{0:.{kept}f}"
    factor = 10.0**kept
    written = plain(_rounded(value * factor) / factor)
    if "e" in written:
        return written
    whole, _, part = written.partition(".")
    part = part.ljust(kept, "0")
    return f"{whole}.{part}" if part else whole


def _decimals(value: float) -> int:
    """Digits after the point: one from 1 to 2.25 of a power of ten, then two; and one fewer with each power above."""
    if value == math.floor(value):
        return 0
    size = abs(value)
    kept = 1 - math.floor(math.log(size) / math.log(10))
    kept += size / 10.0**-kept > 2.25
    return min(max(kept, 0), 300)  # more is beyond what a number holds


def _grouped(value: float, decimals: int) -> str:
    rounded = _ANY_SIZE.quantize(Decimal(repr(value + 0.0)), Decimal(1).scaleb(-decimals))
    whole, _, part = f"{rounded:,f}".partition(".")
    part = part.rstrip("0")
    return f"{whole}.{part}" if part else whole


def _rounded(value: float) -> int:
    """To the nearest whole number; of two the higher."""
    below = math.floor(value)
    return below + (value - below >= 0.5)
