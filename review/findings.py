"""Puts a review together: asks for everything, and decides what is worth a row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median

from checks import alert_tests
from review import spans
from review.firings import Firing, incidents, inhibited, open_time, silenced, twins
from review.history import History, Period, Rule, tried
from review.limits import NEAR_SHARE, WATCHED, Creep, Threshold, creep, threshold
from review.spans import Span

PAGING = "critical"
Key = tuple[str, str]
"""Name and severity of an alert."""
_FOR_RULES_AND_PERIOD = 2
_FOR_MESSAGES = 4
"""Sent and failed ones, and the routes and silences that decide on them."""
Muting = list[tuple[list[Span], list[Span]]]
"""When each firing was muted by others, and when it was silenced."""


@dataclass(frozen=True)
class Row:
    """One alert that fired."""

    alert: str
    severity: str
    fired: int
    seconds: float
    pages: int | None
    """Incidents that paged; None for an alert that pages nobody, or if the routes are not known."""
    muted: float | None
    silenced: float | None
    """Shares of the time in which it fired."""
    resolved: float | None
    """Median of the seconds to its end, of those that ended."""
    times: tuple[Span, ...]


@dataclass(frozen=True)
class Near:
    """A value that sits just under the threshold of an alert."""

    alert: str
    threshold: Threshold
    labels: Mapping[str, str]
    share: float


@dataclass
class Review:
    """All that was found."""

    period: Period | None
    rules: int = 0
    rows: list[Row] = field(default_factory=list)
    never: list[tuple[str, str, str]] = field(default_factory=list)
    """Name and severity of what never fired, and the test that makes it fire, if any."""
    twins: list[tuple[str, str, int]] = field(default_factory=list)
    compared: int = 0
    """Alerts whose value was compared with their threshold."""
    near: list[Near] = field(default_factory=list)
    creeps: list[Creep] = field(default_factory=list)
    sent: dict[str, tuple[float, float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    """What could not be asked, and what was left out of answers."""
    asked: int = 0

    @property
    def pages(self) -> int:
        """All pages."""
        return sum(row.pages or 0 for row in self.rows)


def questions(rules: list[Rule], period: Period | None) -> int:
    """How many questions a review of these rules asks, if none fails."""
    if period is None:
        return _FOR_RULES_AND_PERIOD
    return _FOR_RULES_AND_PERIOD + period.parts + _FOR_MESSAGES + len(compared(rules)) + len(WATCHED)


def compared(rules: list[Rule]) -> list[tuple[str, Threshold]]:
    """The alerts whose value has something just under its threshold."""
    found = ((rule.name, threshold(rule.query)) for rule in rules)
    return list({(name, of): None for name, of in found if of and of.band})


def review(history: History, rules: list[Rule], period: Period | None) -> Review:
    """Ask about a period. Without a period there is nothing to ask."""
    of = Review(period, len(rules))
    if period is not None:
        with tried(of.problems, "what fired"):
            _fired(of, history, rules, period)
        with tried(of.problems, "what was sent"):
            of.sent = history.sent(period)
        _beside(of, history, rules, period)
    of.problems += history.warnings
    of.asked = history.asked
    return of


def _fired(of: Review, history: History, rules: list[Rule], period: Period) -> None:
    found = history.firings(period)
    by_name: dict[str, list[Span]] = defaultdict(list)
    for one in found:
        by_name[one.labels["alertname"]].append(one.span)
    of.twins = twins(by_name, period.step)
    fired = {one.alert for one in found}
    of.never = [
        (*key, _test(*key)) for key in dict.fromkeys((rule.name, rule.severity) for rule in rules) if key not in fired
    ]
    muting, pages = None, None
    with tried(of.problems, "routes and silences"):
        muting, pages = _muting(history, found)
    of.rows = sorted(_rows(found, muting, pages), key=lambda row: (-(row.pages or 0), -row.seconds, row.alert))


def _muting(history: History, found: list[Firing]) -> tuple[Muting, dict[Key, int]]:
    """When each firing was muted and when silenced; and how many incidents each alert began."""
    routing, known = history.routing(), history.silences()
    by_others = inhibited(found, routing.get("inhibit_rules") or ())
    muting = [(by_others.get(place, []), silenced(one, known)) for place, one in enumerate(found)]
    told = [(one, open_time(one, *both)) for one, both in zip(found, muting, strict=True)]
    return muting, incidents(told, routing["route"])


def _rows(found: list[Firing], muting: Muting | None, pages: dict[Key, int] | None) -> Iterator[Row]:
    places: dict[Key, list[int]] = defaultdict(list)
    for place, one in enumerate(found):
        places[one.alert].append(place)
    for (alert, severity), own in places.items():
        all_of = [found[place] for place in own]
        seconds = sum(one.end - one.start for one in all_of)
        ended = [one.end - one.start for one in all_of if one.over]
        muted, silent = (_share(muting, own, kind, seconds) for kind in (0, 1))
        yield Row(
            alert,
            severity,
            len(own),
            seconds,
            pages.get((alert, severity), 0) if pages is not None and severity == PAGING else None,
            muted,
            silent,
            resolved=median(ended) if ended else None,
            times=tuple(spans.union(one.span for one in all_of)),
        )


def _share(muting: Muting | None, places: list[int], kind: int, seconds: float) -> float | None:
    return None if muting is None else sum(spans.length(muting[place][kind]) for place in places) / seconds


def _test(alert: str, severity: str) -> str:
    """The first test that expects an alert to fire."""
    for expected in alert_tests.expectations():
        if expected.alert == alert and any(labels.get("severity") == severity for labels in expected.labels):
            return expected.test
    return ""


def _beside(of: Review, history: History, rules: list[Rule], period: Period) -> None:
    """What no alert says."""
    for alert, limit in compared(rules):
        with tried(of.problems, f"{alert}, its threshold"):
            nearest = history.nearest(limit, period)
            if nearest and nearest[1] > NEAR_SHARE:
                of.near.append(Near(alert, limit, *nearest))
            of.compared += 1
    for watched in WATCHED:
        with tried(of.problems, watched.words):
            found = (creep(watched, labels, values) for labels, values in history.medians(watched, period) if values)
            of.creeps += [each for each in found if each]
    of.near.sort(key=lambda near: -near.share)
