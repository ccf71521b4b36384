"""A disk of a few MiB for one directory, seen only by those who are started through it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from simulation.application.container import die_with_parent

SCRIPT = 'mount -t tmpfs -o size="$1" tmpfs "$2" && echo mounted && exec sleep 3600'


class NoMountError(RuntimeError):
    """This machine lets us mount nothing."""


@dataclass(frozen=True)
class SmallDisk:
    """The disk, mounted in a namespace of its own."""

    inside: tuple[str, ...]
    """Command that runs another one where the disk is mounted."""
    path: Path
    """The disk from outside."""

    def fill(self) -> None:
        """Leave no room."""
        with (self.path / "filler").open("wb", buffering=0) as filler:
            try:
                while filler.write(b"x" * 4096):
                    pass
            except OSError:
                return

    def make_room(self) -> None:
        """Remove what filled it."""
        (self.path / "filler").unlink()


@contextmanager
def small_disk(directory: Path, size: str) -> Iterator[SmallDisk]:
    """Mount a disk of this size, such as `4m`, until the block ends. Raises NoMountError where that is not allowed."""
    directory.mkdir()
    # Who is not root may do it as the root of a user namespace, where the system lets them.
    root = os.geteuid() == 0
    command = ["unshare", "--mount", *([] if root else ["--map-root-user"]), "sh", "-c", SCRIPT, "sh", size]
    holder = subprocess.Popen(
        [*command, str(directory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=die_with_parent()
    )
    assert holder.stdout is not None
    assert holder.stderr is not None
    try:
        if holder.stdout.readline() != b"mounted\n":
            raise NoMountError(f"unshare and mount of a tmpfs: {holder.stderr.read().decode().strip()}")
        users = () if root else ("--user", "--preserve-credentials")
        inside = ("nsenter", "--mount", *users, f"--target={holder.pid}")
        yield SmallDisk(inside, Path(f"/proc/{holder.pid}/root{directory}"))
    finally:
        holder.kill()
        holder.wait()
