"""What `make incident` decides: which time is meant, what is one line of the timeline, who is told, what has moved."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from incident.facts import MOVED, Event, at_each, last_page, moved, muted, of_alerts, receivers, timeline
from incident.when import LONGEST_SECONDS, Moment, around, checked, clock, moment
from review.firings import Firing, Silence
from review.history import History, Period
from targets import Misuse

ROUTING = {
    "route": {
        "receiver": "unrouted",
        "routes": [
            {"matchers": ['severity="critical"'], "receiver": "oncall", "continue": True},
            {"matchers": ['alertname="Down"'], "receiver": "status"},
        ],
    },
    "receivers": [
        {"name": "unrouted"},
        {"name": "oncall", "pagerduty_configs": [], "slack_configs": [], "labels": {}},
        {"name": "status", "webhook_configs": []},
    ],
}


def firing(start: float, end: float, severity: str = "critical", over: bool = True, **labels: str) -> Firing:
    known = {"alertname": "Down", "severity": severity, "service": "a"} | labels
    return Firing(known, start, end, over=over, since=start - 60)


@pytest.fixture(params=["UTC", "Asia/Kolkata", "America/New_York"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("14:05", "2026-12-03T14:05"),
        ("9:05:30", "2026-12-03T09:05:30"),
        ("15:31", "2026-12-02T15:31"),
        ("2026-12-01T14:05", "2026-12-01T14:05"),
        ("2026-12-01 14:05:10", "2026-12-01T14:05:10"),
        ("90m", "2026-12-03T14:00"),
    ],
)
def test_a_time_is_one_of_this_machines_clock_and_the_last_of_its_kind(text: str, means: str) -> None:
    now = datetime.fromisoformat("2026-12-03T15:30").timestamp()
    found = moment("FROM", text, now)
    assert found == datetime.fromisoformat(means).timestamp()
    assert moment("FROM", clock(found), now) == found


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(("text", "means"), [("16:00", "2026-12-03T16:00"), ("16:31", "2026-12-02T16:31")])
def test_an_end_may_lie_ahead_for_an_hour(text: str, means: str) -> None:
    now = datetime.fromisoformat("2026-12-03T15:30").timestamp()
    assert moment("TO", text, now) == datetime.fromisoformat(means).timestamp()
    assert checked(Moment("10m", now - 600), Moment(text, now + 1800), now) == (now - 600, now)


def test_a_time_may_name_its_zone() -> None:
    assert moment("TO", "2026-12-03T14:05Z", 0) == datetime(2026, 12, 3, 14, 5, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("text", ["", "5", "m", "0m", "14:99", "25:00", "2026-13-01", "99999999w", "now", "12-03"])
def test_what_is_no_time_is_refused_with_what_is_one(text: str) -> None:
    with pytest.raises(
        Misuse, match=r"^FROM=.*: expected a time such as 14:05 or 2026-12-03T14:05, in .+ or how long ago"
    ):
        moment("FROM", text, 1e9)


AFTER = "a time at least a minute after "


@pytest.mark.usefixtures("zone")
@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("30s", None, "FROM=30s: expected a time that is at least a minute ago"),
        ("14:05", "13:00", f"TO=13:00: it is before FROM; expected {AFTER}FROM=14:05, which is 2026-12-03T14:05:00"),
        ("90m", "90m", f"TO=90m: expected {AFTER}FROM=90m, which is 2026-12-03T14:00:00"),
        ("8d", None, "FROM=8d: expected at most 7 days before now"),
        ("9d", "1d", "FROM=9d: expected at most 7 days before TO=1d, which is 2026-12-02T15:30:00"),
    ],
)
def test_what_cannot_be_looked_at_is_refused_as_it_was_typed(start: str, end: str | None, said: str) -> None:
    now = datetime.fromisoformat("2026-12-03T15:30").timestamp()
    until = Moment(end, moment("TO", end, now)) if end else None
    with pytest.raises(Misuse, match=f"^{re.escape(said)}"):
        checked(Moment(start, moment("FROM", start, now)), until, now)


def test_a_page_is_shown_with_what_was_around_it_and_of_a_very_long_one_its_beginning() -> None:
    now = 2e9
    for fired, until, end in (
        (3600, now, now - 86_400 + 3600 + 300),
        (86_400, now, now),
        (3600, now - 86_400 + 60, now - 86_400 + 60),
    ):
        assert around((now - 86_400, now - 86_400 + fired), until) == (now - 86_400 - 900, end)
    start, end = around((now - 10 * 86_400, now), now)
    assert (start, end - start) == (now - 10 * 86_400 - 900, LONGEST_SECONDS)
    assert checked(Moment("FROM", start), Moment("TO", end), now) == (start, end)


def test_the_last_page_is_all_that_overlaps() -> None:
    pages = [firing(0, 50), firing(100, 200), firing(150, 300, service="b"), firing(400, 500, "warning")]
    assert last_page(pages) == (100, 300)
    assert last_page(pages[3:]) is None


def test_an_alert_goes_to_whom_the_routes_say() -> None:
    labels = {"alertname": "Down", "severity": "critical"}
    assert receivers(labels, ROUTING) == "oncall (pagerduty, slack) and status (webhook)"
    assert receivers({"alertname": "Else"}, ROUTING) == "unrouted"


def test_what_began_before_or_has_not_ended_is_said_so() -> None:
    begun, lasting = firing(0, 100), firing(50, 200, over=False)
    found = [(event.at, event.kind, event.detail) for event in of_alerts([begun, lasting], None, start=0)]
    assert found == [(0, "firing", "or before"), (100, "resolved", ""), (50, "firing", "")]


def test_what_happens_at_once_is_in_the_order_of_its_causes_and_one_line() -> None:
    events = [
        *(Event(10, "firing", "Down a") for _ in range(3)),
        Event(10, "notified", "Down a"),
        Event(10, "pending", "Slow a"),
        Event(5, "resolved", "Full"),
        Event(99, "firing", "Down b"),
        Event(10, "fault", "a: down"),
    ]
    found = [(event.kind, event.what, event.times) for event in timeline(events, 50)]
    assert found == [
        ("resolved", "Full", 1),
        ("fault", "a: down", 1),
        ("pending", "Slow a", 1),
        ("firing", "Down a", 3),
        ("notified", "Down a", 1),
    ]


def test_what_was_muted_names_the_alert_or_the_person() -> None:
    rule = {"source_matchers": ['severity="critical"'], "target_matchers": ['severity="warning"'], "equal": ["service"]}
    page, warning, other = firing(10, 20), firing(0, 30, "warning"), firing(0, 30, "warning", service="b")
    silence = Silence([{"name": "service", "value": "b", "isRegex": False}], (25, 99), "ana", "a test")
    found = [(one.alert, one.kind, one.by, one.spans) for one in muted([page, warning, other], [rule], [silence])]
    assert found == [
        ("Down a", "muted", "Down a (critical) fires", ((10, 20),)),
        ("Down b", "silenced", "ana: a test", ((25, 30),)),
    ]


@pytest.mark.parametrize(
    ("before", "during", "spreads"),
    [
        ([0, 0, 0, 0], [0, 0], 0),
        ([1, 3, 1, 3], [6, 8], 5),
        ([6, 8, 6, 8], [1, 3], 5),
        ([0, 0, 0, 0], [0, 0.3], 50),
        ([10, 10, 10, 10], [10.1, 10.1], 0.1 / 0.101),
    ],
    ids=["nothing", "up", "down", "first failures", "flat"],
)
def test_a_value_moves_by_spreads_of_before(before: list[float], during: list[float], spreads: float) -> None:
    assert moved(before, during) == pytest.approx(spreads)


def test_a_steady_rise_has_not_moved() -> None:
    assert 3 < moved(range(60), range(60, 120)) < MOVED


def test_what_is_missing_counts_as_nothing() -> None:
    points = [(0.0, 1.0), (30.0, float("nan")), (60.0, 3.0), (120.0, 9.0)]
    assert sorted(at_each(points, 0, 120, 30)) == [0, 0, 1, 3]
    assert at_each([], 0, 10, 30) == [0]


def test_what_alertmanager_sent_is_counted_over_its_restarts() -> None:
    counts = {
        "alertmanager_notifications_total": [[0, "7"], [15, "8"], [30, "8"], [45, "2"]],
        "alertmanager_notifications_failed_total": [[0, "0"], [45, "1"]],
    }

    def get(url: str) -> object:
        name = next(name for name in counts if f"query={name}&" in url)
        return {"data": {"result": [{"metric": {"integration": "slack"}, "values": counts[name]}]}}

    found = History(get, "http://prometheus", "http://alertmanager").deliveries(Period(0, 60, 1, 15))
    assert found == [(15, "slack", 1, 0), (45, "slack", 2, 1)]
