"""What Prometheus remembers when a drill begins: days and hours without a failure, where the error budget needs them.

A stack that has just started knows nothing of the time before, and ten minutes of errors would be most of "the last
twelve hours". A stand-in: series as `alerts/budget.yaml` and `alerts/objectives.yaml` record them, with requests and no
errors.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catalogue import Catalogue, Service
from engine.toolchain import tool
from local.state import State

INDICATORS = ("availability", "latency")


@dataclass(frozen=True)
class Remembered:
    """A pair of series, of all events and of failed ones; lengths in seconds."""

    events: str
    errors: str
    step: int
    """Between two samples."""
    whole: int
    """As far back as the longest window of an alert."""
    counts: bool
    """Whether samples go on counting, as those of a process that has ended, or say how many there were in a step."""

    def lines(self, requests_a_second: Mapping[str, float], speed: int, now: float) -> Iterator[str]:
        """Its samples up to `now`, with the type of each series."""
        moments = [now - self.step / speed * number for number in range(self.whole // self.step, 0, -1)]
        instance = ',instance="before"' if self.counts else ""
        for name, share in ((self.events, 1), (self.errors, 0)):
            yield f"# TYPE {name} gauge"
            for service, rate in requests_a_second.items():
                each = share * rate * self.step / speed
                for indicator in INDICATORS:
                    series = f'{name}{{service="{service}",sli="{indicator}"{instance}}}'
                    for number, moment in enumerate(moments, 1):
                        yield f"{series} {each * number if self.counts else each:g} {moment:.3f}"


PIECES = Remembered("service:sli_events:increase3m", "service:sli_errors:increase3m", 180, 2 * 86400, False)
"""What the budget adds up."""
COUNTERS = Remembered("instance:sli_events:sum", "instance:sli_errors:sum", 60, 3 * 3600, True)
"""What burn rates are rates of."""


def openmetrics(requests_a_second: Mapping[str, float], speed: int, now: float) -> str:
    """The history of these services in the text format that promtool makes blocks of."""
    lines = (line for of in (PIECES, COUNTERS) for line in of.lines(requests_a_second, speed, now))
    return "\n".join([*lines, "# EOF", ""])


def remember(state: State, requests_a_second: Mapping[str, float], speed: int) -> None:
    """Put the history where Prometheus will find it; it must not run."""
    destination = state.data / "prometheus"
    destination.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "history"
        file.write_text(openmetrics(requests_a_second, speed, time.time()))
        command = [str(tool("promtool")), "tsdb", "create-blocks-from", "openmetrics", str(file), str(destination)]
        subprocess.run(command, check=True, capture_output=True)


def usual(catalogue: Catalogue, counts: Mapping[str, Any], steps_a_second: float) -> dict[str, float]:
    """Requests a second of each measured service at this pace of the load, by what it has counted so far."""
    whole = max(1, counts["answered"])  # a step is one request, or hardly more
    return {
        service.name: steps_a_second / whole * sum(item["value"] for item in counts["expected"] if _of(service, item))
        for service in catalogue.measured
    }


def _of(service: Service, counted: Mapping[str, Any]) -> bool:
    """Whether these are requests of the service that count."""
    status = counted["labels"].get("status_code")
    return counted["series"] == f"{service.prefix}_requests_total" and status not in service.ignored_statuses
