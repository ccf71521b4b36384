"""The traffic of one invented service: its counters as functions of time, within its objectives.

Every service gets the same. Live metrics and the history before them come from the same functions, so that no counter
falls where they meet: rate() would take that for a restart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from simulation.application.today.metrics import PYTHON_BUCKETS
from simulation.exporters.shapes import EPOCH

ENDPOINTS = tuple(f"/api/v1/resource-{number}" for number in range(10))
REQUESTS_PER_SECOND = 2.0
"""Of each endpoint."""
STATUSES = {"200": 0.97, "404": 0.0299, "503": 0.0001}
"""Share of the requests that are answered with each status."""
MEAN_LATENCY_SECONDS = 0.05
"""Exponentially distributed: 0.7 % take longer than the objective's 0.25 s."""


@dataclass(frozen=True)
class Counters:
    """The counters of one endpoint at one time."""

    by_status: dict[str, int]
    by_bound: dict[str, int]
    """Cumulative buckets by `le`, written as Prometheus stores it."""

    @property
    def requests(self) -> int:
        """All requests."""
        return self.by_bound["+Inf"]

    @property
    def failures(self) -> int:
        """Requests that were answered with 5xx."""
        return sum(count for status, count in self.by_status.items() if status.startswith("5"))

    def slower_than(self, bound: float) -> int:
        """Requests that took longer than `bound` seconds, which must be a bucket's."""
        return self.requests - self.by_bound[str(bound)]


def counters(now: float) -> Counters:
    """The counters of one endpoint at Unix time `now`."""
    elapsed = max(0.0, now - EPOCH)
    by_status = {status: int(REQUESTS_PER_SECOND * share * elapsed) for status, share in STATUSES.items()}
    requests = sum(by_status.values())
    by_bound = {str(bound): int(requests * -math.expm1(-bound / MEAN_LATENCY_SECONDS)) for bound in PYTHON_BUCKETS}
    return Counters(by_status, by_bound | {"+Inf": requests})


def page(prefix: str, now: float) -> str:
    """What a service whose metrics begin with `prefix` exposes at Unix time `now`, in the text format 0.0.4."""
    of = counters(now)
    requests, latency = f"{prefix}_requests_total", f"{prefix}_request_latency_seconds"
    lines = [f"# TYPE {requests} counter"]
    for path in ENDPOINTS:
        lines += [f'{requests}{{endpoint="{path}",status_code="{s}"}} {n}' for s, n in of.by_status.items()]
    lines.append(f"# TYPE {latency} histogram")
    for path in ENDPOINTS:
        lines += [f'{latency}_bucket{{endpoint="{path}",le="{bound}"}} {n}' for bound, n in of.by_bound.items()]
        lines.append(f'{latency}_sum{{endpoint="{path}"}} {of.requests * MEAN_LATENCY_SECONDS}')
        lines.append(f'{latency}_count{{endpoint="{path}"}} {of.requests}')
    return "\n".join(lines) + "\n"
