"""PromQL that several panels need: selectors, and what is easily got wrong: how much in the chosen time range."""

from __future__ import annotations

from collections.abc import Sequence


def series(name: str, /, *matchers: str, **labels: str) -> str:
    """A selector: `series("up", 'pod!=""', job="x")` is `up{pod!="", job="x"}`. Empty matchers are left out.

    A matcher may be several of them, separated by commas. Without a name it selects streams of logs.
    """
    equal = (f'{label}="{value}"' for label, value in labels.items())
    return name + "{" + ", ".join(filter(None, (*matchers, *equal))) + "}"


def growth(counter: str, by: str = "") -> str:
    """What a counter grew by in the time range, summed by labels: a count and not an estimate.

    increase() makes up for the seconds between the ends of the range and the scrapes nearest to them, so it shows some
    events too many or too few. It is left to series that were not there all the time, and to those of a process that
    restarted in place. Both are born at 0, or within one scrape of it, so that it loses hardly an event there.
    """
    aggregation = f"sum by ({by})" if by else "sum"
    return f"{aggregation} {_grown(counter)}"


def growth_from_birth(counter: str) -> str:
    """What each series of a scraped counter grew by in the time range, its first event included.

    For counters that get a series with the first event of its kind, often the only one, which increase() never sees.
    All of it counts if its target already answered when the range began: then it was born since.
    """
    born = f"""  {counter}
    and on (job, instance)
  up offset $__range == 1
    unless
  resets({counter}[$__range]) > 0
    or
"""
    return _grown(counter, born)


def _grown(counter: str, born: str = "") -> str:
    return f"""(
  {counter} - {counter} offset $__range
    unless
  resets({counter}[$__range]) > 0
    or
{born}  increase({counter}[$__range])
)"""


def quantile(share: float, buckets: str, *, by: str = "", window: str = "$__rate_interval") -> str:
    """A quantile of a histogram's `buckets` over a window; no series where nothing was counted, as that is NaN."""
    labels = f"le, {by}" if by else "le"
    return f"histogram_quantile({share}, sum by ({labels}) (increase({buckets}[{window}]))) >= 0"


def union(vectors: Sequence[str]) -> str:
    """All of the vectors, as a balanced tree: a chain would compare the last with the sum of all before it."""
    if len(vectors) == 1:
        return vectors[0]
    half = len(vectors) // 2
    return f"(\n{union(vectors[:half])}\n  or\n{union(vectors[half:])}\n)"


def at_start(gauge: str, by: str) -> str:
    """What a gauge was when the time range began or, where its data begin later, about what it was at first.

    For gauges that every instance reports alike; `by` are the labels of them to keep.
    """
    return f"""(
  max by ({by}) ({gauge} offset $__range @ end())
    or
  max by ({by}) ({gauge} @ end() - delta({gauge}[$__range] @ end()))
)"""
