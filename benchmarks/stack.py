"""A real Prometheus with all rules of the production stack, and as many services as a benchmark wants."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from benchmarks.errors import BenchmarkError
from benchmarks.fleet import pods, target_labels
from catalogue import Catalogue
from components.alerting.normalisation import NORMALISATION
from components.alerting.rules import prometheus_rules
from engine.toolchain import tool
from facts import ROOT
from local import interruption
from local.ports import HOST
from rehearsal.chart_targets import CHART_TARGETS, Process
from settings import Settings, read_stack
from simulation.application.container import die_with_parent

START_SECONDS = 60
CONFIGURATION = "prometheus.json"
RULES = "rules"
"""Directory of the rule files, beside the configuration."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Rules:
    """All rules of a stack, by the name of their object."""

    objects: dict[str, list[Json]]

    @property
    def groups(self) -> list[Json]:
        """Every group."""
        return [group for groups in self.objects.values() for group in groups]

    @property
    def generated(self) -> int:
        """Number of rules that are made of the catalogue and the settings."""
        return sum(len(group["rules"]) for group in self.objects[NORMALISATION])

    @property
    def plain(self) -> int:
        """Number of rules of `alerts/`."""
        return sum(len(group["rules"]) for group in self.groups) - self.generated


def production() -> Settings:
    """The settings of the production stack, which watches everything."""
    return read_stack(ROOT / "Pulumi.prod.yaml")


def rules_of(catalogue: Catalogue, settings: Settings) -> Rules:
    """The rules of a stack. Raises InvalidInputError if a file of `alerts/` is not valid or has no runbook."""
    return Rules(prometheus_rules(ROOT / "alerts", catalogue, settings))


def configuration(catalogue: Catalogue, settings: Settings, addresses: Mapping[Process, str]) -> Json:
    """Prometheus' configuration; `addresses` are `host:port` of Prometheus itself and of benchmarks.exporter.

    One job has all services, where a cluster has one for each: that matters to scraping, not to rules.
    """
    infrastructure, applications = settings.scrape.infrastructure, settings.scrape.applications
    exporter = addresses["exporters"]
    services = zip(catalogue.services, pods(catalogue), strict=True)
    metrics = [
        _target(exporter, f"/services/{service.prefix}/metrics", **target_labels(pod)) for service, pod in services
    ]
    probes = [
        _target(
            exporter, "/probe", job="service-probes", service=service.name, instance=f"http://{service.name}/health"
        )
        for service in catalogue.services
    ]
    jobs: list[Json] = [
        {"job_name": "services", "scrape_interval": applications, "static_configs": metrics},
        {"job_name": "service-probes", "scrape_interval": applications, "static_configs": probes},
    ]
    jobs += [
        target.scrape_config(number, addresses)
        for number, target in enumerate(CHART_TARGETS)
        if target.part in addresses
    ]
    return {
        "global": {"scrape_interval": infrastructure, "evaluation_interval": infrastructure},
        "rule_files": [f"{RULES}/*.json"],
        "scrape_configs": jobs,
    }


def _target(address: str, path: str, **labels: str) -> Json:
    return {"targets": [address], "labels": {"__metrics_path__": path, **labels}}


@contextmanager
def running(catalogue: Catalogue, settings: Settings, rules: Rules, directory: Path) -> Iterator[httpx.Client]:
    """The exporter and a Prometheus on the storage `directory/data`, until the block ends; its client.

    Raises BenchmarkError with the log of the process that does not start.
    """
    addresses: dict[Process, str] = {"exporters": _free_address(), "prometheus": _free_address()}
    (directory / RULES).mkdir()
    for name, groups in rules.objects.items():
        (directory / RULES / f"{name}.json").write_text(json.dumps({"groups": groups}))
    (directory / CONFIGURATION).write_text(json.dumps(configuration(catalogue, settings, addresses)))
    port = addresses["exporters"].rpartition(":")[2]
    exporter = [sys.executable, "-m", "benchmarks.exporter", f"--port={port}", f"--services={len(catalogue.services)}"]
    with (
        _process(exporter, f"http://{addresses['exporters']}/-/healthy", directory / "exporter.log"),
        _prometheus(directory, addresses["prometheus"], settings) as client,
    ):
        yield client


@contextmanager
def answering(directory: Path, settings: Settings) -> Iterator[httpx.Client]:
    """A Prometheus that only answers queries on the storage `directory/data`, until the block ends; its client.

    Raises BenchmarkError with its log if it does not start.
    """
    (directory / CONFIGURATION).write_text("{}")
    with _prometheus(directory, _free_address(), settings) as client:
        yield client


@contextmanager
def _prometheus(directory: Path, address: str, settings: Settings) -> Iterator[httpx.Client]:
    command = [
        str(tool("prometheus")),
        f"--config.file={directory / CONFIGURATION}",
        f"--storage.tsdb.path={directory / 'data'}",
        f"--storage.tsdb.retention.time={settings.retention.metrics}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]
    with (
        _process(command, f"http://{address}/-/ready", directory / "prometheus.log"),
        httpx.Client(base_url=f"http://{address}", timeout=60, trust_env=False) as client,
    ):
        yield client


@contextmanager
def _process(command: Sequence[str], health: str, log: Path) -> Iterator[None]:
    """A process from when it is healthy until the block ends, or this process does."""
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, preexec_fn=die_with_parent())
    try:
        _wait_until_healthy(process, health, log)
        yield
    finally:
        process.terminate()
        process.wait()


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        interruption.check()
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise BenchmarkError(f"{log.stem} did not start within {START_SECONDS} s; its log:\n{log.read_text()[-2000:]}")


def _free_address() -> str:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return f"{HOST}:{probe.getsockname()[1]}"
