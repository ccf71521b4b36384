"""PromQL that is easily got wrong and that several panels need: how much, and since what, in the chosen time range."""

from __future__ import annotations


def growth(counter: str, by: str = "") -> str:
    """What a counter grew by in the time range, summed by labels: a count and not an estimate.

    increase() makes up for the seconds between the ends of the range and the scrapes nearest to them, so it shows some
    events too many or too few. It is left to series that were not there all the time, and to those of a process that
    restarted in place. Both are born at 0, or within one scrape of it, so that it loses hardly an event there.
    """
    aggregation = f"sum by ({by})" if by else "sum"
    return f"""{aggregation} (
  {counter} - {counter} offset $__range
    unless
  resets({counter}[$__range]) > 0
    or
  increase({counter}[$__range])
)"""


def at_start(gauge: str, by: str) -> str:
    """What a gauge was when the time range began or, where its data begin later, about what it was at first.

    For gauges that every instance reports alike; `by` are the labels of them to keep.
    """
    return f"""(
  max by ({by}) ({gauge} offset $__range @ end())
    or
  max by ({by}) ({gauge} @ end() - delta({gauge}[$__range] @ end()))
)"""
