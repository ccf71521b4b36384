"""Starts, watches and stops the rehearsal's processes, through supervisord.

Nothing outlives it: every process asks the kernel to be killed with its parent, and the supervisor itself ends with
the command that started it unless that command has declared the rehearsal ready.
"""

from __future__ import annotations

import configparser
import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from supervisor.xmlrpc import Faults, SupervisorTransport

from facts import ROOT
from local.errors import RehearsalError
from local.processes import alive
from local.program import Program
from local.state import State

_START_SECONDS = 10
STOP_SECONDS = 10
"""What a process has to end by itself; then it is killed."""
_ALL_STOP_SECONDS = 3 * STOP_SECONDS
_ENDED = frozenset({"STOPPED", "EXITED", "FATAL"})
"""States that a process does not leave by itself."""
_SOCKET_PATH_LIMIT = 100
"""The kernel allows 108 bytes for a socket's path, with what supervisord appends."""


@dataclass(frozen=True)
class Process:
    """What the supervisor knows of one process."""

    name: str
    running: bool
    state: str
    pid: int

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop, as by `make fault`; what crashes has ended otherwise."""
        return self.state == "STOPPED"


class NoSupervisorError(RehearsalError):
    """Nothing answers: the supervisor does not run."""


class Supervisor:
    """The supervisor of one state directory; it may or may not be running."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._file = state.root / "supervisord.conf"
        self._pid_file = state.root / "supervisord.pid"
        self._socket = _socket(state)

    @property
    def running(self) -> bool:
        """Whether the supervisor answers, and is not about to end."""
        try:
            self._call("getState")
        except RehearsalError:
            return False
        return True

    def start(self, programs: Iterable[Program]) -> None:
        """Start the supervisor with every program. Raises RehearsalError with its log if it does not come up."""
        self._write(programs)
        log = self._state.logs / "supervisord.log"
        command = [sys.executable, "-m", "supervisor.supervisord", "--configuration", str(self._file)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        deadline = time.monotonic() + _START_SECONDS
        while done.returncode == 0 and time.monotonic() < deadline:
            if self.running:
                return
            time.sleep(0.05)
        raise RehearsalError(f"the supervisor did not start: {done.stderr.strip() or log}")

    def update(self, programs: Iterable[Program]) -> list[str]:
        """Start what is new, stop what is gone, restart what changed; returns the names of these."""
        self._write(programs)
        added, changed, removed = self._call("reloadConfig")[0]
        for name in (*changed, *removed):
            self._call("stopProcessGroup", name)
            self._call("removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("addProcessGroup", name)
        return [*added, *changed, *removed]

    def start_ended(self) -> list[str]:
        """Start every process that was stopped or has been given up; returns their names."""
        ended = [item.name for item in self.processes() if item.state in _ENDED and item.name != GUARD]
        for name in ended:
            self.start_program(name)
        return ended

    def processes(self) -> list[Process]:
        """Every process and its state; empty if the supervisor is not running."""
        if not self.running:
            return []
        return [
            Process(info["name"], info["statename"] == "RUNNING", info["statename"], info["pid"])
            for info in self._call("getAllProcessInfo")
        ]

    @property
    def given_up(self) -> set[str]:
        """The processes that ended each time that they were started, and are not started any more."""
        return {item.name for item in self.processes() if item.state == "FATAL"}

    def log(self, name: str) -> Path:
        """The output of a process."""
        return self._state.logs / f"{name}.log"

    def start_program(self, name: str) -> None:
        """Start one process, unless it runs or is about to."""
        self._call("startProcess", name, False, done=Faults.ALREADY_STARTED)

    def stop_program(self, name: str) -> None:
        """Stop one process, and keep it stopped."""
        self._call("stopProcess", name, done=Faults.NOT_RUNNING)

    def send(self, name: str, signal: str) -> None:
        """Send one process a signal, such as HUP."""
        self._call("signalProcess", name, signal)

    def stop(self) -> None:
        """Stop every process and the supervisor, and wait until they are gone."""
        try:
            self._call("shutdown", done=Faults.SHUTDOWN_STATE)
            pid = int(self._pid_file.read_text())
        except (FileNotFoundError, NoSupervisorError):
            return
        deadline = time.monotonic() + _ALL_STOP_SECONDS
        while alive(pid):
            if time.monotonic() > deadline:
                raise RehearsalError(f"the supervisor (process {pid}) did not stop within {_ALL_STOP_SECONDS} s")
            time.sleep(0.05)

    def _call(self, method: str, *arguments: Any, done: int | None = None) -> Any:
        """Call the supervisor. The fault `done` says that what was asked for is so already.

        Raises RehearsalError for other faults, and NoSupervisorError if nothing answers.
        """
        transport = SupervisorTransport(serverurl=f"unix://{self._socket}")
        try:
            with xmlrpc.client.ServerProxy("http://supervisor", transport=transport) as proxy:
                return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == done:
                return None
            where = self._state.logs / "supervisord.log"
            raise RehearsalError(f"supervisor: {method}: {fault.faultString}; its log is {where}") from None
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise NoSupervisorError(f"the supervisor does not answer: {error}; start it with: make up") from None

    def _write(self, programs: Iterable[Program]) -> None:
        parser = configparser.RawConfigParser()
        socket = str(self._socket)
        parser["unix_http_server"] = {"file": socket, "chmod": "0600"}
        parser["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        parser["supervisord"] = {
            "logfile": str(self._state.logs / "supervisord.log"),
            "pidfile": str(self._pid_file),
            "childlogdir": str(self._state.logs),
            "directory": str(ROOT),
            "identifier": str(self._state.root),
        }
        for priority, program in enumerate([_guard(self._state), *programs], 1):
            parser[f"program:{program.name}"] = self._section(program, priority)
        with self._file.open("w") as file:
            parser.write(file)

    def _section(self, program: Program, priority: int) -> dict[str, str]:
        environment = program.environment | {"CONFIGURATION": program.restart_on, "PYTHONUNBUFFERED": "1"}
        return {
            "command": _quoted([*_dies_with_parent(), *program.command]),
            "directory": str(self._state.root if program.name in _BINARIES else ROOT),
            "environment": ",".join(f'{key}="{_escape(value)}"' for key, value in environment.items()),
            "priority": str(priority),
            "autorestart": "unexpected" if program.name == GUARD else "true",
            "startsecs": "0" if program.name == GUARD else "1",
            "startretries": "5",
            "stopwaitsecs": str(STOP_SECONDS),
            "stopasgroup": "true",
            "killasgroup": "true",
            "stdout_logfile": str(self.log(program.name)),
            "redirect_stderr": "true",
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": "1",
        }


GUARD = "launch-guard"
_BINARIES = frozenset({"prometheus", "alertmanager", "loki", "log-agent", "redis"})


def _guard(state: State) -> Program:
    """Ends the supervisor if the command that starts the rehearsal dies before it is ready."""
    return Program(GUARD, [sys.executable, "-m", "rehearsal.guard", str(os.getpid()), str(state.ready)])


def _dies_with_parent() -> list[str]:
    """A prefix that has the kernel kill the process when the supervisor dies (Linux; elsewhere nothing)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []


def _quoted(command: list[str]) -> str:
    """For supervisord, which splits like a shell and expands %(…)s."""
    return _escape(" ".join(f'"{part}"' for part in command))


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _socket(state: State) -> Path:
    path = state.root / "supervisor.sock"
    if len(str(path)) < _SOCKET_PATH_LIMIT:
        return path
    digest = hashlib.sha256(str(path).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"order-processor-monitoring-{os.getuid()}-{digest}.sock"
