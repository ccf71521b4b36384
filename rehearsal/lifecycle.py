"""Says how the rehearsal is, breaks and repairs it, and takes it down; `rehearsal.deployment` brings it up.

The commands that do this are typed by hand, again and again: nothing here imports the program or Pulumi.
"""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

import yaml

from facts import ROOT
from invalid import one_of
from local.errors import RehearsalError
from local.ports import SERVICES, Ports, choose
from local.state import State, in_use
from rehearsal import grafana, health, jaeger, speed
from rehearsal.supervisor import GUARD, Process, Supervisor
from simulation import dialect, redis

HEALED, STARTED = "all healed", ": started by make up"
"""What is noted at the end of faults."""
STACK = "dev"
"""The stack that is rehearsed."""
_SERVICES = "services.yaml"


@dataclass(frozen=True)
class Report:
    """One line of `status`."""

    process: Process
    healthy: bool


class Rehearsal:
    """One rehearsal: a state directory, a set of ports, a dialect of the services, and the speed of its time.

    None stands for those in use, or else for the well-known ports, the package's dialect and real time. `rate` is how
    many steps customers take in a second from the start on, if not the usual number. With `with_grafana` there is a
    Grafana too, and with `with_traces` the services send spans, which are kept; both stay until `down`.
    """

    def __init__(
        self,
        state: State,
        ports: Ports | None = None,
        speak: str | None = None,
        *,
        pace: int | None = None,
        rate: float | None = None,
        with_grafana: bool | None = None,
        with_traces: bool | None = None,
    ) -> None:
        self.state = state
        self.rate = rate
        self.supervisor = Supervisor(state)
        self._asked, self._speak, self._pace = ports, speak, pace
        self._with_grafana, self._with_traces = with_grafana, with_traces

    @cached_property
    def ports(self) -> Ports:
        """The ports of what runs, or else those to start with. Raises RehearsalError if others were asked for."""
        running = self.supervisor.running and self.state.offset.exists()
        return choose(self._asked, Ports(int(self.state.offset.read_text())) if running else None)

    @cached_property
    def dialect(self) -> str:
        """The dialect asked for, or else that of what runs."""
        running = self.supervisor.running and self.state.dialect.exists()
        return dialect.choose(self._speak, self.state.dialect.read_text() if running else None)

    @cached_property
    def speed(self) -> int:
        """The speed of what runs, or else the one to start with. Raises RehearsalError if another was asked for."""
        running = self.supervisor.running and self.state.speed.exists()
        return speed.choose(self._pace, int(self.state.speed.read_text()) if running else None)

    @cached_property
    def grafana_runs(self) -> bool:
        """Whether there is a Grafana now."""
        return self._runs(grafana.NAME)

    @property
    def grafana(self) -> bool:
        """Whether there is a Grafana, or is to be one. Raises RehearsalError if one runs and none was asked for."""
        return _added("GRAFANA", self._with_grafana, runs=self.grafana_runs)

    @cached_property
    def traces_run(self) -> bool:
        """Whether traces are kept now."""
        return self._runs(jaeger.NAME)

    @property
    def traces(self) -> bool:
        """Whether traces are kept, or are to be. Raises RehearsalError if they are and were not to be."""
        return _added("TRACES", self._with_traces, runs=self.traces_run)

    def _runs(self, name: str) -> bool:
        return any(process.name == name for process in self.supervisor.processes())

    def down(self) -> bool:
        """Stop everything; data stays. Returns whether anything was running."""
        if not self.state.root.exists():
            return False
        with self.state.exclusive("down"):
            return self._stop()

    def clean(self) -> None:
        """Stop everything and remove the state directory."""
        if not self.state.root.exists():
            return
        with self.state.exclusive("clean"):
            self._stop()
            shutil.rmtree(self.state.root)

    def _stop(self) -> bool:
        was_running = self.supervisor.running
        self.supervisor.stop()
        self.state.ready.unlink(missing_ok=True)
        return was_running

    def status(self) -> list[Report]:
        """Every process and whether it works; empty if the rehearsal is down."""
        processes = [process for process in self.supervisor.processes() if process.name != GUARD]
        return [Report(process, process.running and health.healthy(process.name, self.ports)) for process in processes]

    def fault(self, kind: str, service: str) -> None:
        """Break one service: `down` stops it, `errors` fails a third of its requests, `latency` adds 0.8 s.

        Redis can be down, too, and those who use it then behave as without it.
        """
        self._must_run()
        processes = self.supervisor.processes()
        _must_be_breakable(kind, service, {item.name for item in processes})
        if any(item.name == service and item.stopped for item in processes):
            raise RehearsalError(f"{service} is down already; make heal starts it")
        if (kind, service) == ("down", redis.NAME):
            self.supervisor.stop_program(redis.NAME)
            for user in redis.USERS:
                health.post(f"{self.ports.url(user)}/_fault", {"redis_away": 1})
        elif kind == "down":
            self.supervisor.stop_program(service)
        else:
            fault = {"errors": {"errors": 0.33}, "latency": {"latency_ms": 800}}[kind]
            health.post(f"{self.ports.url(service)}/_fault", fault)
        self.note(f"{service}: {kind}")

    def heal(self) -> list[str]:
        """Undo every fault; returns the processes that were started."""
        self._must_run()
        started = self.supervisor.start_ended()
        running = {item.name for item in self.supervisor.processes() if item.running}
        for service in sorted(SERVICES.keys() & running):
            health.post(f"{self.ports.url(service)}/_fault", {})
        self.note(HEALED)
        health.wait_for_processes(started, self.ports, self.supervisor)
        return started

    def faults(self) -> list[tuple[float, str]]:
        """What `fault` and `heal` did, with the Unix time at which it was done, oldest first."""
        lines = self.state.faults.read_text().splitlines() if self.state.faults.exists() else []
        return [(noted["at"], noted["what"]) for noted in map(json.loads, lines)]

    def broken(self) -> list[str]:
        """The faults that have not been undone, each once, oldest first."""
        found: dict[str, None] = {}
        for _, what in self.faults():
            if what == HEALED:
                found.clear()
            elif what.endswith(STARTED):
                found.pop(f"{what.removesuffix(STARTED)}: down", None)
            else:
                found[what] = None
        return list(found)

    def note(self, what: str) -> None:
        """Keep what was done to the services for the page of an incident."""
        with self.state.faults.open("a") as file:
            file.write(json.dumps({"at": time.time(), "what": what}) + "\n")

    def _must_run(self) -> None:
        if not self.supervisor.running:
            raise RehearsalError("the rehearsal is not running; start it with: make up")


