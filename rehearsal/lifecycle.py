"""Brings the rehearsal up, tells how it is, breaks and mends it, and takes it down."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import httpx

import catalogue as catalogues
from catalogue import Catalogue
from rehearsal import health, toolchain
from rehearsal.channels import channel_secrets
from rehearsal.derive import derive
from rehearsal.engine import Engine
from rehearsal.errors import RehearsalError
from rehearsal.ports import SERVICES, Ports
from rehearsal.programs import Program, programs
from rehearsal.state import ROOT, State
from rehearsal.supervisor import GUARD, Process, Supervisor

STACK = "dev"
NEEDED_TOOLS = ["pulumi", "prometheus", "alertmanager", "loki", "collector", "operatorconfig"]
RELOADABLE = ("prometheus", "alertmanager")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """One line of `status`."""

    process: Process
    healthy: bool


class Rehearsal:
    """One rehearsal: a state directory and a set of ports."""

    def __init__(self, state: State, ports: Ports, say: Say) -> None:
        self._state, self._ports, self._say = state, ports, say
        self._supervisor = Supervisor(state)

    @cached_property
    def catalogue(self) -> Catalogue:
        """The service catalogue."""
        return catalogues.load(ROOT / "services.yaml")

    def up(self) -> None:
        """Deploy the dev stack, start what does not run, and return once all of it works.

        Raises RehearsalError, and leaves nothing running that did not run before.
        """
        self._state.make()
        toolchain.build(NEEDED_TOOLS)
        was_running = self._supervisor.running
        if not was_running:
            self._state.ready.unlink(missing_ok=True)
            self._refuse_taken_ports()
        with self._timed(f"pulumi up --stack {STACK} (real engine, stand-in providers)"):
            self._deploy()
        changed = derive(self._state, self._ports, self.catalogue, toolchain.tool("operatorconfig"))
        wanted = programs(self._state, self._ports, self.catalogue)
        started = time.time()
        try:
            self._run(wanted, changed, was_running)
            self._wait(wanted, 0.0 if was_running else started)
        except BaseException:
            if not was_running:
                self._say("stopping what was started")
                self._supervisor.stop()
            raise
        self._state.ready.touch()

    def _deploy(self) -> None:
        engine = Engine(ROOT, self._state.root, toolchain.tool("pulumi"))
        changes = engine.up(
            STACK,
            secrets=channel_secrets(self._state, self._ports),
            on_output=self._say,
            diff=(
                self._state.cluster / "Release"
            ).exists(),  # the first time everything is new: no need to show it twice
        )
        self._say(f"resources: {', '.join(f'{count} {name}' for name, count in changes.counts.items())}")

    def _run(self, wanted: list[Program], changed: set[str], was_running: bool) -> None:
        if not was_running:
            self._supervisor.start(wanted)
            return
        restarted = set(self._supervisor.update(wanted)) - {GUARD}
        for name in sorted(restarted):
            self._say(f"restarted {name}")
        for name in RELOADABLE:
            if name in changed and name not in restarted:
                httpx.post(f"{self._ports.url(name)}/-/reload", timeout=10).raise_for_status()
                self._say(f"reloaded {name}")

    def _wait(self, wanted: list[Program], since: float) -> None:
        with self._timed("processes healthy"):
            health.wait_for_processes(wanted, self._state)
        with self._timed("targets up"):
            health.wait_for_targets(self._ports, self.catalogue)
        with self._timed("heartbeat received"):
            health.wait_for_heartbeat(self._ports, since)

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        self._say(f"{what} …")
        yield
        self._say(f"{what}: {time.monotonic() - started:.1f} s")

    def _refuse_taken_ports(self) -> None:
        taken = self._ports.taken()
        if taken:
            listed = ", ".join(f"{port} ({name})" for name, port in taken.items())
            raise RehearsalError(
                f"ports in use on this machine: {listed}. Stop what listens there, or move every port: "
                "make up PORT_OFFSET=10000"
            )

    def down(self) -> bool:
        """Stop everything; data stays. Returns whether anything was running."""
        was_running = self._supervisor.running
        self._supervisor.stop()
        self._state.ready.unlink(missing_ok=True)
        return was_running

    def status(self) -> list[Report]:
        """Every process and whether it works; empty if the rehearsal is down."""
        processes = [process for process in self._supervisor.processes() if process.name != GUARD]
        if not processes:
            return []
        wanted = {item.name: item for item in programs(self._state, self._ports, self.catalogue)}
        return [
            Report(process, process.running and (process.name not in wanted or health.healthy(wanted[process.name])))
            for process in processes
        ]

    def fault(self, kind: str, service: str) -> None:
        """Break one service: `down` stops it, `errors` fails a third of its requests, `latency` adds 0.8 s."""
        self._must_run()
        self._must_be_service(service)
        if kind == "down":
            self._supervisor.stop_program(service)
        else:
            fault = {"errors": {"errors": 0.33}, "latency": {"latency_ms": 800}}[kind]
            httpx.post(f"{self._ports.url(service)}/_fault", json=fault, timeout=5).raise_for_status()

    def heal(self) -> list[str]:
        """Undo every fault; returns the processes that were started."""
        self._must_run()
        stopped = [item.name for item in self._supervisor.processes() if not item.running and item.name != GUARD]
        for name in stopped:
            self._supervisor.start_program(name)
        for service in sorted(SERVICES.keys() - set(stopped)):
            httpx.post(f"{self._ports.url(service)}/_fault", json={}, timeout=5).raise_for_status()
        return stopped

    def _must_run(self) -> None:
        if not self._supervisor.running:
            raise RehearsalError("the rehearsal is not running; start it with: make up")

    @staticmethod
    def _must_be_service(service: str) -> None:
        if service not in SERVICES:
            raise RehearsalError(f"SERVICE={service}: expected one of {', '.join(SERVICES)}")
