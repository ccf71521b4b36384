"""Times that are played into a real Prometheus, with a real Alertmanager beside it, and the way to both."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

import inputs
from benchmarks.history import Block, import_blocks
from checks.waiting import eventually
from components.alerting.routing import alertmanager_configuration
from engine.toolchain import tool
from facts import ROOT
from local.ports import HOST, free_ports
from tests.signals.alertmanager import Alertmanager, alertmanager

READ = inputs.read(ROOT, "dev")


def samples(name: str, labels: Mapping[str, str], value: Callable[[int], float], moments: Iterable[int]) -> str:
    """A series in the OpenMetrics format."""
    start = named(name, labels)
    return "".join(f"{start} {value(at)!r} {at}\n" for at in moments)


def named(name: str, labels: Mapping[str, str]) -> str:
    return name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


@contextmanager
def prometheus(directory: Path, written: Iterable[str], start: int, end: int) -> Iterator[int]:
    """The port of a Prometheus with the stack's rules and this history."""
    groups = [group | {"interval": "1m"} for file in READ.rules.values() for group in file]
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    (directory / "prometheus.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"]}))
    storage = directory / "tsdb"
    storage.mkdir()
    import_blocks(storage, [Block(start, end, 162)], lambda _: written, lambda _: None)
    (port,) = free_ports(1)
    arguments = [
        f"--config.file={directory / 'prometheus.yaml'}",
        f"--storage.tsdb.path={storage}",
        f"--web.listen-address={HOST}:{port}",
        # Text has no marks of where a series ends.
        "--query.lookback-delta=1m",
        "--log.level=warn",
    ]
    with (directory / "log").open("w") as log:
        process = subprocess.Popen([str(tool("prometheus")), *arguments], stdout=log, stderr=log)
    try:
        ready = f"http://{HOST}:{port}/-/ready"
        eventually(lambda: httpx.get(ready, trust_env=False).is_success, what="Prometheus is ready")
        yield port
    finally:
        process.terminate()
        process.wait()


@contextmanager
def routed(directory: Path) -> Iterator[Alertmanager]:
    """An Alertmanager with the stack's routes, whose receivers tell nobody."""
    whole = alertmanager_configuration(READ.settings)
    silent = [{"name": receiver["name"]} for receiver in whole["receivers"]]
    with alertmanager(
        whole | {"global": {}, "templates": [], "receivers": silent}, directory / "alertmanager"
    ) as running:
        yield running


KUBECTL = """#!/bin/sh
case "$*" in %s
esac
echo "Forwarding from 127.0.0.1:$port -> 1"
exec sleep 600
"""


def forward_to(
    patch: pytest.MonkeyPatch,
    directory: Path,
    ports: Mapping[str, int | None],
    answers: Mapping[str, Path] | None = None,
) -> None:
    """A kubectl on PATH that forwards to what listens here, by a word of its arguments, and answers from files."""
    cases = [f"*{word}*) exec cat {file} ;;" for word, file in (answers or {}).items()]
    cases += [f"*{word}*) port={port} ;;" for word, port in ports.items()]
    kubectl = directory / "kubectl"
    kubectl.write_text(KUBECTL % "\n".join(cases))
    kubectl.chmod(0o755)
    patch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
