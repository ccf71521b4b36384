"""A restart of Prometheus while alerts fire is no news: real Prometheus and Alertmanager, in scaled time.

Rules whose condition is true all the time stand for the critical alerts, with the `for` of each.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from components.metrics import FOR_GRACE_PERIOD
from tests.contract.rule_set import Stack, of_stack
from tests.signals import hours
from tests.signals.alertmanager import Told, alertmanager, receivers, staged
from tests.signals.prometheus import Scale, configure, prometheus

SCALE = Scale(30)
DEFAULT = "10m"
"""The grace period of Prometheus 3.14.0 where nobody sets one."""
RUNNING_MINUTES, AFTER_MINUTES = 17, 10
"""Until all fire and are told; and after the restart, until what is pending anew fires."""


def rules(stack: Stack) -> dict[str, Any]:
    """A rule for each length of `for` of the critical alerts."""
    lengths = {rule.body["for"] for rule in stack.alerts if rule.labels["severity"] == "critical"}
    alerts = [
        SCALE.rule({"alert": f"For{length}", "expr": "vector(1)", "for": length, "labels": {"severity": "critical"}})
        for length in sorted(lengths)
    ]
    return {"name": "restart", "rules": alerts}


def heard(stack: Stack, grace_period: str, directory: Path) -> tuple[list[Told], float]:
    """What the engineer on call hears of a restart between two stretches, and when it was."""
    directory.mkdir()
    with (
        receivers() as server,
        alertmanager(
            staged(
                {**stack.routing, "inhibit_rules": []},
                SCALE.factor,
                {"all": hours.intervals("open", 0, [])},
                server.url,
            ),
            directory / "alertmanager",
        ) as running,
    ):
        configure(directory, [rules(stack)], SCALE.text(f"{stack.infrastructure}s"), running)
        with prometheus(directory, grace_period, SCALE):
            time.sleep(60 * RUNNING_MINUTES / SCALE.factor)
        restarted = time.time()
        with prometheus(directory, grace_period, SCALE):
            time.sleep(60 * AFTER_MINUTES / SCALE.factor)
        return [message for message in server.told if message.who == "oncall/pagerduty"], restarted


@pytest.fixture(scope="module")
def prod() -> Stack:
    return of_stack("prod")


@pytest.fixture(scope="module")
def told(prod: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[Told], float]]:
    """What is heard with the deployed grace period and with the default one, played at the same time."""
    directory = tmp_path_factory.mktemp("restart")
    with ThreadPoolExecutor() as pool:
        runs = {grace: pool.submit(heard, prod, grace, directory / grace) for grace in (FOR_GRACE_PERIOD, DEFAULT)}
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
