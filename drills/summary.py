"""Drills in a few lines, and their latencies."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from drills.judge import Latency, clock
from drills.run import Result


@dataclass(frozen=True)
class Spread:
    """Latencies of the messages of one alert in one channel, in seconds of the stack's time."""

    alert: str
    channel: str
    count: int
    p50: float
    p95: float
    longest: float
    nearest: Latency
    """The one that was nearest to its bound, or furthest beyond it."""


def spreads(results: Sequence[Result]) -> list[Spread]:
    """Of each alert and channel, over all drills."""
    found: dict[tuple[str, str], list[Latency]] = {}
    for result in results:
        for latency in result.verdict.latencies:
            found.setdefault((latency.told.alert, latency.channel), []).append(latency)
    return [_spread(alert, channel, of) for (alert, channel), of in sorted(found.items())]


def _spread(alert: str, channel: str, of: list[Latency]) -> Spread:
    lengths = sorted(latency.seconds for latency in of)
    nearest = max(of, key=lambda latency: latency.seconds - latency.bound)
    return Spread(alert, channel, len(of), percentile(lengths, 0.5), percentile(lengths, 0.95), lengths[-1], nearest)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of ordered values that at least this share of them do not exceed."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def line(result: Result) -> str:
    """One drill, and below it what is wrong."""
    state = "held" if result.verdict.held else "FAILED"
    took = f"{clock(result.timeline.length)} of the stack's time, {result.real_seconds:.0f} s"
    head = f"{result.drill.name}: {state}, {took}"
    return "\n".join([head, *(f"  - {problem}" for problem in result.verdict.problems)])


def latencies(results: Sequence[Result]) -> Iterator[str]:
    """The latencies of each alert, from the fault to the message."""
    for item in spreads(results):
        yield (
            f"  {item.alert:26} {item.channel:10} {item.count:2}: p50 {clock(item.p50)}, p95 {clock(item.p95)}, "
            f"max {clock(item.longest)}; nearest to its bound {clock(item.nearest.seconds)} of "
            f"{clock(item.nearest.bound)}"
        )
