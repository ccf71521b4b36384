"""What alerts do not say: thresholds that values sit just under, and values that rise by a little every day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

from checks import promql

NEAR = 0.1
"""How near to a threshold is just under it, as a share of the threshold."""
NEAR_SHARE = 0.05
"""Share of the time, from which on it is worth a look."""
DAYS = 5
"""Daily medians that a creep needs at least."""
RECENT = (7, DAYS)
"""The last so many days are looked at by themselves, too: a creep may have begun late."""
SURE = 2.4
"""Standard deviations of the test of Mann and Kendall; five days that rise each are 2.45, by chance 1 in 120."""
CLEAR = 4
"""How many times the median distance from its line a rise must be."""


@dataclass(frozen=True)
class Threshold:
    """What an alert compares with a number."""

    value: str
    """PromQL of the value."""
    operator: str
    limit: float

    @property
    def band(self) -> tuple[float, float] | None:
        """The values just under the threshold, without it; None if there are none, as beside 0.

        Of a share that must not fall, such as below 0.95, what is missing to 1 counts: it is never above.
        """
        if self.limit == 0 or self.operator not in (">", ">=", "<", "<="):
            return None
        if self.operator.startswith(">"):
            return self.limit - NEAR * abs(self.limit), self.limit
        room = 1 - self.limit if 0.5 < self.limit < 1 else abs(self.limit)
        return self.limit, self.limit + NEAR * room

    def nearest(self, length: int, step: int) -> str:
        """PromQL of the series that was just under it for most of the last `length` seconds, and for which share.

        It is evaluated at each `step`, once. Raises ValueError without a band.
        """
        if self.band is None:
            raise ValueError(f"nothing is just under {self.operator} {self.limit:g}")
        low, high = self.band
        half = (high - low) / 2 * (1 - 1e-9)  # rounding must not take in the threshold itself
        inside = f"abs(({self.value}) - {(low + high) / 2!r}) < bool {half!r}"
        return f"topk(1, avg_over_time(({inside})[{length}s:{step}s]))"


def threshold(query: str) -> Threshold | None:
    """The value and the number that a rule compares, also if further conditions follow; None for other rules."""
    return _threshold(promql.parse(query))


def _threshold(node: promql.Expr) -> Threshold | None:
    match promql.bare(node):
        case promql.ast.BinaryExpr(op=op, lhs=left, rhs=right) as whole if promql.is_filter(whole):
            limit = promql.number(right)
            simple = limit is not None and not promql.is_filter(promql.bare(left))
            return Threshold(str(left), str(op), limit or 0.0) if simple else None
        case promql.ast.BinaryExpr(op=op, lhs=left) as whole if str(op) in ("and", "unless"):
            found = _threshold(left)
            rest = str(whole).removeprefix(str(left))
            return found and Threshold(f"({found.value}){rest}", found.operator, found.limit)
    return None


@dataclass(frozen=True)
class Watched:
    """A recorded series that is watched for creeps."""

    name: str
    words: str
    least: float
    """Rise that is worth a look."""
    percent: bool = False

    def text(self, value: float) -> str:
        """A value as people read it."""
        return f"{100 * value:.1f} %" if self.percent else f"{value:.2f} s"


WATCHED = (
    Watched("service:http_errors:ratio_rate5m", "share of failed requests", 0.01, percent=True),
    Watched("service:http_requests_slow:ratio_rate5m", "share of slow requests", 0.05, percent=True),
    Watched("service:http_request_latency_seconds:p95_rate5m", "95th percentile of the latency", 0.1),
)


@dataclass(frozen=True)
class Creep:
    """A value that rises day by day."""

    watched: Watched
    labels: Mapping[str, str]
    first: float
    last: float
    days: int


def creep(watched: Watched, labels: Mapping[str, str], medians: Sequence[float]) -> Creep | None:
    """Whether the medians of successive days rise: over all days, or over the last few.

    The rise is that of the line of Theil and Sen, the median slope between two days, so that single bad days do not
    count. It must be worth a look, no chance, and clear of what is beside the line.
    """
    for days in sorted({len(medians), *(few for few in RECENT if few < len(medians))}, reverse=True):
        chosen = medians[-days:]
        if days >= DAYS and _rises(chosen, watched.least):
            return Creep(watched, labels, median(chosen[:2]), median(chosen[-2:]), days)
    return None


def _rises(values: Sequence[float], least: float) -> bool:
    count = len(values)
    pairs = list(combinations(range(count), 2))
    slope = median((values[b] - values[a]) / (b - a) for a, b in pairs)
    start = median(value - slope * day for day, value in enumerate(values))
    beside = median(abs(value - start - slope * day) for day, value in enumerate(values))
    rise = slope * (count - 1)
    ranks = sum((values[b] > values[a]) - (values[b] < values[a]) for a, b in pairs)
    deviation = (count * (count - 1) * (2 * count + 5) / 18) ** 0.5
    return rise >= least and rise >= CLEAR * beside and ranks >= SURE * deviation
