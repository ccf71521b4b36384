"""What is said of an incident: its timeline, what was muted by what, and how far a value moved. Plain functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import isfinite
from statistics import fmean, pstdev
from typing import Any, Literal

from drills.timeline import of_whom
from rehearsal.routes import matches, taken
from review.findings import PAGING
from review.firings import Firing, Silence, inhibitions
from review.spans import Span, common, union

Kind = Literal["fault", "deployment", "pending", "firing", "muted", "silenced", "notified", "resolved"]
KINDS: tuple[Kind, ...] = ("fault", "deployment", "pending", "firing", "muted", "silenced", "notified", "resolved")
"""In the order of their causes: events of one moment are in this order."""

FLOOR = 0.01
"""A spread counts as this share of the largest value at least: what never changed would otherwise move without end."""
MOVED = 4.0
"""Spreads, from which on a value has moved. What rises steadily as before for as long again comes to 3.5."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """One line of the timeline."""

    at: float
    kind: Kind
    what: str
    detail: str = ""
    severity: str = ""
    times: int = 1
    """How many alerts of the same name this happened to at once."""


@dataclass(frozen=True)
class Muted:
    """An alert that notified no receiver for some time."""

    alert: str
    severity: str
    spans: tuple[Span, ...]
    kind: Literal["muted", "silenced"]
    by: str
    """The alert that muted it, or who silenced it and why."""


def last_page(firings: Iterable[Firing]) -> Span | None:
    """The last time that any page fired, from the first of those that overlap to the last; None without any."""
    pages = union(one.span for one in firings if severity(one) == PAGING)
    return pages[-1] if pages else None


def first(firings: Iterable[Firing]) -> Firing | None:
    """The first page, or else the first alert; None without any."""
    return min(firings, key=lambda one: (severity(one) != PAGING, one.start), default=None)


def muted(firings: Sequence[Firing], inhibit_rules: Iterable[Json], silences: Iterable[Silence]) -> list[Muted]:
    """What was muted by what, earliest first."""
    found = [
        Muted(
            name(firings[target]), severity(firings[target]), tuple(spans), "muted", f"{_full(firings[source])} fires"
        )
        for target, source, spans in inhibitions(firings, inhibit_rules)
    ]
    for silence in silences:
        by = f"{silence.author}: {silence.comment}"
        for one in firings:
            spans = common([one.span], [silence.span]) if silence.mutes(one.labels) else []
            if spans:
                found.append(Muted(name(one), severity(one), tuple(spans), "silenced", by))
    return sorted(dict.fromkeys(found), key=lambda item: item.spans)


def of_alerts(firings: Iterable[Firing], routing: Json | None, start: float) -> Iterator[Event]:
    """When alerts were pending, fired and were resolved; `start` is the first moment that was looked at.

    With the configuration that Alertmanager runs, it is said whom it routes each to.
    """
    for one in firings:
        if one.since is not None and start < one.since < one.start:
            yield Event(one.since, "pending", name(one), severity=severity(one))
        whom = f"goes to {receivers(one.labels, routing)}" if routing else ""
        before = f"or before; {whom}" if one.start <= start else whom
        yield Event(one.start, "firing", name(one), before.removesuffix("; "), severity(one))
        if one.over:
            yield Event(one.end, "resolved", name(one), severity=severity(one))


def of_muted(found: Iterable[Muted]) -> Iterator[Event]:
    """When muting began."""
    for one in found:
        for begin, _ in one.spans:
            yield Event(begin, one.kind, one.alert, one.by, one.severity)


def receivers(labels: Mapping[str, str], routing: Json) -> str:
    """Whom Alertmanager routes an alert to: the receivers' names, each with its integrations."""
    integrations = {
        each["name"]: ", ".join(key.removesuffix("_configs") for key in each if key.endswith("_configs"))
        for each in routing["receivers"]
    }
    names = dict.fromkeys(route["receiver"] for route in taken(routing["route"], partial(matches, labels=labels)))
    return " and ".join(f"{each} ({integrations[each]})" if integrations.get(each) else each for each in names)


def timeline(events: Iterable[Event], end: float) -> list[Event]:
    """What happened up to `end`, in order. What happened at once to alerts of one name is one line."""
    counts = Counter(event for event in events if event.at <= end)
    ordered = sorted(counts, key=lambda event: (event.at, KINDS.index(event.kind), event.what, event.detail))
    return [replace(event, times=counts[event]) for event in ordered]


def moved(before: Sequence[float], during: Sequence[float]) -> float:
    """By how many spreads the mean of a value differs from that of before.

    The spread is the standard deviation of before, and at least FLOOR of the largest value of either. Neither is empty.
    """
    largest = max(map(abs, (*before, *during)))
    return abs(fmean(during) - fmean(before)) / max(pstdev(before), FLOOR * largest) if largest else 0.0


def at_each(points: Iterable[tuple[float, float]], start: float, end: float, step: float) -> list[float]:
    """The values from `start` to before `end`, at least one; each that is missing is 0.

    What counts has no value while there is nothing to count, and what is down has none, either.
    """
    found = [value for at, value in points if start <= at < end and isfinite(value)]
    return found + [0.0] * max(round((end - start) / step) - len(found), not found)


def name(one: Firing) -> str:
    """An alert, and what it is about."""
    return f"{one.labels['alertname']} {of_whom(one.labels)}".strip()


def severity(one: Firing) -> str:
    """Its severity; empty for one without."""
    return one.labels.get("severity", "")


def _full(one: Firing) -> str:
    return f"{name(one)} ({severity(one)})"
