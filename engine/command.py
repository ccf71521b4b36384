"""The CLI as a process: started in an environment of its own, and stopped with the process that started it."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

OnOutput = Callable[[str], None]

_GRACE = 10.0
"""Seconds that an interrupted engine has to finish what it is doing."""


class CommandError(Exception):
    """A command failed; the message is what it wrote to standard error."""


class Command:
    """Runs the binary with exactly the environment it is given, nothing of the user's."""

    def __init__(self, binary: Path, environment: Mapping[str, str]) -> None:
        self.held: tuple[int, ...] = ()
        """Descriptors that the processes keep open as long as they run, such as that of a locked file."""
        self._binary, self._environment = binary, environment

    def run(self, arguments: list[str], cwd: Path, text: str = "", on_output: OnOutput | None = None) -> str:
        """Run one command to its end with `text` as standard input; returns its standard output.

        Raises CommandError if it fails. An interrupt is passed on, and the engine has the time to leave its state in
        order.
        """
        process = subprocess.Popen(
            [str(self._binary), "--non-interactive", *arguments],
            cwd=cwd,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            pass_fds=self.held,
            start_new_session=True,  # the terminal's Ctrl-C reaches the engine once, through us
        )
        assert process.stdin is not None  # noqa: S101 - for the type checker
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        output, errors = _Reader(process.stdout, on_output), _Reader(process.stderr, on_output)
        try:
            with process.stdin as stdin:
                stdin.write(text)
            process.wait()
        except BaseException:
            _stop(process)
            raise
        if process.returncode:
            raise CommandError(errors.text().strip() or output.text())
        return output.text()


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_GRACE)
    except BaseException:
        process.kill()
        raise


class _Reader(threading.Thread):
    """Reads one stream to its end, line by line."""

    def __init__(self, stream: IO[str], on_line: OnOutput | None) -> None:
        super().__init__(daemon=True)
        self._stream, self._on_line = stream, on_line
        self._lines: list[str] = []
        self.start()

    def run(self) -> None:
        """Read; called by the thread."""
        with self._stream:
            for line in self._stream:
                self._lines.append(line.rstrip())
                if self._on_line:
                    self._on_line(self._lines[-1])

    def text(self) -> str:
        """All lines, once the stream has ended."""
        self.join()
        return "\n".join(self._lines)
