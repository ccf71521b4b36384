"""What the rules recorded before the start, so that every long window is full from the first evaluation on.

Prometheus' own importer turns text into blocks. It reads all its input for each block that it makes, hence one input
for each block; and the blocks are as long as those that Prometheus would have compacted by now, so that queries read
as many of them, and nothing is left to compact while it is measured.
"""

from __future__ import annotations

import itertools
import math
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.errors import BenchmarkError
from benchmarks.fleet import pods, target_labels
from benchmarks.traffic import ENDPOINTS, REQUESTS_PER_SECOND, STATUSES, counters
from catalogue import Catalogue, LatencyObjective
from engine.toolchain import tool
from simulation.exporters.shapes import DAY, HOUR, wave

BLOCK_HOURS = (18, 6, 2)
"""Lengths of compacted blocks: each three times the next, and at most a tenth of the retention of 15 d."""
PIECE_SECONDS = 180
"""Interval of alerts/budget.yaml, and length of its pieces."""
EVALUATION_SECONDS = 15
MINUTE = 60.0
POLL_SECONDS = 0.1
_AT_ONCE = 2
_BOUND = LatencyObjective().within_seconds


@dataclass(frozen=True)
class Recorded:
    """A series of each service that rules look back at."""

    name: str
    """`{prefix}` in it is the service's."""
    value: Callable[[float], float]
    """Its value at a Unix time."""
    back: float
    """How many seconds of it there are."""
    step: int = EVALUATION_SECONDS
    labels: dict[str, str] = field(default_factory=dict)
    of_process: bool = True
    """Whether it has the labels of the process, or of the service alone."""


def _requests(now: float) -> float:
    return len(ENDPOINTS) * counters(now).requests


def _failures(now: float) -> float:
    return len(ENDPOINTS) * counters(now).failures


def _slow(now: float) -> float:
    return len(ENDPOINTS) * counters(now).slower_than(_BOUND)


def _bucket(bound: str) -> Recorded:
    name = "instance:http_request_latency_seconds_bucket:sum"
    return Recorded(name, lambda now: len(ENDPOINTS) * counters(now).by_bound[bound], 10 * MINUTE, labels={"le": bound})


def _scraped(endpoint: str, status: str) -> Recorded:
    labels = {"endpoint": endpoint, "status_code": status}
    return Recorded("{prefix}_requests_total", lambda now: counters(now).by_status[status], MINUTE, labels=labels)


def _pieces(name: str, sli: str, share: float) -> Recorded:
    mean = len(ENDPOINTS) * REQUESTS_PER_SECOND * PIECE_SECONDS * share
    # A little longer than the window, which moves on while the rest is made.
    back = 14 * DAY + HOUR
    return Recorded(name, lambda now: wave(now, mean), back, PIECE_SECONDS, {"sli": sli}, of_process=False)


RECORDED = (
    Recorded("instance:http_requests:sum", _requests, 1.5 * HOUR),
    Recorded("instance:http_errors:sum", _failures, 10 * MINUTE),
    Recorded("instance:http_requests_refused:sum", lambda _: 0.0, 10 * MINUTE),
    Recorded("instance:http_requests_unmatched:sum", _failures, 1.5 * HOUR),
    Recorded("instance:http_requests_timed:sum", _requests, 10 * MINUTE),
    Recorded("instance:http_requests_slow:sum", _slow, 10 * MINUTE),
    *map(_bucket, counters(0).by_bound),
    Recorded("instance:sli_events:sum", _requests, 3.1 * HOUR, labels={"sli": "availability"}),
    Recorded("instance:sli_events:sum", _requests, 3.1 * HOUR, labels={"sli": "latency"}),
    Recorded("instance:sli_errors:sum", _failures, 3.1 * HOUR, labels={"sli": "availability"}),
    Recorded("instance:sli_errors:sum", _slow, 3.1 * HOUR, labels={"sli": "latency"}),
    _pieces("service:sli_events:increase3m", "availability", 1),
    _pieces("service:sli_events:increase3m", "latency", 1),
    _pieces("service:sli_errors:increase3m", "availability", STATUSES["503"]),
    _pieces("service:sli_errors:increase3m", "latency", 0.007),
    # No price update fails.
    Recorded("pod:log_events:rate5m", lambda _: 0.0, 15 * MINUTE, labels={"event": "price_update_failed"}),
    # Without the last scrapes there would be requests but no failures in the first evaluation: a counter that falls.
    *(_scraped(endpoint, status) for endpoint in ENDPOINTS for status in STATUSES),
)
"""What is there before the start."""


LOOKED_BACK_AT = {
    "instance:sli_events:sum": (3 * HOUR, EVALUATION_SECONDS),
    "instance:sli_errors:sum": (3 * HOUR, EVALUATION_SECONDS),
    "service:sli_events:increase3m": (14 * DAY, PIECE_SECONDS),
    "service:sli_errors:increase3m": (14 * DAY, PIECE_SECONDS),
}
"""The longest windows of the rules: the series, the window and the step between two samples, in seconds."""
FULL = 0.97
"""Share of the samples that a full window must have; what passes until Prometheus has started is missing."""


