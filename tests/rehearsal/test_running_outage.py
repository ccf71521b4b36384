"""One real outage and recovery in the running stack: who is told, and what the dashboards show meanwhile."""

from __future__ import annotations

import time
from datetime import datetime
from functools import partial

import httpx
import pytest

from checks.waiting import eventually
from report.sources import Period
from tests.rehearsal import panels
from tests.rehearsal.running import Notification, Running


@pytest.fixture(scope="module")
def rehearsal(own_rehearsal: Running) -> Running:
    """One that the tests of this file change."""
    return own_rehearsal


def test_a_service_that_goes_down_is_one_page_and_comes_back_with_one_resolve(rehearsal: Running) -> None:
    """Bound: 2 min 10 s from the fault to PagerDuty and Slack. Then silence, until both are told that it is over."""
    since = time.time()
    assert rehearsal.run("fault", "down", "order-service")[0] == 0
    roll_out(rehearsal)
    eventually(lambda: len(rehearsal.notifications()) >= 2, what="PagerDuty and Slack are told")
    told = rehearsal.notifications()
    assert sorted(item["receiver"] for item in told) == ["pagerduty", "slack"]
    for item in told:
        assert (item["alertnames"], item["services"], item["status"]) == (["ServiceDown"], ["order-service"], "firing")
        assert datetime.fromisoformat(item["received"]).timestamp() - since <= 130
    code, output = rehearsal.run("status")
    assert code == 1
    assert "ServiceDown critical order-service" in output
    panels.wait_until_shown(rehearsal, panels.shown_by("outage"))

    assert rehearsal.run("heal")[0] == 0
    for annotation in ("Firing alerts", "Deployments"):
        marked = partial(marked_everywhere, rehearsal, annotation)
        eventually(marked, what=f"{annotation} are marked on every dashboard")
    # ServiceDown keeps firing for 6 min after recovery, for what reads windows of 5 min; and one group interval.
    over = partial(resolutions, rehearsal)
    eventually(lambda: len(over()) >= 2, seconds=900, what="PagerDuty and Slack are told that it is over")
    resolved = over()
    assert sorted(item["receiver"] for item in resolved) == ["pagerduty", "slack"]
    assert {tuple(item["services"]) for item in resolved} == {("order-service",)}
    told = rehearsal.notifications()
    assert len(told) == 4, f"something else was told: {[item['title'] for item in told]}"
    assert [item["status"] for item in rehearsal.get("receivers", "/incidents")] == ["resolved"]


def resolutions(rehearsal: Running) -> list[Notification]:
    """What people were told to be over."""
    return [item for item in rehearsal.notifications() if item["status"] == "resolved"]


def roll_out(rehearsal: Running) -> None:
    """Have the stand-in for kube-state-metrics tell of new replica sets, as a deployment makes them."""
    created = {"series": "kube_replicaset_created", "value": time.time()}
    httpx.post(f"{rehearsal.ports.url('exporters')}/_set", json=created).raise_for_status()


def marked_everywhere(rehearsal: Running, annotation: str) -> bool:
    """Whether something is marked on the graphs of the last quarter of an hour of every dashboard."""
    period = Period.last(900, scrape=panels.scrape_interval(rehearsal))
    return panels.marked(rehearsal, annotation, period) == [shown.uid for shown in panels.boards(rehearsal)]
