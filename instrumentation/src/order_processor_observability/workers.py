"""Several worker processes: what those that have ended have counted becomes one file of each kind.

prometheus-client keeps the files of each process for ever and reads all of them at each scrape, so that servers that
recycle their workers make scrapes slower until these time out. Sums stay exact: under a lock, a file is either read or
part of the one that they are folded into.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from prometheus_client.mmap_dict import MmapedDict

_Value = tuple[float, float]
"""A value, and the Unix time at which it was set, if its kind keeps that."""

FOLDED = "folded"
"""What stands in the place of the process id in the name of a file that was folded."""


@contextmanager
def held_still(directory: Path) -> Iterator[None]:
    """Fold the files of dead workers, and let no other worker fold while this one reads."""
    with (directory / "fold.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _fold(directory)
        yield


def _fold(directory: Path) -> None:
    dead: dict[str, list[Path]] = defaultdict(list)
    for file in directory.glob("*.db"):
        kind, _, pid = file.stem.rpartition("_")
        if pid.isdigit() and not _alive(int(pid)):
            dead[kind].append(file)
    for kind, files in dead.items():
        if kind == "gauge_all":  # asks for a series of each process, dead or alive
            continue
        if not kind.startswith("gauge_live"):  # what only counts of the living is no more
            _merge(directory / f"{kind}_{FOLDED}.db", files, _BY_KIND.get(kind, _added))
        for file in files:
            file.unlink(missing_ok=True)


def _merge(target: Path, files: list[Path], combine: Callable[[_Value, _Value], _Value]) -> None:
    values: dict[str, _Value] = {}
    for file in [target, *files]:
        for key, value in _read(file):
            values[key] = combine(values[key], value) if key in values else value
    fresh = target.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    written = MmapedDict(str(fresh))  # type: ignore[no-untyped-call]
    for key, value in values.items():
        written.write_value(key, *value)  # type: ignore[no-untyped-call]
    written.close()  # type: ignore[no-untyped-call]
    fresh.replace(target)


def _read(file: Path) -> list[tuple[str, _Value]]:
    try:
        entries = MmapedDict.read_all_values_from_file(str(file))  # type: ignore[no-untyped-call]
        return [(key, (value, stamp)) for key, value, stamp, _ in entries]
    except FileNotFoundError:
        return []
    except (struct.error, RuntimeError):  # of a worker that was killed as it began the file
        structlog.get_logger("metrics").warning("What a worker had counted cannot be read.", file=file.name)
        return []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _added(one: _Value, other: _Value) -> _Value:
    return one[0] + other[0], 0.0


_BY_KIND: dict[str, Callable[[_Value, _Value], _Value]] = {
    "gauge_min": min,
    "gauge_max": max,
    "gauge_mostrecent": lambda one, other: max(one, other, key=lambda value: value[1]),
}
"""How values become one; those of counters, histograms, summaries and `gauge_sum` are added."""
