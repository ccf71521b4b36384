"""Services as processes of their own."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
DEADLINE = 60.0


@dataclass
class Served:
    """A running process and where its output goes."""

    url: str
    process: subprocess.Popen[bytes]
    stdout: Path
    stderr: Path

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.read_text().split("\n")[:-1]]

    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines()]


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE:.0f} s"
        time.sleep(0.02)


@contextmanager
def serving(directory: Path, *command: str, **environment: str) -> Iterator[Served]:
    """Run a command, in which PORT becomes a port, until the service is ready; end it afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    arguments = [str(port) if part == "PORT" else part for part in command]
    served_paths = os.pathsep.join((str(HERE.parent / "src"), str(HERE)))
    stdout, stderr = directory / "stdout", directory / "stderr"
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, *arguments],
            cwd=HERE,
            stdout=out,
            stderr=err,
            env={**os.environ, "PYTHONPATH": served_paths, **environment},
        )
    served = Served(f"http://127.0.0.1:{port}", process, stdout, stderr)
    try:
        until(lambda: _ready(served), "ready")
        yield served
    finally:
        process.terminate()
        process.wait(DEADLINE)


def _ready(served: Served) -> bool:
    assert served.process.poll() is None, served.stderr.read_text()
    try:
        return httpx.get(f"{served.url}/health/ready").status_code == 200
    except httpx.TransportError:
        return False
