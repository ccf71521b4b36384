"""Whether the rehearsal works: processes healthy, targets up, the heartbeat received. Each wait has a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import httpx

from catalogue import Catalogue
from rehearsal import interruption
from rehearsal.errors import RehearsalError
from rehearsal.ports import Ports
from rehearsal.programs import Program
from rehearsal.state import State

_POLL_SECONDS = 0.2
PROCESSES_SECONDS = 60
"""Bound for processes; on two idle cores they take about ten."""
TARGETS_SECONDS = 75
"""A target may wait one interval of 30 s for its first scrape, and a restart of a slow one for another."""
HEARTBEAT_SECONDS = 60
"""One evaluation, one group flush, and the same again."""


@dataclass(frozen=True)
class Target:
    """One scrape target of Prometheus."""

    job: str
    instance: str
    service: str
    up: bool
    error: str


def wait_for_processes(programs: Iterable[Program], state: State, seconds: float = PROCESSES_SECONDS) -> None:
    """Wait until every process answers its health URL. Raises RehearsalError with the logs of the others."""
    waiting = {program.name: program.health for program in programs if program.health}

    def unhealthy() -> list[str]:
        for name in [name for name, url in waiting.items() if _answers(url)]:
            del waiting[name]
        return [f"{name} does not answer {url}; its log is {state.logs / name}.log" for name, url in waiting.items()]

    _wait(unhealthy, seconds)


def wait_for_targets(ports: Ports, catalogue: Catalogue, seconds: float = TARGETS_SECONDS) -> None:
    """Wait until every target is up and every service has its own. Raises RehearsalError with the rest."""

    def missing() -> list[str]:
        found = targets(ports)
        down = [
            f"target {item.job} {item.instance} is down: {item.error or 'not scraped yet'}"
            for item in found
            if not item.up
        ]
        expected = {(service.name, service.name) for service in catalogue.measured}
        expected |= {("service-probes", service.name) for service in catalogue.services}
        absent = sorted(expected - {(item.job, item.service) for item in found})
        return down + [f"{service} has no target in job {job}" for job, service in absent]

    _wait(missing, seconds)


def wait_for_heartbeat(ports: Ports, since: float, seconds: float = HEARTBEAT_SECONDS) -> None:
    """Wait until the heartbeat alert has reached its receiver after `since` (seconds since the epoch)."""

    def silent() -> list[str]:
        last = get(f"{ports.url('receivers')}/heartbeat").get("last_epoch") or 0
        return [] if last >= since else ["the heartbeat alert (Watchdog) has not reached its receiver"]

    _wait(silent, seconds)


def targets(ports: Ports) -> list[Target]:
    """Every active target of Prometheus."""
    answer = get(f"{ports.url('prometheus')}/api/v1/targets?state=active")
    return [
        Target(
            item["labels"]["job"],
            item["labels"]["instance"],
            item["labels"].get("service", ""),
            item["health"] == "up",
            item["lastError"],
        )
        for item in answer["data"]["activeTargets"]
    ]


def firing(ports: Ports) -> list[dict[str, str]]:
    """Labels of every alert that Alertmanager holds, but the heartbeat."""
    alerts = get(f"{ports.url('alertmanager')}/api/v2/alerts")
    return [alert["labels"] for alert in alerts if alert["labels"]["alertname"] != "Watchdog"]


def get(url: str) -> Any:
    """The JSON that a local process answers with."""
    return httpx.get(url, timeout=5).raise_for_status().json()


def healthy(program: Program) -> bool:
    """Whether a process answers its health URL now."""
    return program.health is None or _answers(program.health)


def _answers(url: str | None) -> bool:
    try:
        return url is not None and httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False


def _wait(problems: Callable[[], list[str]], seconds: float) -> None:
    """Ask until there is no problem left. Raises RehearsalError with the last ones after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        interruption.check()
        try:
            found = problems()
        except httpx.HTTPError as error:
            found = [str(error)]
        if not found:
            return
        if time.monotonic() > deadline:
            raise RehearsalError(f"after {seconds:.0f} s:\n" + "\n".join(f"  {problem}" for problem in found))
        time.sleep(_POLL_SECONDS)
