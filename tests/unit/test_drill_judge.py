"""The judge of drills: of a recorded timeline, what is wrong with it, and how it is shown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from drills.judge import Verdict, broken_link, judge
from drills.model import Drill
from drills.page import page
from drills.run import Result
from drills.summary import latencies, line, percentile, spreads
from drills.timeline import Broken, Message, Sent, Span, Timeline
from tests.unit.test_drills import DRILL

LABELS = {"service": "order-service", "severity": "critical"}


def message(at: float, channel: str, status: str, alert: str = "ServiceDown") -> Message:
    return Message(at, channel, alert, "order-service", status)


def span(state: str, begin: float, end: float, alert: str = "ServiceDown") -> Span:
    return Span(alert, state, LABELS, begin, end)


def healthy(**changes: Any) -> Timeline:
    """A drill that holds, but for the changes."""
    held = Timeline(
        faults=[Broken("down: order-service", 0, 0.5, 360, shown=20, looked=True)],
        spans=[span("pending", 30, 90), span("firing", 90, 720)],
        sent=[Sent(91, "ServiceDown", "order-service")],
        messages=[message(at, who, status) for at, status in ((97, "firing"), (780, "resolved")) for who in BOTH],
        length=900,
    )
    return replace(held, **changes)


BOTH = ("pagerduty", "slack")


def judged(timeline: Timeline, drill: Drill = DRILL) -> Verdict:
    return judge(drill, timeline, lambda _told, _channel: 120)


def wrong(timeline: Timeline, drill: Drill = DRILL) -> str:
    verdict = judged(timeline, drill)
    assert not verdict.held
    return "\n".join(verdict.problems)


class TestJudge:
    def test_what_is_told_once_in_time_and_once_when_it_is_over_holds(self) -> None:
        verdict = judged(healthy())
        assert verdict.held
        assert verdict.problems == []
        assert [(item.channel, item.seconds, item.bound) for item in verdict.latencies] == [
            ("pagerduty", 96.5, 120),
            ("slack", 96.5, 120),
        ]

    def test_late_is_measured_from_when_the_fault_really_began(self) -> None:
        late = [message(120.4, who, "firing") for who in BOTH] + [message(780, who, "resolved") for who in BOTH]
        assert judged(healthy(messages=late)).held
        later = [replace(item, at=item.at + 1) for item in late]
        assert (
            "pagerduty was told of ServiceDown of order-service 2:00 after the fault, which is later than 2:00"
            in wrong(healthy(messages=later))
        )

    def test_one_channel_that_is_not_told_is_missing(self) -> None:
        only = [item for item in healthy().messages if item.channel == "slack"]
        assert wrong(healthy(messages=only)) == (
            "pagerduty: ServiceDown of order-service was told never instead of once; first broken link: sent → received"
        )

    def test_told_twice(self) -> None:
        again = [*healthy().messages, message(400, "slack", "firing")]
        assert wrong(healthy(messages=again)) == "slack: ServiceDown of order-service was told twice instead of once"

    def test_what_may_be_told_or_not_is_no_difference(self) -> None:
        more = [*healthy().messages, replace(message(400, "heartbeat", "firing"), alert="HeartbeatMissed", service="")]
        assert "heartbeat was told at 6:40 that HeartbeatMissed is firing" in wrong(healthy(messages=more))
        maybe = DRILL.model_copy(update={"maybe": ("HeartbeatMissed",)})
        assert judged(healthy(messages=more), maybe).held
        assert judged(healthy(), maybe).held

    def test_never_resolved(self) -> None:
        open_ = [item for item in healthy().messages if (item.channel, item.status) != ("pagerduty", "resolved")]
        assert wrong(healthy(messages=open_)) == (
            "pagerduty: ServiceDown of order-service was told to be over never instead of once"
        )

    def test_resolved_twice(self) -> None:
        twice = [*healthy().messages, message(800, "slack", "resolved")]
        assert "slack: ServiceDown of order-service was told to be over twice instead of once" in wrong(
            healthy(messages=twice)
        )

    def test_a_resolve_before_its_page_is_out_of_order(self) -> None:
        odd = [*(item for item in healthy().messages if item.channel == "slack")]
        odd += [message(97, "pagerduty", "firing"), message(50, "pagerduty", "resolved")]
        assert "out of order: resolved 0:50, firing 1:37" in wrong(healthy(messages=odd))

    def test_what_outlasts_the_drill_is_not_told_to_be_over(self) -> None:
        told = DRILL.told[0].model_copy(update={"resolved": False})
        drill = DRILL.model_copy(update={"told": (told,)})
        firing = [item for item in healthy().messages if item.status == "firing"]
        assert judged(healthy(messages=firing), drill).held
        assert "told to be over once instead of never" in wrong(healthy(), drill)

    def test_something_else_that_is_told(self) -> None:
        more = [*healthy().messages, message(400, "slack", "firing", "OrdersStopped")]
        assert wrong(healthy(messages=more)) == (
            "slack was told at 6:40 that OrdersStopped of order-service is firing, which the drill does not say"
        )

    def test_another_channel_is_something_else(self) -> None:
        more = [*healthy().messages, message(400, "email", "firing")]
        assert "email was told at 6:40 that ServiceDown of order-service is firing" in wrong(healthy(messages=more))

    def test_an_alert_that_is_not_to_fire(self) -> None:
        fires = [*healthy().spans, span("firing", 300, 350, "HighErrorRate")]
        assert wrong(healthy(spans=fires)) == "HighErrorRate fired at 5:00, and the drill says that it does not"
        pending = [*healthy().spans, span("pending", 300, 350, "HighErrorRate")]
        assert judged(healthy(spans=pending)).held

    def test_a_fault_that_is_never_seen(self) -> None:
        unseen = [Broken("clock: Monday", 14, 840, 900, None, looked=True), Broken("load: 6", 15, 900, 960)]
        assert wrong(healthy(faults=[*healthy().faults, *unseen])) == (
            "clock: Monday, from 14:00 on, was never seen in the series"
        )

    def test_other_labels(self) -> None:
        told = DRILL.told[0].model_copy(update={"labels": {"severity": "warning"}})
        assert "not with {'severity': 'warning'}" in wrong(healthy(), DRILL.model_copy(update={"told": (told,)}))

    def test_fewer_alerts_in_a_message_than_there_are(self) -> None:
        told = DRILL.told[0].model_copy(update={"alerts": 40})
        drill = DRILL.model_copy(update={"told": (told,)})
        all_ = [replace(item, alerts=40) for item in healthy().messages]
        assert judged(healthy(messages=all_), drill).held
        assert "was told of ServiceDown of order-service in a message of 1 alerts, not 40" in wrong(healthy(), drill)

    def test_what_is_not_over(self) -> None:
        assert "it was not over: ServiceDown" in wrong(healthy(remaining=["ServiceDown"]))

    def test_each_episode_has_its_own_fault(self) -> None:
        told, fault = DRILL.told[0], DRILL.faults[0]
        again = fault.model_copy(update={"from_": 45.0, "to": 50.0})
        drill = DRILL.model_copy(
            update={"faults": (fault, again), "told": (told, told.model_copy(update={"of": 45.0}))}
        )
        later = [replace(item, at=item.at + 2700) for item in healthy().messages]
        faults = [*healthy().faults, Broken("down: order-service", 45, 2700, 3000)]
        both = healthy(messages=[*healthy().messages, *later], faults=faults)
        assert judged(both, drill).held
        assert [item.seconds for item in judged(both, drill).latencies] == [96.5, 97, 96.5, 97]
        assert "was told once instead of twice" in wrong(replace(both, messages=healthy().messages), drill)


@pytest.mark.parametrize(
    ("changes", "link"),
    [
        ({"faults": [Broken("down", 0, 0, 360, None, looked=True)], "spans": [], "sent": []}, "fault → series"),
        ({"spans": [], "sent": []}, "series → pending"),
        ({"spans": [span("pending", 30, 90)], "sent": []}, "pending → firing"),
        ({"sent": []}, "firing → sent"),
        ({}, "sent → received"),
    ],
)
def test_the_first_link_that_is_broken(changes: dict[str, Any], link: str) -> None:
    assert broken_link(DRILL.told[0], healthy(messages=[], **changes)) == link
    assert f"first broken link: {link}" in wrong(healthy(messages=[], **changes))


def test_what_was_sent_before_its_fault_is_no_broken_link() -> None:
    told = DRILL.told[0].model_copy(update={"of": 5.0})
    assert broken_link(told, healthy(messages=[])) == "sent → received"
    over = healthy(messages=[], spans=[span("firing", 90, 200)])
    assert broken_link(told, over) == "fault → pending"


def test_latencies_by_alert() -> None:
    pages, messages = spreads([Result(DRILL, healthy(), judged(healthy()), 30)] * 3)
    assert (pages.alert, pages.channel, pages.count, pages.p50, pages.longest) == (
        "ServiceDown",
        "pagerduty",
        3,
        96.5,
        96.5,
    )
    assert (messages.channel, messages.nearest.bound) == ("slack", 120)
    assert [percentile([1, 2, 3, 4], share) for share in (0.5, 0.75, 0.95, 1)] == [2, 3, 4, 4]


def test_the_page_shows_what_was_wrong_and_each_link_and_runs_no_script() -> None:
    late = [replace(item, at=item.at + 60) for item in healthy().messages if item.channel == "slack"]
    timeline = healthy(messages=late)
    results = [Result(DRILL, timeline, judged(timeline), 31.4)]
    text = page(results, speed=20, began=0).decode()
    assert "0 of 1 drills held" in text
    assert "pagerduty: ServiceDown of order-service was told never instead of once" in text
    assert "<td>0:20</td><td>0:30</td><td>1:30</td><td>1:31</td>" in text
    assert '<b class="failed">2:36</b>' in text
    assert "<script" not in text
    assert line(results[0]).startswith("outage: FAILED, 15:00 of the stack's time, 31 s\n  - pagerduty: ")
    assert list(latencies(results)) == [
        "  ServiceDown                slack       1: p50 2:36, p95 2:36, max 2:36; nearest to its bound 2:36 of 2:00"
    ]
