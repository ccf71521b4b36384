"""The clock that business hours go by: a time zone in which it is another day, as no process' clock can be moved."""

from __future__ import annotations

import itertools
import math
import struct
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

STEP, STEPS = 900, 96
"""Clocks change at a quarter of an hour; looked at is a day before and after the moment."""


def as_of(name: str, moment: datetime, now: float) -> bytes:
    """The zone of this name as a file (TZif) by which its clocks show at the epoch second `now` what they show then.

    Or up to a second more, as a zone knows whole seconds alone; never less, which could be before an hour opens. From
    there on they go as they do in truth, and change between summer and winter time when they do.
    """
    zone, later = ZoneInfo(name), math.floor(now - moment.timestamp())
    first = moment.timestamp() // STEP
    offsets = [(STEP * (first + step), _offset(zone, STEP * (first + step))) for step in range(-STEPS, STEPS)]
    changes = [(at, offset) for (_, before), (at, offset) in itertools.pairwise(offsets) if offset != before]
    zones = [offsets[0][1], *(offset for _, offset in changes)]
    return b"".join(
        [
            b"TZif" + bytes(16) + struct.pack(">6L", 0, 0, 0, len(changes), len(zones), 4),
            *(struct.pack(">l", int(at) + later) for at, _ in changes),
            bytes(range(1, len(zones))),
            *(struct.pack(">lBB", offset - later, 0, 0) for offset in zones),
            b"ANY\0",
        ]
    )


def _offset(zone: ZoneInfo, at: float) -> int:
    offset = datetime.fromtimestamp(at, UTC).astimezone(zone).utcoffset()
    assert offset is not None  # noqa: S101 - for the type checker: every ZoneInfo has one
    return int(offset.total_seconds())
