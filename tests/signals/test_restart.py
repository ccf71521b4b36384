"""A restart of Prometheus while alerts fire is no news: real Prometheus and Alertmanager, in scaled time.

Rules whose condition is true all the time stand for the critical alerts, with the `for` of each.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from components.metrics import FOR_GRACE_PERIOD
from rehearsal.ports import HOST, free_ports
from rehearsal.toolchain import tool
from tests.contract.rule_set import Stack, of_stack
from tests.signals import hours
from tests.signals.alertmanager import Told, alertmanager, receivers, staged
from tests.waiting import eventually
from validation import seconds

FACTOR = 30
"""How many times as fast as in the stack everything goes."""
RESEND_SECONDS = 60
"""After which Prometheus sends an alert again: its default."""
DEFAULT = "10m"
"""The grace period of Prometheus 3.14.0 where nobody sets one."""
RUNNING_MINUTES, AFTER_MINUTES = 17, 10
"""Until all fire and are told; and after the restart, until what is pending anew fires."""


def scaled(text: str) -> str:
    """A duration in scaled time."""
    return f"{1000 * seconds(text) // FACTOR}ms"


@contextmanager
def prometheus(directory: Path, grace_period: str, port: int) -> Iterator[None]:
    """A Prometheus with what is in the directory that runs until the block ends."""
    arguments = [
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={HOST}:{port}",
        f"--rules.alert.resend-delay={RESEND_SECONDS // FACTOR}s",
        f"--rules.alert.for-grace-period={scaled(grace_period)}",
        "--log.level=warn",
    ]
    with (directory / "log").open("a") as log:
        process = subprocess.Popen([str(tool("prometheus")), *arguments], stdout=log, stderr=log)
    try:
        ready = f"http://{HOST}:{port}/-/ready"
        eventually(lambda: httpx.get(ready, trust_env=False).is_success, what="Prometheus is ready")
        yield
    finally:
        process.terminate()
        process.wait()


def rules(stack: Stack) -> dict[str, Any]:
    """A rule for each length of `for` of the critical alerts."""
    lengths = {rule.body["for"] for rule in stack.alerts if rule.labels["severity"] == "critical"}
    alerts = [
        {"alert": f"For{length}", "expr": "vector(1)", "for": scaled(length), "labels": {"severity": "critical"}}
        for length in sorted(lengths)
    ]
    return {"groups": [{"name": "restart", "rules": alerts}]}


def heard(stack: Stack, grace_period: str, directory: Path) -> tuple[list[Told], float]:
    """What the engineer on call hears of a restart between two stretches, and when it was."""
    directory.mkdir()
    (directory / "rules.yaml").write_text(yaml.safe_dump(rules(stack)))
    with (
        receivers() as server,
        alertmanager(
            staged({**stack.routing, "inhibit_rules": []}, FACTOR, {"all": hours.intervals("open", 0, [])}, server.url),
            directory / "alertmanager",
        ) as running,
    ):
        target = {"static_configs": [{"targets": [running.client.base_url.netloc.decode()]}]}
        configuration = {
            "global": {"evaluation_interval": scaled(f"{stack.infrastructure}s"), "external_labels": {"case": "all"}},
            "rule_files": ["rules.yaml"],
            "alerting": {"alertmanagers": [target]},
        }
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
        (port,) = free_ports(1)
        with prometheus(directory, grace_period, port):
            time.sleep(60 * RUNNING_MINUTES / FACTOR)
        restarted = time.time()
        with prometheus(directory, grace_period, port):
            time.sleep(60 * AFTER_MINUTES / FACTOR)
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
    assert before == {rule["alert"] for rule in rules(prod)["groups"][0]["rules"]}
    assert {message.status for message in messages} == {"firing"}
    assert [message for message in messages if message.at > restarted] == []


def test_without_the_setting_pages_are_resolved_and_come_again(told: dict[str, tuple[list[Told], float]]) -> None:
    """So that what the first test shows is the setting's doing."""
    messages, restarted = told[DEFAULT]
    after = [(message.labels["alertname"], message.status) for message in messages if message.at > restarted]
    assert {("For5m", "resolved"), ("For5m", "firing")} <= set(after)
