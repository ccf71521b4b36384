"""What became of alerts that fired: whom they reached as the routes have it, what muted them, which are the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

from quantities import milliseconds
from rehearsal.routes import accepts, matches, taken
from review.spans import Span, common, length, union, without

TOGETHER = 0.9
"""Share of the time of two alerts in which both fire, from which on they are twins."""
TWICE = 2
"""Firings below which two that begin together may be chance."""

_OPERATORS = {(True, False): "=", (True, True): "=~", (False, False): "!=", (False, True): "!~"}

Labels = Mapping[str, str]
Json = dict[str, Any]


@dataclass(frozen=True)
class Firing:
    """One alert from its beginning to its end."""

    labels: Labels
    start: float
    end: float
    over: bool
    """Whether it has ended within the period."""
    since: float | None = None
    """Since when its condition holds, so when it began to be pending."""

    @property
    def alert(self) -> tuple[str, str]:
        """Name and severity."""
        return self.labels["alertname"], self.labels.get("severity", "")

    @property
    def span(self) -> Span:
        """From when to when."""
        return self.start, self.end


@dataclass(frozen=True)
class Silence:
    """A silence that Alertmanager remembers."""

    matchers: Sequence[Json]
    """As Alertmanager has them."""
    span: Span
    author: str = ""
    comment: str = ""

    def mutes(self, labels: Labels) -> bool:
        """Whether it is of an alert with these labels."""
        return all(_silences(matcher, labels) for matcher in self.matchers)


def firings(labels: Labels, points: Sequence[tuple[float, float]], step: float, end: float) -> Iterator[Firing]:
    """Each time that an alert fired, of points that have as value since when its condition holds.

    That moment is kept over a restart of Prometheus, so a gap alone is no end; another moment is another firing.
    """
    begun = 0
    for place, (at, since) in enumerate(points):
        last = place == len(points) - 1
        if last or points[place + 1][1] != since:
            yield Firing(labels, points[begun][0], at + step, over=not last or at + step < end, since=since)
            begun = place + 1


def inhibitions(all_of: Sequence[Firing], rules: Iterable[Json]) -> Iterator[tuple[int, int, list[Span]]]:
    """Which firing was muted by which, both by their places, and when, as Alertmanager's `inhibit_rules` have it."""
    for rule in rules:
        equal = rule.get("equal") or ()
        sources: dict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, one in enumerate(all_of):
            if _all(rule.get("source_matchers") or (), one.labels):
                sources[_values(one.labels, equal)].append(place)
        for place, one in enumerate(all_of):
            if _all(rule.get("target_matchers") or (), one.labels):
                for source in sources[_values(one.labels, equal)]:
                    both = common([one.span], [all_of[source].span])
                    if source != place and both:
                        yield place, source, both


def inhibited(all_of: Sequence[Firing], rules: Iterable[Json]) -> dict[int, list[Span]]:
    """When each firing, by its place, was muted by any other."""
    found: dict[int, list[Span]] = defaultdict(list)
    for place, _, spans in inhibitions(all_of, rules):
        found[place] += spans
    return found


def silenced(one: Firing, silences: Iterable[Silence]) -> list[Span]:
    """When a firing was silenced."""
    return common([one.span], [silence.span for silence in silences if silence.mutes(one.labels)])


def incidents(told: Iterable[tuple[Firing, Sequence[Span]]], route: Json) -> dict[tuple[str, str], int]:
    """How many incidents each alert began, grouped as the routes group: what is open takes in what joins.

    `told` is each firing with the time in which nothing muted it. What ends and begins again before the group's next
    message is one incident; what is over before its first is none.
    """
    groups: dict[tuple[Any, ...], list[tuple[Span, Firing]]] = defaultdict(list)
    waits: dict[tuple[Any, ...], tuple[float, float]] = {}
    for one, spans in told:
        taking = taken(route, partial(matches, labels=one.labels))[0]
        key = (taking.get("receiver"), *_values(one.labels, taking.get("group_by") or ()))
        waits[key] = _seconds(taking, "group_wait", "30s"), _seconds(taking, "group_interval", "5m")
        groups[key] += [(span, one) for span in spans]
    found: dict[tuple[str, str], int] = defaultdict(int)
    for key, members in groups.items():
        wait, interval = waits[key]
        for start, end in union((span for span, _ in members), gap=interval):
            if end - start >= wait:
                first = min((span, one.alert) for span, one in members if start <= span[0] <= end)
                found[first[1]] += 1
    return found


def twins(times: Mapping[str, Sequence[Span]], step: float) -> list[tuple[str, str, int]]:
    """Alerts that always fire together, and how often: each begins within a step of the other, and ends with it."""
    found = []
    for one, other in combinations(sorted(times), 2):
        pair = union(times[one]), union(times[other])
        if len(pair[0]) != len(pair[1]) or len(pair[0]) < TWICE:
            continue
        together = all(abs(a[0] - b[0]) <= step for a, b in zip(*pair, strict=True))
        if together and length(common(*pair)) >= TOGETHER * length([*pair[0], *pair[1]]):
            found.append((one, other, len(pair[0])))
    return found


def open_time(one: Firing, *muting: Iterable[Span]) -> list[Span]:
    """The time of a firing in which nothing muted it."""
    return without([one.span], [span for spans in muting for span in spans])


def _all(matchers: Iterable[str], labels: Labels) -> bool:
    return all(matches(matcher, labels) for matcher in matchers)


def _values(labels: Labels, names: Iterable[str]) -> tuple[str, ...]:
    return tuple(labels.get(name, "") for name in names)


def _silences(matcher: Json, labels: Labels) -> bool:
    operator = _OPERATORS[matcher.get("isEqual", True), matcher["isRegex"]]
    return accepts(operator, matcher["value"], labels.get(matcher["name"], ""))


def _seconds(route: Json, key: str, default: str) -> float:
    return milliseconds(route.get(key) or default) / 1000
