"""The numbers on the dashboards are the load generator's own counts to 1 %, and its waiting times to a bucket.

`increase()` and `rate()` take the growth between the first and the last scrape of a window for that of the whole
window: of n scrapes they make n / (n - 1) of what happened. So a window must hold more than a hundred scrapes to be
right to 1 %: at the stack's 30 s more than 50 min, which is what people look at who count orders. This test cannot wait
for that. It runs a rehearsal of its own that scrapes the services every second and evaluates rules every 2 s; its
window of 5 min, which is that of the recorded rates, then holds as many scrapes as one of 150 min (rules: 75 min) does
at 30 s. Nothing else differs, and the panels' deployed queries are asked as they are.

The load is paused around both ends of the window. So it is exactly known what happened within, also where few things
happen, and an edge that falls between two scrapes hides nothing.
"""

from __future__ import annotations

import math
import re
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

import catalogue
from checks.waiting import eventually, until_none
from facts import ROOT
from report import variables
from report.board import Board, Panel, Target
from report.sources import Period, Shown
from simulation.application.counts import GATEWAY, Series, series
from tests.rehearsal import panels
from tests.rehearsal.running import Running, up

TOLERANCE = 0.01
WINDOW_SECONDS = 300
SCRAPE_SECONDS, RULES_SECONDS = 1, 2
EDGE_SECONDS = 2 * RULES_SECONDS
"""Quiet before the window and in its first moments: what was scraped before is in the recorded series by then."""
LAST_SECONDS = 40
"""At the end of the window: the last answers come, are scraped and recorded. Where that takes longer before the window,
so much longer is left at its end."""

STEPS_PER_SECOND = 8
"""Enough that of every 200 orders and 100 logins, of which one fails, there are more."""
FAULTS: dict[str, dict[str, float]] = {
    "inventory-service": {"errors": 0.2, "latency_ms": 120},
    "user-service": {"latency_ms": 300},
}
"""The delays lie low in wide buckets of the histograms, from 100 to 250 and from 250 to 500 ms."""

MEASURED = {item.name: item.with_package().prefix for item in catalogue.load(ROOT / "services.yaml").services}
"""Services by what their metrics are named after, in the rehearsal's usual dialect."""

Key = tuple[str, ...]
Grown = Mapping[Series, float]
"""What happened within the window, by the series that tells of it."""
Expected = Callable[[Grown], Mapping[Key, float]]


def business(name: str, *by: str, **labels: str) -> Expected:
    """Growth of a business metric with these labels, by others."""

    def expected(grown: Grown) -> Mapping[Key, float]:
        found: Counter[Key] = Counter()
        for what, amount in grown.items():
            has = dict(what.labels)
            if what.name == f"business_{name}_total" and labels.items() <= has.items():
                found[tuple(has[label] for label in by)] += amount  # type: ignore[assignment]
        return found

    return expected


def requests(status: str) -> Expected:
    """Requests that each service answered with such a status, redirects left out."""

    def expected(grown: Grown) -> Mapping[Key, float]:
        return {
            (service,): sum(
                amount
                for what, amount in grown.items()
                if what.name == f"{prefix}_requests_total" and re.fullmatch(status, dict(what.labels)["status_code"])
            )
            for service, prefix in MEASURED.items()
        }

    return expected


def share(part: Expected, whole: Expected) -> Expected:
    """One as a share of the other, where there is any of it."""

    def expected(grown: Grown) -> Mapping[Key, float]:
        of = whole(grown)
        return {key: amount / of[key] for key, amount in part(grown).items() if of.get(key)}

    return expected


ORDERS, VOLUME = "orders", "order_value_usd"
ANSWERED, FAILED, SERVED = requests("(?!307).*"), requests("5.."), requests("(?!307|401|403|429).*")


def decided(grown: Grown) -> Mapping[Key, float]:
    """Orders that were executed or rejected."""
    return {(): sum(business(ORDERS, event=event)(grown)[()] for event in ("executed", "rejected"))}


def net_deposits(grown: Grown) -> Mapping[Key, float]:
    """Deposits less withdrawals."""
    paid = business("transaction_value_usd", "type")(grown)
    return {(): paid["deposit",] - paid["withdrawal",]}


