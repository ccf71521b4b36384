"""Whether the rehearsal works: processes healthy, targets up, the heartbeat received. Each wait has a deadline."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from local import interruption
from local.errors import RehearsalError
from local.ports import SERVICES, Ports
from parts import PROBES_JOB, TRACE_SAMPLER
from rehearsal import grafana, jaeger
from rehearsal.supervisor import Supervisor
from simulation import redis

CLIENT = httpx.Client(
    verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
)
"""Asks this machine's processes, by plain HTTP: it reads no certificates, and asks no proxy."""

_ANSWERS = {
    "receivers": ("receivers", "/-/healthy"),
    "exporters": ("exporters", "/kubelet/metrics"),
    "node-exporter": ("node-exporter", ""),
    "blackbox": ("blackbox", "/-/healthy"),
    "route-sums": ("route-sums", "/-/healthy"),
    "loki": ("loki", "/ready"),
    jaeger.NAME: (jaeger.NAME, "/api/services"),
    TRACE_SAMPLER.workload: ("sampler-health", ""),
    "alertmanager": ("alertmanager", "/-/ready"),
    "prometheus": ("prometheus", "/-/ready"),
    "log-agent": ("agent-health", ""),
    **{service: (service, "/health") for service in SERVICES},
    "load": ("load", "/counts"),
    grafana.NAME: (grafana.NAME, "/api/health"),
}
"""The port and the path at which each process that speaks HTTP answers 200 once it works."""

_POLL_SECONDS = 0.2
PROCESSES_SECONDS = 300
"""Bound for processes that start and do not answer; on two idle cores they take about ten."""
TARGETS_SECONDS = 150
"""A target may wait one interval of 30 s for its first scrape, and on a busy machine a slow one for some more."""
HEARTBEAT_SECONDS = 120
"""One evaluation, one group flush, and the same again; and once more on a busy machine."""

ABOUT_THE_NODE = frozenset({"NodeDiskFilling", "NodeMemoryNearlyFull"})
"""Alerts about this machine, which are true or not whatever happens in the rehearsal."""


@dataclass(frozen=True)
class Target:
    """One scrape target of Prometheus."""

    job: str
    instance: str
    service: str
    up: bool
    error: str


def wait_for_processes(
    names: Iterable[str], ports: Ports, supervisor: Supervisor, seconds: float = PROCESSES_SECONDS
) -> None:
    """Wait until each of these processes works, or the supervisor gives one up.

    Raises RehearsalError with the logs of the others.
    """
    waiting = list(names)

    def unhealthy() -> list[str]:
        nonlocal waiting
        waiting = [name for name in waiting if not healthy(name, ports)]
        problems = [f"{name} does not answer {url(name, ports)}; its log is {supervisor.log(name)}" for name in waiting]
        if waiting and not supervisor.given_up.isdisjoint(waiting):
            raise RehearsalError("a process ends whenever it is started:\n" + _listed(problems))
        return problems

    _wait(unhealthy, seconds)


def wait_for_targets(
    ports: Ports, measured: Iterable[str], probed: Iterable[str], seconds: float = TARGETS_SECONDS
) -> None:
    """Wait until every target is up, and these services have theirs. Raises RehearsalError with the rest."""
    expected = {(name, name) for name in measured} | {(PROBES_JOB, name) for name in probed}

    def missing() -> list[str]:
        found = targets(ports)
        down = [
            f"target {item.job} {item.instance} is down: {item.error or 'not scraped yet'}"
            for item in found
            if not item.up
        ]
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


def pending(ports: Ports) -> list[tuple[dict[str, str], datetime]]:
    """Labels of every alert whose condition has not held for long enough yet, and since when it holds."""
    alerts = get(f"{ports.url('prometheus')}/api/v1/alerts")["data"]["alerts"]
    return [
        (alert["labels"], datetime.fromisoformat(alert["activeAt"])) for alert in alerts if alert["state"] == "pending"
    ]


def get(address: str) -> Any:
    """The JSON that a local process answers with."""
    return CLIENT.get(address).raise_for_status().json()


def post(address: str, document: Any) -> None:
    """Give a local process a JSON document. Raises httpx.HTTPError if it does not take it."""
    CLIENT.post(address, json=document).raise_for_status()


def url(name: str, ports: Ports) -> str:
    """The URL at which a process answers 200 once it works; Redis, which speaks no HTTP, a PING."""
    if name == redis.NAME:
        return f"redis://{ports.address(name)}"
    port, path = _ANSWERS[name]
    return f"{ports.url(port)}{path}"


def healthy(name: str, ports: Ports) -> bool:
    """Whether a process works now."""
    if name == redis.NAME:
        return redis.answers(ports.address(name))
    try:
        return CLIENT.get(url(name, ports), timeout=2).status_code == 200
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
            raise RehearsalError(f"after {seconds:.0f} s:\n{_listed(found)}")
        time.sleep(_POLL_SECONDS)


def _listed(problems: Iterable[str]) -> str:
    return "\n".join(f"  {problem}" for problem in problems)
