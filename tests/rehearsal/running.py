"""A rehearsal of a copy of the project, on ports of its own, driven as a person would drive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from checks.free_ports import claim
from checks.waiting import eventually
from engine import toolchain
from facts import ROOT
from local.ports import Ports
from rehearsal.deployment import NEEDED_TOOLS
from rehearsal.health import ABOUT_THE_NODE
from tests.tree import copy_tree

Notification = dict[str, Any]

ABOUT_SLOWNESS = frozenset({"LatencyDegraded"})
"""Alerts that are right where the machine is too slow for the services' objective."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
SLOW_MS, SLOW_SHARE = 250, 0.01
"""95 % of the requests of 5 min should take no longer; where 1 % of all do, some minutes may be worse than that."""


@dataclass(frozen=True)
class Running:
    """One rehearsal; `project` is the copy that it runs from, and that a test may edit."""

    project: Path
    ports: Ports

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command, such as `up`; the caller waits for it."""
        environment = os.environ | {"PORT_OFFSET": str(self.ports.offset), "STATE": str(self.project / ".rehearsal")}
        return subprocess.Popen(
            [sys.executable, "-m", "rehearsal", *arguments],
            cwd=self.project,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run a command to its end, as each wait of its own has one; returns its exit code and output."""
        process = self.start(*arguments)
        output, _ = process.communicate()
        return process.returncode, output

    def get(self, part: str, path: str, **parameters: str) -> Any:
        """The JSON that a part answers with."""
        return (
            httpx.get(f"{self.ports.url(part)}{path}", params=parameters or None, timeout=60).raise_for_status().json()
        )

    def query(self, promql: str) -> list[dict[str, Any]]:
        """Result of an instant query."""
        result: list[dict[str, Any]] = self.get("prometheus", "/api/v1/query", query=promql)["data"]["result"]
        return result

    @property
    def of_this_machine(self) -> frozenset[str]:
        """The alerts that may be true here although nobody broke anything, as the load measures it."""
        return ABOUT_THE_NODE | (ABOUT_SLOWNESS if self._slow else frozenset())

    @property
    def _slow(self) -> bool:
        for waited in self.get("load", "/counts")["latency_ms"].values():
            long = sum(number for length, number in waited.items() if int(length) > SLOW_MS)
            if long > SLOW_SHARE * sum(waited.values()):
                return True
        return False

    def notifications(self, **filters: str) -> list[Notification]:
        """What people were told of the stack, oldest first; the heartbeat is not for people."""
        found: list[Notification] = self.get("receivers", "/notifications", **filters)
        told = [item for item in found if item["receiver"] != "heartbeat"]
        return [item for item in told if not self.of_this_machine.issuperset(item["alertnames"])]

    def processes(self) -> list[int]:
        """Every process of this rehearsal that is alive."""
        return processes_of(self.project)


@contextmanager
def up(directory: Path, prepare: Callable[[Running], None] = lambda _: None) -> Iterator[Running]:
    """A rehearsal of its own that is up until the block ends, of a copy of the project that `prepare` may edit."""
    toolchain.build(NEEDED_TOOLS)
    running = Running(copy_tree(directory), claim())
    prepare(running)
    code, output = running.run("up")
    assert code == 0, output
    try:
        yield running
    finally:
        running.run("down")


def interrupted(directory: Path, *command: str, **environment: str) -> str:
    """What a command said that has a rehearsal of its own and got Ctrl-C once that was up; nothing of it is left.

    Raises AssertionError if it ends otherwise or leaves a process.
    """
    own = {"PORT_OFFSET": str(claim().offset), "STATE": str(directory / "state")}
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=os.environ | own | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    began = time.monotonic()
    try:
        eventually(lambda: (directory / "state" / "ready").exists(), what="the rehearsal is up")
    finally:
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    assert process.returncode == INTERRUPTED, output
    assert "interrupted" in output
    eventually(lambda: not processes_of(directory), what=f"left after {time.monotonic() - began:.0f} s")
    return output


def processes_of(directory: Path) -> list[int]:
    """Ids of all processes that name `directory` in their command line or run in it."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
                where = str((entry / "cwd").readlink())
            except OSError:
                continue
            if command and (str(directory) in command or where.startswith(str(directory))):
                found.append(int(entry.name))
    return found
