"""Ports for stacks that run side by side: whoever takes some has them for as long as the process lives."""

from __future__ import annotations

import fcntl
import os
import random
import tempfile
from pathlib import Path
from typing import IO

from local.ports import Ports

OFFSETS = range(9_000, 19_600, 47)
"""No two of them give one port to two parts, and all are below the ports that the system gives out."""

CLAIMS = Path(tempfile.gettempdir()) / f"order-processor-monitoring-ports-{os.getuid()}"
_held: list[IO[str]] = []


def claim() -> Ports:
    """Ports of which nothing uses one, and that no other process claims, also while nothing listens there yet."""
    CLAIMS.mkdir(mode=0o700, exist_ok=True)
    for offset in random.sample(OFFSETS, len(OFFSETS)):
        file = (CLAIMS / str(offset)).open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        _held.append(file)  # locked until the process ends
        if not Ports(offset).taken():
            return Ports(offset)
    raise AssertionError("no ports are free")