class Block(NamedTuple):
    """A block of Prometheus' storage: Unix times, and the length in hours that it is aligned to."""

    start: int
    end: int
    hours: int


def backfill(catalogue: Catalogue, storage: Path, progress: Callable[[str], None]) -> None:
    """Write the history of the catalogue's services up to about now into Prometheus' storage.

    Raises BenchmarkError if promtool fails.
    """

    def written(block: Block) -> Iterator[str]:
        return text(catalogue, block, time.time())

    now = time.time()
    closed = list(blocks(now - max(recorded.back for recorded in RECORDED), now))
    import_blocks(storage, closed, written, progress)
    # What is still open comes last, so that next to nothing is missing when Prometheus starts.
    end = closed[-1].end
    latest = list(_blocks(end, time.time()))
    end = latest[-1].end if latest else end
    import_blocks(storage, [*latest, Block(end, int(time.time()), BLOCK_HOURS[-1])], written, progress)


def blocks(since: float, now: float) -> Iterator[Block]:
    """The compacted blocks of the time from before `since` to before `now`."""
    longest = 3600 * BLOCK_HOURS[0]
    return _blocks(int(since // longest * longest), now)


def _blocks(start: int, now: float) -> Iterator[Block]:
    for hours in BLOCK_HOURS:
        while (end := start + 3600 * hours) <= now:
            yield Block(start, end, hours)
            start = end


def text(catalogue: Catalogue, block: Block, now: float) -> Iterator[str]:
    """The history of a block in the OpenMetrics format, a series at a time."""
    for recorded in RECORDED:
        since = max(block.start, now - recorded.back)
        times = range(math.ceil(since / recorded.step) * recorded.step, block.end, recorded.step)
        samples = [f" {recorded.value(at)!r} {at}\n" for at in times]
        for series in _names(recorded, catalogue) if samples else ():
            yield series + series.join(samples)
    yield "# EOF\n"


def _names(recorded: Recorded, catalogue: Catalogue) -> Iterator[str]:
    for service, pod in zip(catalogue.services, pods(catalogue), strict=True):
        labels = target_labels(pod) if recorded.of_process else {"service": pod.workload}
        pairs = (f'{name}="{value}"' for name, value in (labels | recorded.labels).items())
        yield f"{recorded.name.format(prefix=service.prefix)}{{{','.join(pairs)}}}"


def import_blocks(
    storage: Path,
    parts: Sequence[Block],
    written: Callable[[Block], Iterable[str]],
    progress: Callable[[str], None],
) -> None:
    """Have promtool make blocks of Prometheus' storage of what is `written` for each, in the OpenMetrics format.

    Raises BenchmarkError if promtool fails.
    """
    stop = threading.Event()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        running = [pool.submit(_import, storage, block, written, stop) for block in parts]
        try:
            for number, done in enumerate(running, 1):
                done.result()
                progress(f"history, block {number} of {len(parts)}")
        except BaseException:
            stop.set()
            raise


def _import(storage: Path, block: Block, written: Callable[[Block], Iterable[str]], stop: threading.Event) -> None:
    source = storage.with_name(f"{block.start}.txt")
    try:
        with source.open("w") as file:
            file.writelines(itertools.takewhile(lambda _: not stop.is_set(), written(block)))
        _run_promtool(["--quiet", str(source), str(storage)], block, stop)
    finally:
        source.unlink(missing_ok=True)


def _run_promtool(arguments: Sequence[str], block: Block, stop: threading.Event) -> None:
    """Import a block, unless or until it is to stop."""
    if stop.is_set():
        return
    kind = ["tsdb", "create-blocks-from", f"--max-block-duration={block.hours}h", "openmetrics"]
    command = [str(tool("promtool")), *kind, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        while process.poll() is None and not stop.wait(POLL_SECONDS):
            pass
        process.terminate()
        said = process.communicate()[0]
    if process.returncode and not stop.is_set():
        raise BenchmarkError(f"promtool cannot import the history: {said.strip()}")


def check_full(client: httpx.Client, services: int) -> None:
    """Raise BenchmarkError unless the longest windows are full for every service and indicator, history and live."""
    for name, (window, step) in LOOKED_BACK_AT.items():
        query = f"count(count_over_time({name}[{window:.0f}s]) >= {FULL * window / step:.0f})"
        answer = client.get("/api/v1/query", params={"query": query}).raise_for_status().json()["data"]["result"]
        found = int(answer[0]["value"][1]) if answer else 0
        if found != 2 * services:
            raise BenchmarkError(
                f"{found} instead of {2 * services} windows of {name} are full: live series must have the labels of "
                "the history (benchmarks/history.py), and the machine must not sleep"
            )
