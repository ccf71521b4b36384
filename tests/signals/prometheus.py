"""The real Prometheus before a real Alertmanager, in scaled time."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from rehearsal.ports import HOST, free_ports
from rehearsal.toolchain import tool
from tests.signals.alertmanager import Alertmanager
from tests.waiting import eventually
from validation import seconds

RESEND_SECONDS, LOOKBACK_SECONDS = 60, 300
"""After which Prometheus sends an alert again, and for how long a sample is seen: its defaults."""


@dataclass(frozen=True)
class Scale:
    """Time that goes `factor` times as fast as in the stack."""

    factor: int

    def text(self, duration: str) -> str:
        """A duration of the stack as one here."""
        return f"{1000 * seconds(duration) // self.factor}ms"

    def rule(self, rule: dict[str, Any]) -> dict[str, Any]:
        """A rule with its waits as they are here; its expression must name no duration."""
        return rule | {key: self.text(rule[key]) for key in ("for", "keep_firing_for") if key in rule}


def holds(spans: list[tuple[float, float]], zero: float, scale: Scale) -> str:
    """PromQL that has a result during spans of minutes of the stack since the epoch second `zero`."""
    seconds_ = [[zero + 60 * minute / scale.factor for minute in span] for span in spans]
    return " or ".join(f"vector(time()) >= {start:.3f} < {end:.3f}" for start, end in seconds_)


def configure(directory: Path, groups: list[dict[str, Any]], interval: str, running: Alertmanager) -> None:
    """Write Prometheus' configuration: these rules, evaluated so often, and this Alertmanager."""
    target = {"static_configs": [{"targets": [running.client.base_url.netloc.decode()]}]}
    configuration = {
        "global": {"evaluation_interval": interval, "external_labels": {"case": "all"}},
        "rule_files": ["rules.yaml"],
        "alerting": {"alertmanagers": [target]},
    }
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    (directory / "prometheus.yaml").write_text(yaml.safe_dump(configuration))


@contextmanager
def prometheus(directory: Path, grace_period: str, scale: Scale) -> Iterator[None]:
    """A Prometheus with what is in the directory that runs until the block ends; its data stay there."""
    (port,) = free_ports(1)
    arguments = [
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={directory / 'tsdb'}",
        f"--web.listen-address={HOST}:{port}",
        f"--rules.alert.resend-delay={1000 * RESEND_SECONDS // scale.factor}ms",
        f"--rules.alert.for-grace-period={scale.text(grace_period)}",
        f"--query.lookback-delta={1000 * LOOKBACK_SECONDS // scale.factor}ms",
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
