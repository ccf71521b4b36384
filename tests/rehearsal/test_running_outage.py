"""One real outage and recovery in the running stack: who is told, and what the dashboards show meanwhile."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from checks.waiting import eventually
from report.sources import Period
from tests.rehearsal import panels
from tests.rehearsal.incident_page import Page
from tests.rehearsal.running import Notification, Running


@pytest.fixture(scope="module")
def rehearsal(own_rehearsal: Running) -> Running:
    """One that the tests of this file change."""
    return own_rehearsal


def test_a_service_that_goes_down_is_one_page_and_comes_back_with_one_resolve(rehearsal: Running) -> None:
    """Bound: 2 min 10 s from the fault to PagerDuty and Slack. Then silence, until both are told that it is over."""
    since = time.time()
    code, output = rehearsal.run("fault", "down", "order-service")
    assert code == 0, output
    assert "Expect one page, ServiceDown, within about 2 min 10 s." in output
    roll_out(rehearsal)
    end_container(rehearsal)
    eventually(lambda: len(rehearsal.notifications()) >= 2, what="PagerDuty and Slack are told")
    told = rehearsal.notifications()
    assert sorted(item["receiver"] for item in told) == ["pagerduty", "slack"]
    for item in told:
        assert (item["alertnames"], item["services"], item["status"]) == (["ServiceDown"], ["order-service"], "firing")
        assert datetime.fromisoformat(item["received"]).timestamp() - since <= 130
    code, output = rehearsal.run("status")
    assert code == 0, "what make fault stopped is as it should be"
    assert "ServiceDown critical order-service" in output
    assert "stopped by make fault: order-service" in output
    panels.wait_until_shown(rehearsal, panels.shown_by("outage"))
    (alert,) = rehearsal.get("alertmanager", "/api/v2/alerts", filter='alertname="ServiceDown"')
    found = {link for item in told for link in links(item["raw"])} | {alert["generatorURL"]}
    assert unopened(rehearsal, found, *OPENS) == []

    code, output = rehearsal.run("heal")
    assert code == 0, output
    assert re.search(
        r"ServiceDown order-service: expect one resolved message in each channel, within about \d min", output
    )
    for annotation in ("Firing alerts", "Deployments"):
        marked = partial(marked_everywhere, rehearsal, annotation)
        eventually(marked, what=f"{annotation} are marked on every dashboard")
    # ServiceDown keeps firing for 6 min after recovery, for what reads windows of 5 min; and one group interval.
    over = partial(resolutions, rehearsal)
    eventually(lambda: len(over()) >= 2, seconds=900, what="PagerDuty and Slack are told that it is over")
    resolved = over()
    assert sorted(item["receiver"] for item in resolved) == ["pagerduty", "slack"]
    assert {tuple(item["services"]) for item in resolved} == {("order-service",)}
    for item in resolved:
        text = "\n".join(strings(item["raw"]))
        assert re.search(r"over since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC, after firing for ", text)
        assert "no target of it" not in text, "as if it still were"
    found = {link for item in resolved for link in links(item["raw"])}
    assert unopened(rehearsal, found, RUNBOOK, DASHBOARD) == []
    told = rehearsal.notifications()
    assert len(told) == 4, f"something else was told: {[item['title'] for item in told]}"
    assert [item["status"] for item in rehearsal.get("receivers", "/incidents")] == ["resolved"]
    ended = partial(timeline_to_the_end, rehearsal, since)
    assert eventually(ended, what="the end of the page is on that of the incident") == [
        ("fault", "order-service: down", ""),
        ("deployment", "order-service is rolled out · order-processor", ""),
        ("pending", "ServiceDown order-service", ""),
        ("firing", "ServiceDown order-service", "goes to oncall (pagerduty, slack)"),
        ("notified", "ServiceDown order-service", "pagerduty: firing"),
        ("notified", "ServiceDown order-service", "slack #order-processor-dev: firing"),
        ("fault", "all healed", ""),
        ("resolved", "ServiceDown order-service", ""),
        ("notified", "ServiceDown order-service", "pagerduty: resolved"),
        ("notified", "ServiceDown order-service", "slack #order-processor-dev: resolved"),
    ]


def timeline_to_the_end(rehearsal: Running, since: float) -> list[tuple[str, str, str]] | None:
    """What `make incident` says once two evaluations have passed since the end, by which it is known."""
    found = timeline(rehearsal, since)
    return found if "resolved" in {kind for kind, _, _ in found} else None


def timeline(rehearsal: Running, since: float) -> list[tuple[str, str, str]]:
    """What `make incident` says of order-service in the last page, and of faults; the two channels in one order."""
    file = rehearsal.project / "incident.html"
    done = subprocess.run(
        [sys.executable, "-m", "incident", "--out", str(file)],
        cwd=rehearsal.project,
        env=os.environ | {"STATE": str(rehearsal.project / ".rehearsal")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = Page(file.read_text(), since)
    assert "lines of gateway" in page.texts["Errors in the logs"]
    found = [(row[1], row[2], row[-1]) for row in page.rows["Timeline"][1:]]
    named = [event for event in found if "order-service" in event[1] or event[0] == "fault"]
    told = iter(
        sorted((each for each in named if each[0] == "notified"), key=lambda each: (each[2].split()[-1], each[2]))
    )
    return [next(told) if event[0] == "notified" else event for event in named]


RUNBOOK, DASHBOARD = "/pages/alerts/runbooks/ServiceDown.md", "/d/system-health"
OPENS = {
    RUNBOOK: '<h1 id="servicedown">ServiceDown</h1>',
    DASHBOARD: "System Health",
    "/alertmanager": 'id="matchers"',
    "/prometheus/graph": "Result now",
}
"""What is on the page of each kind of link, by the link's path."""


