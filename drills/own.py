"""A rehearsal of its own for a command that breaks it: begun anew, and stopped however the command ends."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import httpx
from rich.console import Console

from facts import ROOT
from invalid import InvalidInputError
from local import interruption, ports
from local.errors import RehearsalError, said
from local.ports import Ports
from local.state import State
from rehearsal import speed
from rehearsal.lifecycle import Rehearsal

CONSOLE = Console(highlight=False, soft_wrap=True)
OFFSET = 15_000
"""Of the ports, unless PORT_OFFSET says another: a rehearsal that people use may run beside it."""
HELD, FAILED, UNABLE, INTERRUPTED = 0, 1, 2, 130


def ended(run: Callable[[], bool]) -> NoReturn:
    """Run a command, and exit as it ended: what it is about held or did not, it could not be run, was interrupted."""
    interruption.listen()
    try:
        code = HELD if run() else FAILED
    except (RehearsalError, InvalidInputError) as error:
        CONSOLE.print(f"Error: {said(error)}", markup=False)
        code = UNABLE
    except httpx.HTTPError as error:
        CONSOLE.print(f"Error: a process of the rehearsal did not answer: {error}", markup=False)
        code = UNABLE
    except KeyboardInterrupt:
        CONSOLE.print("interrupted")
        code = INTERRUPTED
    sys.exit(code)


@contextmanager
def rehearsal(pace: int, rate: float | None = None) -> Iterator[Rehearsal]:
    """One without a memory, for as long as the block lasts; it is to be brought up.

    Environment: STATE is its directory, by default .rehearsal-drills; PORT_OFFSET; SPEED, by default `pace`.
    Raises RehearsalError if a rehearsal runs in that directory.
    """
    state = State(Path(os.environ.get("STATE") or ROOT / ".rehearsal-drills").resolve())
    asked = ports.from_environment() or Ports(OFFSET)
    made = Rehearsal(state, asked, pace=speed.from_environment() or pace, rate=rate)
    if made.supervisor.running:
        raise RehearsalError(f"STATE={state.root}: a rehearsal runs there; stop it: make down STATE={state.root}")
    try:
        made.clean()
        yield made
    finally:  # a second Ctrl-C does not keep it from that
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        made.down()
