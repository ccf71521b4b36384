"""Brings the rehearsal up: deploys the dev stack with the real engine, and starts what the deployed objects say."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import catalogue as catalogues
import inputs
from catalogue import Catalogue, Service
from engine import rule_files, toolchain
from engine.configuration import Aside
from engine.operations import Engine
from facts import ROOT
from invalid import InvalidInputError
from local import interruption
from local.errors import RehearsalError
from local.ports import SERVICES, TRACES
from local.program import Program
from local.state import write
from rehearsal import grafana, health, jaeger
from rehearsal.channels import channel_secrets, links
from rehearsal.derive import derive
from rehearsal.lifecycle import HEALED, STACK, STARTED, Rehearsal
from rehearsal.programs import programs
from rehearsal.reload import RELOADABLE, reload
from rehearsal.supervisor import GUARD
from settings import KEY, parse, read_config
from simulation import dialect

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
    "promtool",
]
HEARTBEAT_AGE_SECONDS = 120
"""The heartbeat comes every half minute; an older one is no sign of life."""

PROGRESS_RESOURCES = 20
"""After how many resources a deployment says how far it is."""
_DONE = re.compile(r" (?:created|updated|replaced|deleted) \([\d.]+")

Say = Callable[[str], None]


class Deployment:
    """The dev stack in one rehearsal, with these settings in place of its own."""

    def __init__(
        self, rehearsal: Rehearsal, say: Say, settings: Mapping[str, Any] | None = None, *, verbose: bool = False
    ) -> None:
        """With `verbose` a first deployment shows each resource, and a later one all that it changes; a file has it."""
        self._rehearsal, self._say, self._settings, self._verbose = rehearsal, say, settings or {}, verbose
        self._state, self._supervisor = rehearsal.state, rehearsal.supervisor

    @cached_property
    def catalogue(self) -> Catalogue:
        """The service catalogue, as the deployed program sees it: without what nothing simulates."""
        return self._known.of_stack(parse(self._stack | self._overrides))

    @cached_property
    def _known(self) -> Catalogue:
        return catalogues.load(ROOT / "services.yaml")

    @property
    def _file(self) -> Path:
        return ROOT / f"Pulumi.{STACK}.yaml"

    @cached_property
    def _stack(self) -> dict[str, Any]:
        """The stack's settings as they stand in its file."""
        found = read_config(self._file).get(KEY)
        if not isinstance(found, dict):
            parse(found, file=self._file)  # which refuses it
        return dict(found or {})

    @cached_property
    def _overrides(self) -> dict[str, Any]:
        """What is deployed in place of it."""
        names = _names(self._known.services)
        own = parse({**self._stack, **self._settings}, file=self._file).absent_services
        absent = sorted({*own, *self.not_simulated})
        needed = sorted({"gateway", "auth-service", "user-service"}.intersection(own))
        if needed:
            raise RehearsalError(
                f"absentServices names {', '.join(needed)}, without which no user of the simulated application can log "
                f"in; take it out of Pulumi.{STACK}.yaml for a rehearsal"
            )
        instrumented = {"instrumentedServices": dialect.instrumented(self._rehearsal.dialect, names)}
        reachable = {"links": links(self._rehearsal.ports, grafana=self._rehearsal.grafana)}
        return {**reachable, **self._settings, **instrumented, **({"absentServices": absent} if absent else {})}

    @property
    def not_simulated(self) -> list[str]:
        """Services of the catalogue that no program plays."""
        return [name for name in _names(self._known.services) if name not in SERVICES]

    def up(self) -> None:
        """Deploy the dev stack, start what does not run, and return once all of it works.

        Raises RehearsalError, and leaves nothing running that did not run before.
        """
        with self._state.exclusive("up"):
            self._state.make()
            try:
                self._up()
            except InvalidInputError as error:
                raise RehearsalError(f"the input is not valid; nothing was deployed:\n{error}") from None

    def _up(self) -> None:
        was_running = self._supervisor.running and self._state.ready.exists()
        if not was_running:
            self._supervisor.stop()  # what a killed `up` left, before its guard does
            self._state.ready.unlink(missing_ok=True)
        ports, pace = self._rehearsal.ports, self._rehearsal.speed
        if not was_running:
            _refuse(ports.taken())
        self._prepare_additions()
        for line in self._changing() if was_running else ():
            self._say(line)
        inputs.read(ROOT, STACK, self._settings)  # tools take minutes to build, and what is wrong is wrong now
        toolchain.build([*NEEDED_TOOLS, *([jaeger.NAME] if self._rehearsal.traces else [])])
        rule_files.check(ROOT / "alerts")
        with self._timed(f"pulumi up --stack {STACK} (the real CLI, stand-in providers)"):
            self._deploy()
        digests = derive(self._state, ports, self.catalogue, toolchain.tool("operatorconfig"), pace)
        if self._rehearsal.grafana:
            grafana.provision(self._state, ports)
        loaded = self._still_loaded(digests)
        wanted = self._programs()
        write(self._state.dialect, self._rehearsal.dialect)
        write(self._state.speed, str(pace))
        since = time.time() - (HEARTBEAT_AGE_SECONDS if was_running else 0)
        try:
            fresh = self._update(wanted) if was_running else self._start(wanted)
            # Before services answer in another dialect: what is no target any more must not be seen down first.
            health.wait_for_processes(RELOADABLE, ports, self._supervisor)
            self._load(digests, loaded | fresh)
            with self._timed("processes healthy"):
                health.wait_for_processes([item.name for item in wanted], ports, self._supervisor)
            with self._timed("targets up"):
                health.wait_for_targets(ports, _names(self.catalogue.measured), _names(self.catalogue.services))
            with self._timed("heartbeat received"):
                health.wait_for_heartbeat(ports, since)
            interruption.check()
        except BaseException:
            if not was_running:
                self._say("stopping what was started")
                self._supervisor.stop()
            raise
        self._state.ready.touch()

    def _prepare_additions(self) -> None:
        ports = self._rehearsal.ports
        if self._rehearsal.grafana and not self._rehearsal.grafana_runs:
            grafana.prepare()
            _refuse(ports.taken([grafana.NAME]))
        if self._rehearsal.traces and not self._rehearsal.traces_run:
            self._must_trace()
            _refuse(ports.taken(TRACES))

    def _changing(self) -> Iterator[str]:
        """What is asked of a rehearsal that runs otherwise, what that does, and how to go back."""
        of = self._rehearsal
        before = self._state.dialect.read_text()
        if of.dialect != before:
            yield (
                f"DIALECT={of.dialect}: the rehearsal runs with DIALECT={before}; the services and the load restart. "
                f"To go back: make up DIALECT={before}"
            )
        if of.traces and not of.traces_run:
            yield "TRACES=1: Jaeger starts, and the services restart to send spans. To go back: make down"
        if of.grafana and not of.grafana_runs:
            yield "GRAFANA=1: Grafana starts, and the links of messages lead to it. To go back: make down"

    def _must_trace(self) -> None:
        if parse(self._stack | self._overrides).tracing is None:
            raise RehearsalError(
                f"TRACES=1: Pulumi.{STACK}.yaml has no section tracing, so that no traces are kept; add "
                "`tracing: {}`, or leave TRACES=1 out"
            )

    def _secrets(self) -> dict[str, str]:
        return channel_secrets(self._state, self._rehearsal.ports)

    def _deploy(self) -> None:
        if self.not_simulated:
            self._say(f"left out, as nothing simulates it: {', '.join(self.not_simulated)}")
        known = (self._state.cluster / "Release").exists()
        engine = Engine(ROOT, self._state.root, Aside({KEY: self._overrides}, self._secrets()))
        kept = self._state.logs / "pulumi-up.log"
        with kept.open("w") as file:
            show = until_error(self._say) if self._verbose else self._progress("changed" if known else "created")

            def take(line: str) -> None:
                print(line, file=file)
                show(line)

            changes = engine.up(STACK, on_output=take, diff=known)  # the first time everything is new
        for warning in changes.warnings if not self._verbose else ():
            self._say(f"warning: {warning}")
        self._say(f"resources: {', '.join(f'{count} {name}' for name, count in changes.counts.items())}")
        if known and changes.changed:
            self._say(f"  what changed is in {kept}")

    def _progress(self, what: str) -> Say:
        """Takes each line of a deployment, and reports how far it is; errors and warnings come by themselves."""
        done = 0

        def count(line: str) -> None:
            nonlocal done
            if _DONE.search(line):
                done += 1
                if done % PROGRESS_RESOURCES == 0:
                    self._say(f"  {done} resources {what}")

        return count

    def _programs(self) -> list[Program]:
        ports = self._rehearsal.ports
        of = self._rehearsal
        always = programs(self._state, ports, self.catalogue, of.dialect, of.speed, of.rate, traces=of.traces)
        return [*always, grafana.program(self._state, ports, runs=of.grafana_runs)] if of.grafana else always

    def _start(self, wanted: list[Program]) -> set[str]:
        """Start everything; returns the names. In faster time the services start too slowly for Prometheus to watch."""
        write(self._state.offset, str(self._rehearsal.ports.offset))
        if self._rehearsal.broken():
            self._rehearsal.note(HEALED)  # with the processes that they were in
        if self._rehearsal.speed > 1:
            watched = [item for item in wanted if item.name != "prometheus"]
            self._supervisor.start(watched)
            health.wait_for_processes([item.name for item in watched], self._rehearsal.ports, self._supervisor)
            self._supervisor.update(wanted)
        else:
            self._supervisor.start(wanted)
        return {item.name for item in wanted}

    def _update(self, wanted: list[Program]) -> set[str]:
        """Start what does not run, and restart what reads its changed files only then; returns the names of both."""
        stopped = {item.name for item in self._supervisor.processes() if item.stopped}
        restarted = set(self._supervisor.update(wanted)) - {GUARD}
        started = set(self._supervisor.start_ended()) - restarted
        for what, names in (("restarted", restarted), ("started", started)):
            for name in sorted(names):
                self._say(f"{what} {name}" + (", which make fault had stopped" if name in stopped else ""))
                if name in stopped:
                    self._rehearsal.note(f"{name}{STARTED}")
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
        reload(name, self._rehearsal.ports, self._supervisor)
        self._say(f"reloaded {name}")

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        started = time.monotonic()
        self._say(f"{what} …")
        yield
        self._say(f"{what}: {time.monotonic() - started:.1f} s")


def until_error(say: Say) -> Say:
    """Takes each line of the engine, and says it up to the first error: that comes by itself, with all others."""
    failed = False

    def show(line: str) -> None:
        nonlocal failed
        failed = failed or line.startswith("error:")
        if not failed:
            say(line)

    return show


def _refuse(taken: dict[str, int]) -> None:
    if taken:
        listed = ", ".join(f"{port} ({name})" for name, port in taken.items())
        raise RehearsalError(
            f"ports in use on this machine: {listed}. Stop what listens there, or move every port: "
            "make up PORT_OFFSET=10000"
        )


def _names(services: Iterable[Service]) -> list[str]:
    return [service.name for service in services]