def unopened(rehearsal: Running, found: set[str], *paths: str) -> list[str]:
    """Those of the links that do not open what they say; they must lead to these paths, and to no other."""
    assert {urlsplit(link).path.rstrip("/") for link in found} == set(paths)
    assert {urlsplit(link).port for link in found} == {rehearsal.ports["receivers"]}
    answers = {link: httpx.get(link, timeout=300, follow_redirects=True) for link in sorted(found)}
    wanted = {link: OPENS[urlsplit(link).path.rstrip("/")] for link in answers}
    return [link for link, answer in answers.items() if answer.status_code != 200 or wanted[link] not in answer.text]


def links(message: Any) -> set[str]:
    """Every address in a message as it was sent."""
    return set(re.findall(r"https?://[^\s|<>]+", "\n".join(strings(message))))


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


def resolutions(rehearsal: Running) -> list[Notification]:
    """What people were told to be over."""
    return [item for item in rehearsal.notifications() if item["status"] == "resolved"]


def roll_out(rehearsal: Running) -> None:
    """Have the stand-in for kube-state-metrics tell of new replica sets, as a deployment makes them."""
    created = {"series": "kube_replicaset_created", "value": time.time()}
    httpx.post(f"{rehearsal.ports.url('exporters')}/_set", json=created).raise_for_status()


def end_container(rehearsal: Running) -> None:
    """Have the same stand-in tell of a container that ended and was started again."""
    (found,) = rehearsal.query('kube_pod_container_status_waiting{container="order-service"}')
    running = {name: found["metric"][name] for name in ("namespace", "pod", "uid", "container")}
    last = "kube_pod_container_status_last_terminated"
    for told in (
        {"series": f"{last}_reason", "labels": running | {"reason": "Error"}, "value": 1},
        {"series": f"{last}_timestamp", "labels": running, "value": time.time()},
    ):
        httpx.post(f"{rehearsal.ports.url('exporters')}/_set", json=told).raise_for_status()


def marked_everywhere(rehearsal: Running, annotation: str) -> bool:
    """Whether something is marked on the graphs of the last quarter of an hour of every dashboard."""
    period = Period.last(900, scrape=panels.scrape_interval(rehearsal))
    return panels.marked(rehearsal, annotation, period) == [shown.uid for shown in panels.boards(rehearsal)]
