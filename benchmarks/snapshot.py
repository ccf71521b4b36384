"""What a running rehearsal's Prometheus has stored, series by series: the model of a larger and longer data set.

The rehearsal is one of its own, in a directory and on ports of its own, and is stopped again.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from benchmarks.errors import BenchmarkError
from benchmarks.progress import Tell
from local import interruption
from local.ports import Ports
from local.state import State
from rehearsal.deployment import Deployment
from rehearsal.lifecycle import Rehearsal

MOST_SECONDS = 210
"""How long a rehearsal runs at most; rules of the error budget are evaluated every 3 min."""
APART_SECONDS = 60
"""Time between the two looks that tell how fast a series grows."""
POLL_SECONDS = 5.0

_COUNTER = re.compile(r"(?!aws_).*_(total|count|sum|bucket)|.*:sum")


@dataclass(frozen=True)
class Seen:
    """One series of the rehearsal."""

    labels: dict[str, str]
    """Its labels and its name, which is the label `__name__`."""
    value: float
    """Its value at the end."""
    per_second: float
    """How fast it grew, for a counter."""
    steady: bool
    """Whether it did not change."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.labels["__name__"]

    @property
    def counter(self) -> bool:
        """Whether its name is a counter's."""
        return _COUNTER.fullmatch(self.name) is not None


def take(names: Collection[str], directory: Path, tell: Tell) -> list[Seen]:
    """The series of these names in a rehearsal that runs until all of them are there, for MOST_SECONDS at most.

    Raises RehearsalError if the rehearsal does not start.
    """
    with _running(directory, tell) as url, httpx.Client(base_url=url, timeout=30, trust_env=False) as client:
        began = time.monotonic()
        while (left := MOST_SECONDS - (time.monotonic() - began)) > 0:
            interruption.check()
            missing = absent(names, {labels["__name__"] for labels, _ in _look(client, names, 0)})
            if not missing and time.monotonic() - began > 2 * APART_SECONDS:
                break
            tell("the rehearsal runs until it has all series", left)
            time.sleep(POLL_SECONDS)
        return list(_seen(client, names))


def _seen(client: httpx.Client, names: Collection[str]) -> Iterator[Seen]:
    earlier = {json.dumps(labels): value for labels, value in _look(client, names, APART_SECONDS)}
    for labels, value in _look(client, names, 0):
        before = earlier.get(json.dumps(labels), value)
        yield Seen(labels, value, max(0.0, value - before) / APART_SECONDS, value == before)


def _look(client: httpx.Client, names: Collection[str], ago: float) -> Iterator[tuple[dict[str, str], float]]:
    query = f'{{__name__=~"{"|".join(sorted(names))}"}}'
    answer = client.post("/api/v1/query", data={"query": query, "time": str(time.time() - ago)})
    for series in answer.raise_for_status().json()["data"]["result"]:
        yield series["metric"], float(series["value"][1])


def absent(names: Collection[str], there: Collection[str]) -> list[str]:
    """The names, or patterns of names, that none of those that are there matches."""
    return sorted(name for name in names if not any(re.fullmatch(name, each) for each in there))


@contextmanager
def _running(directory: Path, tell: Tell) -> Iterator[str]:
    """A rehearsal until the block ends; the address of its Prometheus."""
    ports = free_ports()
    rehearsal = Rehearsal(State(directory), ports)
    Deployment(rehearsal, lambda _: tell("the rehearsal starts", 0)).up()
    try:
        yield ports.url("prometheus")
    finally:
        tell("the rehearsal stops", 0)
        rehearsal.down()


def free_ports() -> Ports:
    """Ports that nothing listens on. Raises BenchmarkError if there are none."""
    for offset in range(20_000, 50_000, 250):
        if not (ports := Ports(offset)).taken():
            return ports
    raise BenchmarkError("no free ports for a rehearsal of its own; stop what listens on ports above 20000")


def write(names: Collection[str], series: Sequence[Seen], file: Path) -> None:
    """Keep a snapshot of these names."""
    file.write_text(json.dumps({"names": sorted(names), "series": [asdict(each) for each in series]}))


def read(names: Collection[str], file: Path) -> list[Seen] | None:
    """A snapshot that was kept; None if there is none, or none of all these names."""
    if not file.exists():
        return None
    kept = json.loads(file.read_text())
    return [Seen(**each) for each in kept["series"]] if set(names) <= set(kept["names"]) else None
