"""Brings the rehearsal up, tells how it is, breaks and mends it, and takes it down."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import httpx

import catalogue as catalogues
from catalogue import Catalogue
from rehearsal import dialect, grafana, health, interruption, toolchain
from rehearsal.channels import channel_secrets
from rehearsal.configuration import Aside
from rehearsal.derive import derive
from rehearsal.engine import Engine
from rehearsal.errors import RehearsalError
from rehearsal.ports import SERVICES, Ports, choose
from rehearsal.programs import Program, programs
from rehearsal.state import ROOT, State, write
from rehearsal.supervisor import GUARD, Process, Supervisor
from settings import KEY

STACK = "dev"
NEEDED_TOOLS = [
    "pulumi",
    "pulumi-language-python",
    "prometheus",
    "alertmanager",
    "blackbox",
    "node-exporter",
    "loki",
    "collector",
    "operatorconfig",
]
RELOADABLE = ("prometheus", "alertmanager")
HEARTBEAT_AGE_SECONDS = 120
"""The heartbeat comes every minute; an older one is no sign of life."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Report:
    """One line of `status`."""

    process: Process
    healthy: bool


class Rehearsal:
    """One rehearsal: a state directory, a set of ports, and a dialect of the services.

    None stands for those in use, or else for the well-known ports and the package's dialect. With `with_grafana` there
    is a Grafana too, which stays until `down`.
    """

    def __init__(
        self, state: State, ports: Ports | None, say: Say, speak: str | None = None, *, with_grafana: bool = False
    ) -> None:
        self._state, self._asked, self._say, self._speak = state, ports, say, speak
        self._with_grafana = with_grafana
        self._supervisor = Supervisor(state)

    @cached_property
    def ports(self) -> Ports:
        """The ports of what runs, or else those to start with. Raises RehearsalError if others were asked for."""
        running = self._supervisor.running and self._state.offset.exists()
        return choose(self._asked, Ports(int(self._state.offset.read_text())) if running else None)

    @cached_property
    def dialect(self) -> str:
        """The dialect asked for, or else that of what runs."""
        running = self._supervisor.running and self._state.dialect.exists()
        return dialect.choose(self._speak, self._state.dialect.read_text() if running else None)

    @cached_property
    def _grafana_runs(self) -> bool:
        return any(process.name == grafana.NAME for process in self._supervisor.processes())

    @property
    def grafana(self) -> bool:
        """Whether there is a Grafana, or is to be one."""
        return self._with_grafana or self._grafana_runs

    @cached_property
    def catalogue(self) -> Catalogue:
        """The service catalogue, as the deployed program sees it."""
        known = catalogues.load(ROOT / "services.yaml")
        return known.instrumented(self._instrumented(known))

    def _instrumented(self, catalogue: Catalogue) -> list[str]:
        return dialect.instrumented(self.dialect, (service.name for service in catalogue.services))

    def up(self) -> None:
        """Deploy the dev stack, start what does not run, and return once all of it works.

        Raises RehearsalError, and leaves nothing running that did not run before.
        """
        with self._state.exclusive("up"):
            self._state.make()
            self._up()

    def _up(self) -> None:
        was_running = self._supervisor.running and self._state.ready.exists()
        if not was_running:
            self._supervisor.stop()  # what a killed `up` left, before its guard does
            self._state.ready.unlink(missing_ok=True)
        ports = self.ports
        if not was_running:
            _refuse(ports.taken())
        if self.grafana and not self._grafana_runs:
            grafana.prepare()
            _refuse(ports.taken([grafana.NAME]))
        toolchain.build(NEEDED_TOOLS)
        with self._timed(f"pulumi up --stack {STACK} (the real CLI, stand-in providers)"):
            self._deploy()
        digests = derive(self._state, ports, self.catalogue, toolchain.tool("operatorconfig"))
        if self.grafana:
            grafana.provision(self._state, ports)
        loaded = self._still_loaded(digests)
        wanted = self._programs()
        write(self._state.dialect, self.dialect)
        since = time.time() - (HEARTBEAT_AGE_SECONDS if was_running else 0)
        try:
            fresh = self._update(wanted) if was_running else self._start(wanted)
            # Before services answer in another dialect: what is no target any more must not be seen down first.
            health.wait_for_processes([item for item in wanted if item.name in RELOADABLE], self._state)
            self._load(digests, loaded | fresh)
            with self._timed("processes healthy"):
                health.wait_for_processes(wanted, self._state)
            with self._timed("targets up"):
                health.wait_for_targets(ports, self.catalogue)
            with self._timed("heartbeat received"):
                health.wait_for_heartbeat(ports, since)
            interruption.check()
        except BaseException:
            if not was_running:
                self._say("stopping what was started")
                self._supervisor.stop()
            raise
        self._state.ready.touch()

    def _deploy(self) -> None:
        settings = {KEY: {"instrumentedServices": self._instrumented(self.catalogue)}}
        aside = Aside(settings, channel_secrets(self._state, self.ports))
        changes = Engine(ROOT, self._state.root, aside).up(
            STACK,
            on_output=self._say,
            # The first time everything is new: no need to show it twice.
            diff=(self._state.cluster / "Release").exists(),
        )
        self._say(f"resources: {', '.join(f'{count} {name}' for name, count in changes.counts.items())}")

    def _start(self, wanted: list[Program]) -> set[str]:
        """Start everything; returns the names."""
        write(self._state.offset, str(self.ports.offset))
        self._supervisor.start(wanted)
        return {item.name for item in wanted}

    def _update(self, wanted: list[Program]) -> set[str]:
        """Start what does not run, and restart what reads its changed files only then; returns the names of both."""
        restarted = set(self._supervisor.update(wanted)) - {GUARD}
        started = set(self._supervisor.start_ended()) - restarted
        for what, names in (("restarted", restarted), ("started", started)):
            for name in sorted(names):
                self._say(f"{what} {name}")
        return restarted | started

    def _still_loaded(self, digests: dict[str, str]) -> set[str]:
        """The parts that have loaded these files; the others count as not loaded until `_load` has succeeded."""
        applied = json.loads(self._state.applied.read_text()) if self._state.applied.exists() else {}
        same = {name: digest for name, digest in applied.items() if digests.get(name) == digest}
        write(self._state.applied, json.dumps(same))
        return set(same)

    def _load(self, digests: dict[str, str], loaded: set[str]) -> None:
        """Have the parts load their files that have not; what an interrupted or refused one leaves, the next does."""
        for name in RELOADABLE:
            if name not in loaded:
                self._reload(name)
        write(self._state.applied, json.dumps({name: digests[name] for name in RELOADABLE}))

    def _reload(self, name: str) -> None:
        answer = httpx.post(f"{self.ports.url(name)}/-/reload", timeout=10)
        if answer.is_error:
            raise RehearsalError(
                f"{name} refused its new configuration, and keeps the old one: {answer.text.strip()}; "
                f"its log is {self._state.logs / name}.log. After a correction: make up"
            )
        self._say(f"reloaded {name}")

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        self._say(f"{what} …")
        yield
        self._say(f"{what}: {time.monotonic() - started:.1f} s")

    def down(self) -> bool:
        """Stop everything; data stays. Returns whether anything was running."""
        if not self._state.root.exists():
            return False
        with self._state.exclusive("down"):
            return self._stop()

    def clean(self) -> None:
        """Stop everything and remove the state directory."""
        if not self._state.root.exists():
            return
        with self._state.exclusive("clean"):
            self._stop()
            shutil.rmtree(self._state.root)

    def _stop(self) -> bool:
        was_running = self._supervisor.running
        self._supervisor.stop()
        self._state.ready.unlink(missing_ok=True)
        return was_running

    def status(self) -> list[Report]:
        """Every process and whether it works; empty if the rehearsal is down."""
        processes = [process for process in self._supervisor.processes() if process.name != GUARD]
        if not processes:
            return []
        wanted = {item.name: item for item in self._programs()}
        return [
            Report(process, process.running and (process.name not in wanted or health.healthy(wanted[process.name])))
            for process in processes
        ]

    def _programs(self) -> list[Program]:
        always = programs(self._state, self.ports, self.catalogue, self.dialect)
        return [*always, grafana.program(self._state, self.ports)] if self.grafana else always

    def fault(self, kind: str, service: str) -> None:
        """Break one service: `down` stops it, `errors` fails a third of its requests, `latency` adds 0.8 s."""
        self._must_run()
        _must_be_service(service)
        if kind == "down":
            self._supervisor.stop_program(service)
        else:
            fault = {"errors": {"errors": 0.33}, "latency": {"latency_ms": 800}}[kind]
            httpx.post(f"{self.ports.url(service)}/_fault", json=fault, timeout=5).raise_for_status()

    def heal(self) -> list[str]:
        """Undo every fault; returns the processes that were started."""
        self._must_run()
        started = self._supervisor.start_ended()
        running = {item.name for item in self._supervisor.processes() if item.running}
        for service in sorted(SERVICES.keys() & running):
            httpx.post(f"{self.ports.url(service)}/_fault", json={}, timeout=5).raise_for_status()
        wanted = self._programs() if started else []
        health.wait_for_processes((item for item in wanted if item.name in started), self._state)
        return started

    def _must_run(self) -> None:
        if not self._supervisor.running:
            raise RehearsalError("the rehearsal is not running; start it with: make up")


def _must_be_service(service: str) -> None:
    if service not in SERVICES:
        raise RehearsalError(f"SERVICE={service}: expected one of {', '.join(SERVICES)}")


def _refuse(taken: dict[str, int]) -> None:
    if taken:
        listed = ", ".join(f"{port} ({name})" for name, port in taken.items())
        raise RehearsalError(
            f"ports in use on this machine: {listed}. Stop what listens there, or move every port: "
            "make up PORT_OFFSET=10000"
        )
