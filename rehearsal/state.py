"""Where one rehearsal keeps everything: one directory, so that removing it removes all."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


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
    def ready(self) -> Path:
        """A marker: `up` has finished, and the rehearsal outlives the command that started it."""
        return self.root / "ready"

    def make(self) -> None:
        """Create every directory, readable by its owner only."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        parts = (
            self.configuration,
            self.credentials,
            self.certificates,
            self.pods,
            self.data,
            self.logs,
            self.received,
        )
        for directory in parts:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def from_environment() -> State:
    """The directory that `STATE` names, by default `.rehearsal` in the project."""
    return State(Path(os.environ.get("STATE") or ROOT / ".rehearsal").resolve())
