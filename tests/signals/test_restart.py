"""A restart of Prometheus while alerts fire is no news: real Prometheus and Alertmanager, in scaled time.

Rules whose condition is true all the time stand for the critical alerts, with the `for` of each. A cause and its
symptom stand for an outage that is over: the cause is kept firing, which a restart forgets, while the symptom's window
still holds the outage.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from checks.rule_set import Stack, of_stack
from components.metrics.component import FOR_GRACE_PERIOD
from tests.signals.alertmanager import Told
from tests.signals.prometheus import configure, holds, notified, prometheus

FACTOR = 30
DEFAULT = "10m"
"""The grace period of Prometheus 3.14.0 where nobody sets one."""
RUNNING_MINUTES, AFTER_MINUTES = 17, 10
"""Until all fire and are told; and after the restart, until what is pending anew fires."""


def rules(stack: Stack) -> dict[str, Any]:
    """A rule for each length of `for` of the critical alerts."""
    lengths = {rule.body["for"] for rule in stack.alerts if rule.labels["severity"] == "critical"}
    alerts = [
        {"alert": f"For{length}", "expr": "vector(1)", "for": length, "labels": {"severity": "critical"}}
        for length in sorted(lengths)
    ]
    return {"name": "restart", "rules": alerts}


def heard(
    stack: Stack, make: Callable[[float], dict[str, Any]], directory: Path, minutes: tuple[float, float], grace: str
) -> tuple[list[Told], float]:
    """What the engineer on call hears of a restart after the first stretch of minutes, and when it was.

    `make` gives the rules for the epoch second at which the first stretch begins.
    """
    directory.mkdir()
    routing = {**stack.routing, "inhibit_rules": []}
    with notified(routing, directory / "alertmanager", FACTOR) as (server, running):
        begins = time.time() + 1
        configure(directory, [make(begins)], f"{stack.infrastructure}s", running, FACTOR)
        with prometheus(directory, grace, FACTOR):
            time.sleep(max(0.0, begins + 60 * minutes[0] / FACTOR - time.time()))
        restarted = time.time()
        with prometheus(directory, grace, FACTOR):
            time.sleep(60 * minutes[1] / FACTOR)
        return [message for message in server.told if message.who == "oncall/pagerduty"], restarted


@pytest.fixture(scope="module")
def prod() -> Stack:
    return of_stack("prod")


@pytest.fixture(scope="module")
def told(prod: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[Told], float]]:
    """What is heard with the deployed grace period and with the default one, played at the same time."""
    directory = tmp_path_factory.mktemp("restart")
    with ThreadPoolExecutor() as pool:
        minutes = (RUNNING_MINUTES, AFTER_MINUTES)
        runs = {
            grace: pool.submit(heard, prod, lambda _: rules(prod), directory / grace, minutes, grace)
            for grace in (FOR_GRACE_PERIOD, DEFAULT)
        }
    return {grace: run.result() for grace, run in runs.items()}


def test_nobody_hears_anything_of_a_restart(prod: Stack, told: dict[str, tuple[list[Told], float]]) -> None:
    messages, restarted = told[FOR_GRACE_PERIOD]
    before = {message.labels["alertname"] for message in messages if message.at < restarted}
    assert before == {rule["alert"] for rule in rules(prod)["rules"]}
    assert {message.status for message in messages} == {"firing"}
    assert [message for message in messages if message.at > restarted] == []


def test_without_the_setting_pages_are_resolved_and_come_again(told: dict[str, tuple[list[Told], float]]) -> None:
    """So that what the first test shows is the setting's doing."""
    messages, restarted = told[DEFAULT]
    after = [(message.labels["alertname"], message.status) for message in messages if message.at > restarted]
    assert {("For5m", "resolved"), ("For5m", "firing")} <= set(after)


OVER, RESTARTED, WINDOW_ENDS, UNTIL = 3, 5, 8.5, 12
"""Minutes: the outage is over, Prometheus is restarted, the symptom's window holds it no longer, all is told."""


def aftermath(zero: float, *, spared: bool) -> dict[str, Any]:
    """A cause that is kept firing for six minutes, and a symptom that would page after a shorter wait than any does."""
    unless = ' unless on () ALERTS{alertname="Cause", alertstate="firing"}' if spared else ""
    cause = {"alert": "Cause", "expr": holds([(0, OVER)], zero, FACTOR), "for": "1m", "keep_firing_for": "6m"}
    symptom = {"alert": "Symptom", "expr": f"({holds([(1.5, WINDOW_ENDS)], zero, FACTOR)}){unless}", "for": "2m"}
    alerts = [rule | {"labels": {"severity": "critical"}} for rule in (cause, symptom)]
    return {"name": "aftermath", "rules": alerts}


@pytest.mark.parametrize("spared", [True, False])
def test_a_restart_after_an_outage_pages_none_of_its_symptoms(*, spared: bool, prod: Stack, tmp_path: Path) -> None:
    """Prometheus forgets that it kept the cause firing, but sees its last sample for 5 m more."""
    minutes = (RESTARTED, UNTIL - RESTARTED)
    messages, _ = heard(prod, partial(aftermath, spared=spared), tmp_path / "run", minutes, FOR_GRACE_PERIOD)
    told_of = {message.labels["alertname"] for message in messages}
    assert told_of == ({"Cause"} if spared else {"Cause", "Symptom"})
