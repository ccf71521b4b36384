"""Asks a Prometheus and an Alertmanager what they remember: each answer is bounded, and questions are counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import httpx
import yaml

import parts
from local.errors import RehearsalError
from local.ports import Ports
from review.firings import Firing, Silence, firings
from review.limits import Threshold, Watched
from verify.cluster import Cluster, ClusterError, behind_service

POINTS = 11_000
"""The most that Prometheus answers of a series at once."""
PARTS = 8
"""Answers that the firings of a period are read in: 14 days in steps of 15 s fit."""
SERIES = 5_000
"""Alerts of one part that are read; Prometheus leaves out what is more, and says so."""
SAMPLED = 2_000
"""Values of each expression that are compared with its threshold."""
DAY = 86_400
ALWAYS = "Watchdog"
"""Fires all the time, as it should."""
TIMEOUT_SECONDS = 30.0

FIRING = f'ALERTS_FOR_STATE{{alertname!="{ALWAYS}"}} and ignoring (alertstate) ALERTS{{alertstate="firing"}}'
"""Each alert that fires, with the moment since which its condition holds."""
EVALUATED = f'timestamp(ALERTS{{alertname!="{ALWAYS}", alertstate="firing"}})'
"""Each alert that fires, with the moment of its last evaluation."""
SENT = "sum by (integration) (increase(alertmanager_notifications_total[{length}s])) > 0.5"
FAILED = "sum by (integration) (increase(alertmanager_notifications_failed_total[{length}s])) > 0.5"

Json = dict[str, Any]
Key = tuple[tuple[str, str], ...]
"""The labels of an alert."""
Points = list[tuple[float, float]]
"""Moments and values."""


@contextmanager
def tried(problems: list[str], what: str) -> Iterator[None]:
    """Note a question that is not answered, rather than give up the others."""
    try:
        yield
    except (RehearsalError, httpx.HTTPError) as error:
        problems.append(f"{what}: {error}")


@dataclass(frozen=True)
class Rule:
    """An alerting rule that is evaluated."""

    name: str
    severity: str
    query: str
    interval: int
    """Seconds between two evaluations."""
    dashboard: str = ""
    """Address that its messages link to."""


@dataclass(frozen=True)
class Period:
    """The time that is looked at."""

    start: float
    end: float
    covered: float
    """Share of it for which there is data."""
    step: int
    """Seconds between two looks at what fires."""

    @property
    def length(self) -> int:
        """Seconds."""
        return round(self.end - self.start)

    @property
    def parts(self) -> int:
        """Answers that its firings are read in, at most PARTS and one more."""
        looks = math.floor(self.end / self.step) - math.ceil(self.start / self.step) + 1
        return math.ceil(looks / POINTS)


@dataclass
class History:
    """What is asked, by `get` of an address. Every question raises RehearsalError if it is not answered."""

    get: Callable[[str], Any]
    prometheus: str
    alertmanager: str
    asked: int = 0
    """How many questions were asked."""
    on_asked: Callable[[], object] = lambda: None
    """Called after each question, whether or not it was answered."""
    warnings: list[str] = field(default_factory=list)
    """What was left out of answers."""

    def rules(self) -> list[Rule]:
        """Every alerting rule but the one that always fires, in order."""
        return [
            Rule(
                rule["name"],
                rule["labels"].get("severity", ""),
                rule["query"],
                round(group["interval"]) or 1,
                rule["annotations"].get("dashboard_url", ""),
            )
            for group in self._prometheus("rules", type="alert")["groups"]
            for rule in group["rules"]
            if rule["name"] != ALWAYS
        ]

    def period(self, since: float, now: float, interval: int) -> Period | None:
        """What there is of the last `since` seconds, in steps that the answers have room for; None for nothing."""
        step = max(interval, math.ceil(since / (PARTS * (POINTS - 1))))
        coarse = max(step, math.ceil(since / POINTS))
        scraped = self._range("count(up)", now - math.floor(since / coarse) * coarse, now, coarse)
        times = [at for _, points in scraped for at, _ in points]
        end = math.floor(now / step) * step
        if not times:
            return None
        covered = len(times) / (round((now - times[0]) / coarse) + 1)
        return Period(min(times[0], end - step), end, covered, step)

    def firings(self, period: Period) -> list[Firing]:
        """Every firing within a period."""
        found = self._in_parts(FIRING, period)
        return [each for key, points in found.items() for each in firings(dict(key), points, period.step, period.end)]

    def evaluated(self, found: Iterable[Firing], period: Period) -> list[Firing]:
        """The firings of a period from the evaluation in which each began to the one in which it ended.

        These are not later than the looks at it, if no rule is evaluated more often than it is looked.
        """
        moments = {key: dict(points) for key, points in self._in_parts(EVALUATED, period).items()}
        return [_within(one, moments.get(_key(one.labels), {}), period.step) for one in found]

    def _in_parts(self, query: str, period: Period) -> dict[Key, Points]:
        """Whatever a query finds, by the labels of the alert."""
        found: dict[Key, Points] = {}
        start: float = math.ceil(period.start / period.step) * period.step
        while start <= period.end:
            end = min(period.end, start + (POINTS - 1) * period.step)
            for labels, points in self._range(query, start, end, period.step):
                found.setdefault(_key(labels), []).extend(points)
            start = end + period.step
        return found

    def nearest(self, of: Threshold, period: Period) -> tuple[Mapping[str, str], float] | None:
        """The series that was just under a threshold for most of the time, and for which share of it."""
        step = max(60, math.ceil(period.length / SAMPLED))
        found = self._instant(of.nearest(period.length, step), period.end)
        return found[0] if found else None

    def medians(self, of: Watched, period: Period) -> list[tuple[Mapping[str, str], list[float]]]:
        """The daily medians of each series, of days that end when the period does."""
        days = max(1, round(period.length / DAY))
        query = f"quantile_over_time(0.5, {of.name}[1d])"
        found = self._range(query, period.end - (days - 1) * DAY, period.end, DAY)
        return [(labels, [value for _, value in points if math.isfinite(value)]) for labels, points in found]

    def sent(self, period: Period) -> dict[str, tuple[float, float]]:
        """Notifications by integration: how many Alertmanager sent, also ends and repeats; and how many failed."""
        counts = [
            {labels["integration"]: value for labels, value in self._instant(query, period.end)}
            for query in (form.format(length=period.length) for form in (SENT, FAILED))
        ]
        return {name: (count, counts[1].get(name, 0.0)) for name, count in counts[0].items()}

    def deliveries(self, period: Period) -> list[tuple[float, str, int, int]]:
        """When Alertmanager sent something by an integration: how many messages, and how many of them failed."""
        found: dict[tuple[float, str], list[int]] = {}
        for place, name in enumerate(("alertmanager_notifications_total", "alertmanager_notifications_failed_total")):
            for labels, points in self._range(name, period.start, period.end, period.step):
                for (_, before), (at, count) in pairwise(points):
                    more = round(count - before if count >= before else count)  # less than before: it restarted
                    if more:
                        found.setdefault((at, labels["integration"]), [0, 0])[place] += more
        return [(at, integration, sent, failed) for (at, integration), (sent, failed) in sorted(found.items())]

    def routing(self) -> Json:
        """The configuration that Alertmanager runs."""
        text = self._ask(self.alertmanager, "api/v2/status", {})["config"]["original"]
        found: Json = yaml.load(text, Loader=yaml.CSafeLoader)
        return found

    def silences(self) -> list[Silence]:
        """Each silence that Alertmanager remembers, also those that have ended."""
        return [
            Silence(
                each["matchers"],
                (_seconds(each["startsAt"]), _seconds(each["endsAt"])),
                each["createdBy"],
                each["comment"],
            )
            for each in self._ask(self.alertmanager, "api/v2/silences", {})
        ]

    def _range(self, query: str, start: float, end: float, step: int) -> Iterator[tuple[Mapping[str, str], Any]]:
        when = {"start": f"{start:.0f}", "end": f"{end:.0f}", "step": str(step), "limit": str(SERIES)}
        for item in self._prometheus("query_range", query=query, **when)["result"]:
            yield item["metric"], [(float(at), float(value)) for at, value in item["values"]]

    def _instant(self, query: str, at: float) -> list[tuple[Mapping[str, str], float]]:
        result = self._prometheus("query", query=query, time=f"{at:.0f}")["result"]
        return [(item["metric"], float(item["value"][1])) for item in result]

    def _prometheus(self, path: str, **parameters: str) -> Any:
        answer = self._ask(self.prometheus, f"api/v1/{path}", parameters)
        self.warnings += [text for text in answer.get("warnings") or () if text not in self.warnings]
        return answer["data"]

    def _ask(self, address: str, path: str, parameters: Mapping[str, str]) -> Any:
        self.asked += 1
        try:
            return self.get(behind_service(address, path, parameters))
        finally:
            self.on_asked()


def of_rehearsal(ports: Ports, client: httpx.Client | None = None) -> History:
    """The history of a rehearsal with these ports."""
    asking = client or httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False)

    def get(url: str) -> Any:
        answer = asking.get(url)
        if answer.status_code != httpx.codes.OK:
            raise RehearsalError(f"refused with {answer.status_code}: {answer.text.strip()[:300]}")
        return answer.json()

    return History(get, ports.url("prometheus"), ports.url("alertmanager"))


def of_cluster(cluster: Cluster) -> History:
    """The history of a deployed stack."""

    def get(url: str) -> Any:
        try:
            return cluster.get(url)
        except ClusterError as error:
            raise RehearsalError(str(error)) from error

    return History(get, parts.PROMETHEUS.url, parts.ALERTMANAGER.url)


def _within(one: Firing, evaluated: Mapping[float, float], step: int) -> Firing:
    last = one.end - step
    return replace(one, start=evaluated.get(one.start, one.start), end=evaluated.get(last, last) + step)


def _key(labels: Mapping[str, str]) -> Key:
    return tuple(sorted((name, value) for name, value in labels.items() if name not in ("__name__", "alertstate")))


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
