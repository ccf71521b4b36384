"""Smooth, deterministic functions of time for invented measurements.

They depend on the clock alone, so a restarted stand-in continues its counters where they would have been.
"""

from __future__ import annotations

import math
import zlib

EPOCH = 1_767_225_600.0
"""When every invented counter was 0 and every invented machine booted: 2026-01-01T00:00:00Z, in Unix seconds."""

HOUR = 3600.0
DAY = 24 * HOUR


def phase(name: str) -> float:
    """Return a fixed phase in [0, 1) for a name, so that like things do not move in step."""
    return zlib.crc32(name.encode()) / 2**32


def wave(now: float, mean: float, name: str = "", *, swing: float = 0.1, period: float = HOUR) -> float:
    """Return a gauge that swings around `mean` by the share `swing` within `period` seconds."""
    return mean * (1 + swing * math.sin(math.tau * ((now - EPOCH) / period + phase(name))))


def total(now: float, rate: float, name: str = "", *, swing: float = 0.1, period: float = HOUR) -> float:
    """Return a counter that grows by `rate` a second on average: the exact integral of `wave` since EPOCH."""
    elapsed = max(0.0, now - EPOCH)
    begin = math.tau * phase(name)
    end = begin + math.tau * elapsed / period
    return rate * (elapsed + swing * period / math.tau * (math.cos(begin) - math.cos(end)))
