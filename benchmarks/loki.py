"""A real Loki with the configuration that a stack deploys, alone on free ports."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.errors import BenchmarkError
from components.logs.loki import loki_values
from engine.toolchain import tool
from local import interruption
from local.ports import Ports
from rehearsal.derive import loki_configuration
from settings import Settings
from simulation.application.container import die_with_parent

START_SECONDS = 120
PORTS = ("loki", "loki-grpc")
OFFSETS = range(20_001, 23_600, 3)
"""Of the ports, which are so below those that Linux gives to connections by itself."""

Json = dict[str, Any]
Line = tuple[int, str, Mapping[str, str]]
"""Nanoseconds since the epoch, text, structured metadata."""


@dataclass(frozen=True)
class Stream:
    """Lines with the same index labels."""

    labels: Mapping[str, str]
    lines: Sequence[Line]


@dataclass(frozen=True)
class Found:
    """What a query found and what that took."""

    streams: list[Json]
    stats: Json
    """Loki's own summary, such as `totalBytesProcessed` and `totalLinesProcessed`."""

    @property
    def lines(self) -> list[tuple[int, str]]:
        """Time in nanoseconds and text, oldest first."""
        return sorted((int(at), text) for stream in self.streams for at, text in stream["values"])


@dataclass(frozen=True)
class Loki:
    """A running Loki."""

    client: httpx.Client
    data: Path
    """What it stores."""

    def push(self, streams: Sequence[Stream]) -> httpx.Response:
        """Send lines; the answer is 204 only if all were taken."""
        body = [
            {"stream": dict(stream.labels), "values": [(str(at), text, beside) for at, text, beside in stream.lines]}
            for stream in streams
        ]
        return self.client.post("/loki/api/v1/push", json={"streams": body})

    def query(self, logql: str, start: int, end: int, *, limit: int = 1000, direction: str = "backward") -> Found:
        """Ask for the lines from `start` to before `end`, in nanoseconds. Raises BenchmarkError if it is refused."""
        parameters: dict[str, str | int] = {"query": logql, "start": start, "end": end, "limit": limit}
        answer = self.client.get("/loki/api/v1/query_range", params=parameters | {"direction": direction})
        if answer.status_code != httpx.codes.OK:
            raise BenchmarkError(f"Loki answers {answer.status_code} to {logql}: {answer.text[:500]}")
        data = answer.json()["data"]
        return Found(data["result"], data["stats"]["summary"])

    def flush(self) -> None:
        """Have it write what is in memory to chunk files, soon."""
        self.client.post("/flush").raise_for_status()

    def chunk_files(self) -> list[Path]:
        """The files of its chunks, without those of the index."""
        return [path for path in (self.data / "chunks" / "fake").rglob("*") if path.is_file()]

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of one of its own metrics that have these labels; 0 if there is none."""
        text = self.client.get("/metrics").raise_for_status().text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def deployed(settings: Settings) -> Json:
    """The section `loki` of the values that a stack deploys."""
    section: Json = loki_values(settings, None)["loki"]
    return section


def configuration(settings: Settings, directory: Path, ports: Ports) -> Json:
    """What the stack deploys, with paths and ports of this machine. Buckets need a cloud: only stacks without one."""
    return loki_configuration(deployed(settings), directory / "data", ports)


@contextmanager
def running(
    settings: Settings, directory: Path, changes: Mapping[str, Json] | None = None, *, ready: str = "/ready"
) -> Iterator[Loki]:
    """Loki on the storage `directory/data` until the block ends; `changes` are merged into its sections.

    It takes ten seconds until it answers queries: who only looks at it has it `ready` when it answers `/metrics`.

    Raises BenchmarkError with its log if it does not start.
    """
    ports = _free_ports()
    made = configuration(settings, directory, ports)
    made |= {section: made.get(section, {}) | values for section, values in (changes or {}).items()}
    file, log = directory / "loki.yaml", directory / "loki.log"
    file.write_text(yaml.safe_dump(made))
    with log.open("a") as output:
        command = [str(tool("loki")), f"-config.file={file}"]
        process = subprocess.Popen(command, cwd=directory, stdout=output, stderr=output, preexec_fn=die_with_parent())
    try:
        with httpx.Client(base_url=ports.url("loki"), timeout=300, trust_env=False) as client:
            _wait_until(ready, process, client, log)
            yield Loki(client, directory / "data")
    finally:
        process.terminate()
        process.wait()


def _wait_until(ready: str, process: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        interruption.check()
        try:
            if client.get(ready).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    ended = "ended" if process.poll() is not None else f"is not ready after {START_SECONDS} s"
    raise BenchmarkError(f"Loki {ended}; its log:\n{log.read_text()[-2000:]}")


def _free_ports() -> Ports:
    """Ports of which nothing uses Loki's two, in any order, as others may look for some at the same time."""
    offsets = random.sample(OFFSETS, len(OFFSETS))
    return next(ports for ports in map(Ports, offsets) if not ports.taken().keys() & set(PORTS))
