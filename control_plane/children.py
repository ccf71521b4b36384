"""Child processes that end with this one, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from local.errors import RehearsalError

_LAST_LINES = 5

_IF_OWNED = '[ "$PPID" = "$0" ] && exec "$@"'
"""Starts a command unless the owner ended before the kernel was told to end the process with it."""


class Children:
    """Processes without data worth keeping: killed at the end, and by the kernel if this process is killed."""

    def __init__(self, logs: Path) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Children:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for name in list(self._processes):
            self.stop(name)

    def start(
        self, name: str, command: Iterable[str | Path], environment: dict[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a process in a session of its own, out of reach of the terminal's Ctrl-C; `<name>.log` gets its output.

        The kernel ends it with the thread that calls this.
        """
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "--", "sh", "-c", _IF_OWNED, str(os.getpid()), *command],
                env=os.environ | (environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes[name] = process
        return process

    def stop(self, name: str) -> None:
        """End a process at once; it may have ended already."""
        process = self._processes.pop(name)
        process.kill()
        process.wait()

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a process a signal."""
        self._processes[name].send_signal(number)

    def log(self, name: str) -> Path:
        """The file with a process' output."""
        return self._logs / f"{name}.log"

    def check(self) -> None:
        """Raise RehearsalError, with the last lines of its log, if a process has ended by itself."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                lines = self.log(name).read_text(errors="replace").splitlines()[-_LAST_LINES:]
                raise RehearsalError("\n".join([f"{name} has ended with {process.returncode}:", *lines]))
