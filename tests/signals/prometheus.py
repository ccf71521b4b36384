"""The real Prometheus before the real Alertmanager, in faster time as `rehearsal.speed` makes it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from checks.waiting import eventually
from engine.toolchain import tool
from local.ports import HOST, free_ports
from rehearsal import speed
from tests.signals.alertmanager import Alertmanager, Receivers, alertmanager, receivers, staged


def holds(spans: list[tuple[float, float]], zero: float, factor: int) -> str:
    """PromQL that has a result during spans of minutes of the stack since the epoch second `zero`."""
    seconds = [[zero + 60 * minute / factor for minute in span] for span in spans]
    return " or ".join(f"vector(time()) >= {start:.3f} < {end:.3f}" for start, end in seconds)


@contextmanager
def notified(routing: Mapping[str, Any], directory: Path, factor: int) -> Iterator[tuple[Receivers, Alertmanager]]:
    """Receivers, and an Alertmanager with this routing that is told by one Prometheus."""
    with receivers() as server, alertmanager(staged(dict(routing), factor, ["all"], server.url), directory) as running:
        yield server, running


def configure(directory: Path, groups: list[dict[str, Any]], interval: str, running: Alertmanager, factor: int) -> None:
    """Write Prometheus' configuration: these rules, evaluated so often in the stack's time, and this Alertmanager."""
    target = {"static_configs": [{"targets": [running.client.base_url.netloc.decode()]}]}
    configuration = {
        "global": {"evaluation_interval": interval, "external_labels": {"case": "all"}},
        "rule_files": ["rules.yaml"],
        "alerting": {"alertmanagers": [target]},
    }
    (directory / "rules.yaml").write_text(yaml.safe_dump(speed.rules({"groups": groups}, factor)))
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(speed.prometheus(configuration, factor)))


@contextmanager
def prometheus(directory: Path, grace_period: str, factor: int) -> Iterator[None]:
    """A Prometheus with what is in the directory that runs until the block ends; its data stay there."""
    (port,) = free_ports(1)
    arguments = [
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={HOST}:{port}",
        *speed.prometheus_flags(grace_period, factor),
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