def _added(variable: str, asked: bool | None, *, runs: bool) -> bool:
    """Whether what a variable of 1 or 0 adds is there, or is to be. Raises RehearsalError if 0 is asked and it runs."""
    return bool(in_use(variable, None if asked is None else int(asked), 1 if runs else None, otherwise=0))


def _must_be_breakable(kind: str, service: str, processes: Collection[str]) -> None:
    names = re.findall(r"[^,\s]+", service)
    if len(names) > 1:
        calls = ", then ".join(f"make fault KIND={kind} SERVICE={name}" for name in names)
        raise RehearsalError(f"SERVICE={service}: expected one service; break one at a time: {calls}")
    simulated = [*SERVICES, redis.NAME]
    known = [name for name in simulated if name in processes and (kind == "down" or name != redis.NAME)]
    if service in known:
        return
    if service in simulated and service in processes:
        why = "can only be down: KIND=down"
    elif service in simulated:
        why = f"does not run: Pulumi.{STACK}.yaml names it under absentServices, or {_SERVICES} does not have it"
    elif service in processes:
        why = "runs, but is not a service, and make fault breaks no other process"
    elif _in_catalogue(service):
        why = (
            f"stands in {_SERVICES}, but nothing simulates it, so that it does not run and cannot be broken "
            '(CONTRIBUTING.md, "Adding a service", says how to simulate one)'
        )
    else:
        raise RehearsalError(f"SERVICE={service}: expected {one_of(known, service)}")
    raise RehearsalError(f"SERVICE={service}: {why}; expected one of {', '.join(known)}")


def _in_catalogue(name: str) -> bool:
    """Whether a service of this name, or one that it depends on, stands in the file: its types take long to import.

    Nothing stands in a file that is not valid; `make up` says why it is not.
    """
    try:
        services = yaml.load((ROOT / _SERVICES).read_bytes(), Loader=yaml.CSafeLoader)["services"]
        return any(name in (each["name"], *each.get("requires", ()), *each.get("uses", ())) for each in services)
    except (OSError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        return False
