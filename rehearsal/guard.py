"""Ends the supervisor, its parent, if the command that starts the rehearsal dies before the rehearsal is ready."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from local.processes import alive

_POLL_SECONDS = 0.5


def main(launcher: int, ready: Path) -> None:
    """Watch the process `launcher` until the marker `ready` appears."""
    while not ready.exists():
        if not alive(launcher):
            os.kill(os.getppid(), signal.SIGTERM)
            return
        time.sleep(_POLL_SECONDS)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
