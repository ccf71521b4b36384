"""A stand-in for the container runtime: `python -m simulation.application.container --log DIR/0.log -- COMMAND...`.

Runs the command and writes each line of its output as a CRI log line, `<RFC 3339 time> <stream> <F|P> <text>`, longer
lines in parts of 16 KiB. Rotates by size as the kubelet does, to `0.log.YYYYmmdd-HHMMSS`, but compresses nothing.
SIGTERM goes on to the command; when it has ended and all its output is written, its exit code is ours.
It isolates nothing, and says nothing about a real runtime's back-pressure or restarts.
"""

from __future__ import annotations

import ctypes
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns

import click

PART_BYTES = 16 * 1024  # the longest text of one CRI line
READ_BYTES = 64 * 1024
MAX_SIZE, MAX_FILES = 10 * 1024 * 1024, 5  # the kubelet's defaults
GRACE_SECONDS = 0.2  # for output still on its way when the command has ended but something else holds its pipes
PR_SET_PDEATHSIG = 1  # prctl(2)


class CriLog:
    """The log file of one container: appends lines, rotates between two of them beyond `max_size` bytes."""

    def __init__(self, path: Path, max_size: int, max_files: int) -> None:
        self.path, self.max_size, self.max_files = path, max_size, max_files
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = path.open("ab", buffering=0)

    def write(self, stream: str, tag: str, text: bytes) -> None:
        """Append one line; a reader sees it at once. `tag` is F for a full line, or its end, and P for a part."""
        self.file.write(f"{_timestamp()} {stream} {tag} ".encode() + text + b"\n")
        if tag == "F" and self.file.tell() > self.max_size:
            self._rotate()

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def rotated_name(self) -> str:
        """Return what the file is called after a rotation now."""
        return f"{self.path}.{datetime.now(UTC):%Y%m%d-%H%M%S}"

    def _rotate(self) -> None:
        rotated = Path(self.rotated_name())
        if rotated.exists():  # twice within a second: grow a little longer instead of overwriting it
            return
        self.path.rename(rotated)
        self.file.close()
        self.file = self.path.open("ab", buffering=0)
        older = sorted(self.path.parent.glob(f"{self.path.name}.*"))
        for file in older[: max(0, len(older) - (self.max_files - 1))]:
            file.unlink()


def _timestamp() -> str:
    seconds, nanoseconds = divmod(time_ns(), 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


class Stream:
    """Cuts what a command writes to one stream into CRI lines."""

    def __init__(self, name: str, log: CriLog) -> None:
        self.name, self.log = name, log
        self.pending = b""

    def feed(self, data: bytes) -> None:
        """Take more output; write the lines and parts that are complete."""
        self.pending += data
        while True:
            line, newline, rest = self.pending.partition(b"\n")
            if len(line) > PART_BYTES:
                self._write("P", PART_BYTES)
            elif newline:
                self.log.write(self.name, "F", line)
                self.pending = rest
            else:
                return

    def close(self) -> None:
        """Write a last line that had no newline."""
        if self.pending:
            self._write("F", PART_BYTES)

    def _write(self, tag: str, size: int) -> None:
        self.log.write(self.name, tag, self.pending[:size])
        self.pending = self.pending[size:]


def run(command: Sequence[str], log: CriLog) -> int:
    """Run the command, keep its output, and return its exit code (128 + signal when a signal ended it)."""
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: child.terminate())
    _keep_output(child, log)
    code = child.wait()
    return code if code >= 0 else 128 - code


def _keep_output(child: subprocess.Popen[bytes], log: CriLog) -> None:
    """Write the command's output until both its pipes are closed, or it has ended and they have fallen silent."""
    with selectors.DefaultSelector() as selector:
        _wake_on_child_exit(selector)
        for pipe, name in ((child.stdout, "stdout"), (child.stderr, "stderr")):
            if pipe is not None:
                selector.register(pipe, selectors.EVENT_READ, Stream(name, log))
        while len(selector.get_map()) > 1:  # more than the wake-up
            ready = selector.select(None if child.poll() is None else GRACE_SECONDS)
            if not ready:
                break
            for key, _ in ready:
                _take(key, selector)
        for key in selector.get_map().values():
            if key.data is not None:
                key.data.close()


def _take(key: selectors.SelectorKey, selector: selectors.BaseSelector) -> None:
    data = os.read(key.fd, READ_BYTES)
    if key.data is None:  # the wake-up: it has done its work
        return
    key.data.feed(data)
    if not data:
        key.data.close()
        selector.unregister(key.fileobj)


def _wake_on_child_exit(selector: selectors.BaseSelector) -> None:
    """Register a pipe that becomes readable whenever a child ends."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    selector.register(reader, selectors.EVENT_READ)


def die_with_parent() -> Callable[[], None] | None:
    """Return what makes a child die when this process is killed; None where the system cannot do that."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def in_child() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # killed before the line above
            os._exit(1)

    return in_child


@click.command(help=__doc__, options_metavar="[OPTIONS] --")
@click.option("--log", "path", type=click.Path(path_type=Path), required=True, help="The log file.")
@click.option("--max-size", default=MAX_SIZE, show_default=True, metavar="BYTES", help="Rotate beyond it.")
@click.option("--max-files", default=MAX_FILES, show_default=True, metavar="N", help="Keep so many.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def main(path: Path, max_size: int, max_files: int, command: Sequence[str]) -> None:
    """Run the command and exit as it does."""
    try:
        with closing(CriLog(path, max_size, max_files)) as log:
            code = run(command, log)
    except OSError as error:
        raise SystemExit(f"error: {error.filename or path}: {error.strerror}") from None
    sys.exit(code)


if __name__ == "__main__":
    main(prog_name="python -m simulation.application.container")