@dataclass(frozen=True)
class Figure:
    """One query of a panel, and what it must show."""

    board: str
    panel: str
    expected: Expected
    by: tuple[str, ...] = ()
    """Labels that tell the numbers apart."""
    ref: str = "A"
    per: float | None = None
    """Seconds of its unit for a pace such as orders per minute; none for a number of the whole window."""
    over: float = WINDOW_SECONDS
    """Seconds that a pace is averaged over."""

    def __str__(self) -> str:
        """Where it is found."""
        return f"{self.board}: {self.panel} [{self.ref}]"

    def amounts(self, shown: Shown) -> dict[Key, float]:
        """The numbers shown, in what happened within the window."""
        factor = self.over / self.per if self.per else 1.0
        totals: Counter[Key] = Counter()
        for one in shown.series:
            ((_, value),) = one.points
            totals[tuple(one.labels[label] for label in self.by)] += value * factor  # type: ignore[assignment]
        return dict(totals)


def pace(panel: str, seconds: float, expected: Expected, by: str = "", ref: str = "A") -> Figure:
    """A pace on Business Operations, whose graphs are asked for with points that are the window apart."""
    labels = (by,) if by else ()
    return Figure("business-operations", panel, expected, labels, ref, seconds, WINDOW_SECONDS + SCRAPE_SECONDS)


def recorded_pace(panel: str, seconds: float, expected: Expected, ref: str = "A") -> Figure:
    """A pace of a recorded series: its samples are further apart, and cover the window but for one of these steps or
    none, as they come to lie."""
    over = WINDOW_SECONDS - RULES_SECONDS / 2
    return Figure("business-operations", panel, expected, (), ref, seconds, over)


def total(panel: str, expected: Expected, *by: str, ref: str = "A") -> Figure:
    """A number of the chosen time range on Business Operations."""
    return Figure("business-operations", panel, expected, by, ref)


EVENTS = {"A": "created", "B": "executed", "C": "cancelled", "D": "rejected"}
"""What becomes of orders, by the query that shows it."""
LOGINS = {"A": "ok", "B": "failed"}
TRANSACTIONS = {"A": "deposit", "B": "withdrawal"}

FIGURES = [
    *(total("Orders", business(ORDERS, event=event), ref=ref) for ref, event in EVENTS.items()),
    total("Trading volume", business(VOLUME, event="executed")),
    total("Order success rate", share(business(ORDERS, event="executed"), decided)),
    *(
        total(f"Orders by {label}", business(ORDERS, label, event=event), label, ref=ref)
        for label in ("side", "asset")
        for ref, event in EVENTS.items()
    ),
    *(
        total(f"Orders by {label}", business(VOLUME, label, event="executed"), label, ref="E")
        for label in ("side", "asset")
    ),
    total("Rejected orders", business(ORDERS, "asset", "side", event="rejected"), "asset", "side"),
    *(recorded_pace("Orders per minute", 60, business(ORDERS, event=event), ref=ref) for ref, event in EVENTS.items()),
    pace("Executed orders by side", 60, business(ORDERS, "side", event="executed"), "side"),
    pace("Executed orders by asset", 60, business(ORDERS, "asset", event="executed"), "asset"),
    pace("Trading volume by side", 60, business(VOLUME, "side", event="executed"), "side"),
    pace("Trading volume by asset", 60, business(VOLUME, "asset", event="executed"), "asset"),
    total("Registrations", business("registrations")),
    *(total("Logins", business("logins", result=result), ref=ref) for ref, result in LOGINS.items()),
    total("Login success rate", share(business("logins", result="ok"), business("logins"))),
    recorded_pace("Registrations and logins per hour", 3600, business("registrations")),
    *(
        recorded_pace("Registrations and logins per hour", 3600, business("logins", result=result), ref=ref)
        for ref, result in zip("BC", LOGINS.values(), strict=True)
    ),
    *(total("Transactions", business("transactions", type=kind), ref=ref) for ref, kind in TRANSACTIONS.items()),
    total("Transaction value", business("transaction_value_usd", "type"), "type"),
    total("Net deposits", net_deposits),
    *(
        recorded_pace("Transactions per minute", 60, business("transactions", type=kind), ref=ref)
        for ref, kind in TRANSACTIONS.items()
    ),
    pace("Transaction value per minute", 60, business("transaction_value_usd", "type"), "type"),
    Figure("system-health", "Requests in the time range", ANSWERED, ("service",)),
    Figure("system-health", "Requests in the time range", FAILED, ("service",), ref="B"),
    Figure("system-health", "Request rate", ANSWERED, ("service",), per=1),
    Figure("system-health", "Errors per second", FAILED, ("service",), per=1),
    Figure("system-health", "Error rate", share(FAILED, SERVED), ("service",)),
    Figure("service-detail", "Request rate", ANSWERED, ("service",), per=1),
    Figure("service-detail", "Error rate", share(FAILED, SERVED), ("service",)),
    Figure("service-detail", "Failing endpoints", FAILED, ("service",)),
]


