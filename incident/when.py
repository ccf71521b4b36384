"""FROM and TO as people type them: a time on this machine's clock, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from quantities import seconds
from targets import Misuse

LONGEST_SECONDS = 7 * 86_400
SHORTEST_SECONDS = 60
SOON_SECONDS = 3600
"""What TO may lie ahead: an incident that is not over ends with what is known."""

AROUND_SECONDS = (15 * 60, 5 * 60)
"""What is shown before and after a page."""

_AGO = re.compile(r"[1-9][0-9]{0,9}[smhdw]")
_CLOCK = re.compile(r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2})?")


class Moment(NamedTuple):
    """A time as it was given, and what it means in Unix time."""

    text: str
    at: float


def moment(name: str, text: str, now: float) -> float:
    """Unix time of what was given as `name`: `14:05`, `2026-12-03T14:05`, or `90m`, which is so long before `now`.

    A time without a zone is one of this machine's; a time of day is the last one. Raises Misuse.
    """
    try:
        if _AGO.fullmatch(text):
            return datetime.fromtimestamp(now - seconds(text), UTC).timestamp()
        if not _CLOCK.fullmatch(text):
            return datetime.fromisoformat(text).timestamp()
        of_day = time.fromisoformat(text if text[2] == ":" else f"0{text}")
        today = datetime.combine(datetime.fromtimestamp(now).astimezone().date(), of_day)
        known = now + (SOON_SECONDS if name == "TO" else 0)
        return (today if today.timestamp() <= known else today - timedelta(days=1)).timestamp()
    except (ValueError, OverflowError, OSError):
        zone = datetime.fromtimestamp(now).astimezone().tzname()
        raise Misuse(
            f"{name}={text}: expected a time such as 14:05 or 2026-12-03T14:05, in {zone} unless it names its zone, "
            "or how long ago, such as 90m"
        ) from None


def checked(start: Moment, end: Moment | None, now: float) -> tuple[float, float]:
    """The time from FROM to TO, or to `now` if that is earlier. Raises Misuse if it is none that can be looked at."""
    if start.at > now - SHORTEST_SECONDS:
        raise Misuse(f"FROM={start.text}: expected a time that is at least a minute ago")
    until = min(end.at, now) if end else now
    if end and until - start.at < SHORTEST_SECONDS:
        order = "it is before FROM; " if end.at < start.at else ""
        raise Misuse(f"TO={end.text}: {order}expected a time at least a minute after FROM={start.text}{_meant(start)}")
    if until - start.at > LONGEST_SECONDS:
        most = f"TO={end.text}{_meant(end)}" if end else "now, which is where it ends without TO"
        raise Misuse(f"FROM={start.text}: expected at most 7 days before {most}")
    return start.at, until


def around(page: tuple[float, float], until: float) -> tuple[float, float]:
    """The time around a page, up to `until`; of one that fired for too long to be looked at, its beginning."""
    before, after = AROUND_SECONDS
    start = page[0] - before
    return start, min(page[1] + after, until, start + LONGEST_SECONDS)


def _meant(given: Moment) -> str:
    return f", which is {clock(given.at)}"


def clock(at: float) -> str:
    """A Unix time on this machine's clock, with its zone, in a form that `moment` reads."""
    return datetime.fromtimestamp(at).astimezone().isoformat(timespec="seconds")
