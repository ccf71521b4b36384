"""Where one rehearsal keeps everything: one directory, so that removing it removes all."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from facts import ROOT
from local.errors import RehearsalError


@dataclass(frozen=True)
class State:
    """The directories of one rehearsal."""

    root: Path

    @property
    def cluster(self) -> Path:
        """The objects that the stand-in providers keep."""
        return self.root / "cluster"

    @property
    def configuration(self) -> Path:
        """Configuration files derived from the deployed objects."""
        return self.root / "config"

    @property
    def credentials(self) -> Path:
        """Credentials, as files that only their owner can read."""
        return self.root / "credentials"

    @property
    def certificates(self) -> Path:
        """The private certificate authority of the mail receiver."""
        return self.root / "certificates"

    @property
    def pods(self) -> Path:
        """Container logs, laid out as on a node."""
        return self.root / "pods"

    @property
    def disks(self) -> Path:
        """Disks that node_exporter shows beside this machine's own; none but in drills."""
        return self.root / "disks"

    @property
    def data(self) -> Path:
        """What Prometheus, Alertmanager, Loki and the agent store."""
        return self.root / "data"

    @property
    def logs(self) -> Path:
        """Output of every process."""
        return self.root / "log"

    @property
    def received(self) -> Path:
        """What the receivers received."""
        return self.root / "received"

    @property
    def faults(self) -> Path:
        """What `make fault` and `make heal` did and when, a line of JSON each."""
        return self.root / "faults.jsonl"

    @property
    def ready(self) -> Path:
        """A marker: `up` has finished, and the rehearsal outlives the command that started it."""
        return self.root / "ready"

    @property
    def offset(self) -> Path:
        """The offset of the ports that the rehearsal was started with last."""
        return self.root / "port-offset"

    @property
    def dialect(self) -> Path:
        """The dialect of the services that the rehearsal was started with last."""
        return self.root / "dialect"

    @property
    def speed(self) -> Path:
        """The speed that the rehearsal was started with last."""
        return self.root / "speed"

    @property
    def applied(self) -> Path:
        """Digests of the configurations that the processes have loaded, as JSON by part."""
        return self.root / "applied.json"

    @property
    def lock(self) -> Path:
        """Locked, and named, by the command that starts or stops the rehearsal."""
        return self.root / "lock"

    def make(self) -> None:
        """Create every directory, readable by its owner only."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        parts = (
            self.configuration,
            self.credentials,
            self.certificates,
            self.pods,
            self.disks,
            self.data,
            self.logs,
            self.received,
        )
        for directory in parts:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @contextmanager
    def exclusive(self, command: str) -> Iterator[None]:
        """Keep other commands from starting or stopping this rehearsal.

        Raises RehearsalError naming the one that does, or if the directory is somebody else's.
        """
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise RehearsalError(f"STATE={self.root}: {error.strerror}; name another directory") from None
        if any(self.root.iterdir()) and not (self.lock.exists() or (self.root / "engine").exists()):
            raise RehearsalError(f"STATE={self.root}: neither empty nor a rehearsal's; name another directory")
        with self.lock.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise RehearsalError(
                    f"{file.read() or 'another command'} works on {self.root}; wait for it to end"
                ) from None
            file.truncate(0)
            file.write(f"make {command} (process {os.getpid()})")
            file.flush()
            yield


def write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file that only its owner can read, all of it or nothing; one that says it already is left alone."""
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)
    scratch.replace(path)


def from_environment() -> State:
    """The directory that `STATE` names, by default `.rehearsal` in the project."""
    return State(Path(os.environ.get("STATE") or ROOT / ".rehearsal").resolve())


def in_use(variable: str, asked: int | None, used: int | None, otherwise: int) -> int:
    """What a rehearsal runs with, else what the environment's variable asks for, else the default.

    Raises RehearsalError if another is asked for than is in use.
    """
    if used is None:
        return otherwise if asked is None else asked
    if asked not in (None, used):
        raise RehearsalError(
            f"{variable}={asked}: the rehearsal runs with {variable}={used}. "
            "Leave it out, or stop the rehearsal first: make down"
        )
    return used