@dataclass(frozen=True)
class Measured:
    """What the load generator says of the window."""

    running: Running
    period: Period
    grown: Grown
    waited: Mapping[str, Counter[int]]
    """How many requests took how many milliseconds, by service."""

    def shown(self, board: str, panel: str, ref: str) -> Shown:
        """What one query of a panel shows at the end of the window, with all of everything and points far apart."""
        found, shown, target = find(self.running, board, panel, ref)
        choice = variables.everything(found) | {panels.RESOLUTION: f"{WINDOW_SECONDS // 60}m"}
        asked = panels.at_the_end(shown, target, choice, self.period)
        return panels.sources(self.running).run(asked, choice, self.period, panel)


def find(running: Running, board: str, panel: str, ref: str) -> tuple[Board, Panel, Target]:
    """The query of a deployed panel."""
    (found,) = (item for item in panels.boards(running) if item.uid == board)
    titles = {item.title: item for item in found.panels}
    assert panel in titles, f"{board} has no panel {panel}"
    (target,) = (item for item in titles[panel].targets if item.ref == ref)
    return found, titles[panel], target


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    """A window of a rehearsal that scrapes often."""
    with up(tmp_path_factory.mktemp("truth"), scrape_often) as running:
        yield measure(running)


def scrape_often(running: Running) -> None:
    """Edit the copy: the stack's intervals, and what keeps people from such short ones."""
    application, infrastructure = f"{SCRAPE_SECONDS}s", f"{RULES_SECONDS}s"
    edits = {
        "Pulumi.dev.yaml": (
            r"scrape: \{.*\}",
            f"scrape: {{ infrastructure: {infrastructure}, applications: {application} }}",
        ),
        "settings/model.py": (r"(SHORTEST_INTERVAL_SECONDS) = \d+", r"\1 = 1"),
        "components/metrics/monitors.py": (r'"scrapeTimeout": "\d+s"', f'"scrapeTimeout": "{application}"'),
        "components/metrics/component.py": (r'"scrapeTimeout": "\d+s"', f'"scrapeTimeout": "{infrastructure}"'),
    }
    for name, (old, new) in edits.items():
        file = running.project / name
        text, number = re.subn(old, new, file.read_text())
        assert number, f"{name} has no {old}"
        file.write_text(text)


def measure(running: Running) -> Measured:
    """A window whose faults are there before it is; once more if an answer got lost, as one may."""
    for service, fault in FAULTS.items():
        httpx.post(f"{running.ports.url(service)}/_fault", json=fault).raise_for_status()
    set_rate(running, STEPS_PER_SECOND)
    eventually(lambda: failures(running) > 20, what="the fault shows in what the load counts")
    found = window(running) or window(running)
    assert found, "in both windows an answer got lost: it is not known what was done with its request"
    return found


def window(running: Running) -> Measured | None:
    """Pause, load for most of a window, pause; None if an answer got lost meanwhile."""
    began = time.monotonic()
    before = paused(running)
    last = max(LAST_SECONDS, 3 * (time.monotonic() - began))
    start = time.time() + EDGE_SECONDS
    end = start + WINDOW_SECONDS
    sleep_until(start + EDGE_SECONDS)
    set_rate(running, STEPS_PER_SECOND)
    sleep_until(end - last)
    after = paused(running)
    assert time.time() < end, f"the last answers were recorded only {time.time() - end:.0f} s after the window"
    if before["unanswered"] != after["unanswered"]:
        return None
    sleep_until(end + EDGE_SECONDS)
    return Measured(
        running,
        Period(start, end, step=SCRAPE_SECONDS, scrape=panels.scrape_interval(running)),
        {what: amount - expected(before).get(what, 0) for what, amount in expected(after).items()},
        {service: taken - waited(before).get(service, Counter()) for service, taken in waited(after).items()},
    )


def sleep_until(moment: float) -> None:
    """Wait for a moment that is fixed beforehand, in Unix seconds."""
    time.sleep(max(0.0, moment - time.time()))


def set_rate(running: Running, steps_per_second: int) -> None:
    httpx.post(f"{running.ports.url('load')}/rate/{steps_per_second}").raise_for_status()


def paused(running: Running) -> Any:
    """Pause the load; its counts, when the recorded series tell of all of them."""
    set_rate(running, 0)
    counts = eventually(lambda: settled(running), what="every request is answered")
    wanted = ANSWERED(expected(counts))

    def too_few() -> list[str]:
        found = recorded(running)
        # More is recorded than counted where an answer got lost before the window, such as while everything started.
        return [
            f"{service}: {found.get((service,), 0):.0f} of {number:.0f}"
            for (service,), number in wanted.items()
            if found.get((service,), 0) < number
        ]

    what = f"fewer requests are recorded than the load counted, and {counts['unanswered']} without an answer"
    until_none(too_few, what=what)
    return counts


def recorded(running: Running) -> dict[Key, float]:
    """The requests of each service since it started, as the recorded series tell."""
    found = running.query("sum by (service) (instance:http_requests:sum)")
    return {(item["metric"]["service"],): float(item["value"][1]) for item in found}


def settled(running: Running) -> Any:
    counts = running.get("load", "/counts")
    return counts if counts["in_flight"] == 0 else None


def failures(running: Running) -> int:
    responses = running.get("load", "/counts")["responses"]
    return sum(responses.get("inventory-service", {}).get(status, 0) for status in ("500", "502", "503"))


def expected(counts: Any) -> dict[Series, float]:
    """What the load made grow, less what no panel counts: refused requests for paths that lead nowhere."""
    grown = {series(item["series"], **item["labels"]): item["value"] for item in counts["expected"]}
    for status, number in counts["responses"].get(GATEWAY, {}).items():
        if status.startswith("4"):
            grown[series("gateway_requests_total", status_code=status)] -= number
    return grown


def waited(counts: Any) -> dict[str, Counter[int]]:
    return {
        service: Counter({int(length): number for length, number in taken.items()})
        for service, taken in counts["latency_ms"].items()
    }


@pytest.mark.parametrize("figure", FIGURES, ids=str)
def test_a_panel_shows_what_the_load_counted(measured: Measured, figure: Figure) -> None:
    true = {key: amount for key, amount in figure.expected(measured.grown).items() if amount}
    shown = figure.amounts(measured.shown(figure.board, figure.panel, figure.ref))
    assert true, "nothing happened that the panel could be wrong about"
    told = {key: value for key, value in shown.items() if value and not math.isnan(value)}  # NaN: of nothing
    assert told == pytest.approx(true, rel=TOLERANCE)


@pytest.mark.parametrize("service", ["gateway", *FAULTS])
@pytest.mark.parametrize("percent", [50, 95, 99])
def test_a_response_time_is_what_the_load_waited_within_a_bucket(
    measured: Measured, service: str, percent: int
) -> None:
    shown = response_times(measured, percent)
    value = shown[service]
    bounds = buckets(measured.running, service)
    true = waited_for(measured, service, percent)
    # What the load waits beyond a service's own time, as those without a fault tell: nothing on an idle machine.
    others = measured.waited.keys() - FAULTS.keys()
    beyond = max(waited_for(measured, other, percent) - upper(bounds, shown[other]) for other in others)
    lowest, highest = bisect_left(bounds, true - max(0.0, beyond)) - 1, bisect_left(bounds, true) + 1
    assert lowest <= bisect_left(bounds, value) <= highest, f"{value:.3f} s, but {true:.3f} s less {beyond:.3f} s"
    if service in FAULTS and percent == 50:
        delay = FAULTS[service]["latency_ms"] / 1000
        assert 0 <= bisect_left(bounds, value) - bisect_left(bounds, delay) <= 1, f"{value:.3f} s, but {delay} s"


def response_times(measured: Measured, percent: int) -> dict[str, float]:
    """What System Health shows for each service, in seconds."""
    shown = measured.shown("system-health", f"Response time P{percent}", "A")
    return {one.labels["service"]: one.points[0][1] for one in shown.series}


def waited_for(measured: Measured, service: str, percent: int) -> float:
    """The seconds within which the load had this share of a service's answers, or for the gateway of all."""
    of = measured.waited
    taken = sum(of.values(), Counter()) if service == "gateway" else of.get(service, Counter())
    return quantile(taken, percent / 100) / 1000


def buckets(running: Running, service: str) -> list[float]:
    """The bounds of a service's histogram."""
    found = running.query(f'instance:http_request_latency_seconds_bucket:sum{{service="{service}"}}')
    return sorted(float(item["metric"]["le"]) for item in found)


def upper(bounds: list[float], value: float) -> float:
    """The bound of the bucket that a value is in."""
    return bounds[min(bisect_left(bounds, value), len(bounds) - 1)]


def quantile(taken: Counter[int], share: float) -> int:
    """The time within which this share of the requests was answered."""
    answered = 0
    for length, number in sorted(taken.items()):
        answered += number
        if answered >= share * taken.total():
            return length
    raise AssertionError("no request was answered")
