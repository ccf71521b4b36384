"""Business hours, as series and as a condition of info alerts. Pure functions.

Prometheus decides when people are told. Alertmanager's time intervals would mute the resolve of an alert as well, and
forget it: what was told by day and ends at night would stay open for good.

`business_hours:clock:timestamp_seconds`: what clocks of the stack's time zone show, as seconds since the epoch.
`business_hours:open:info`: 1 during business hours, and otherwise absent.
"""

from __future__ import annotations

import itertools
import textwrap
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from settings import BusinessHours, Weekday

YEARS = range(2026, 2036)
"""The years whose changes between summer and winter time the rules know. After them clocks stay as they are."""

_WEEKDAYS: tuple[Weekday, ...] = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
"""In the order of PromQL's day_of_week(), which is 0 on a Sunday."""
_CLOCK = "business_hours:clock:timestamp_seconds"
_OPEN = "business_hours:open:info"
_DAY_SECONDS = 24 * 60 * 60

Rule = dict[str, Any]


def rules(hours: BusinessHours) -> list[Rule]:
    """The rules of both series; the second reads the first."""
    return [{"record": _CLOCK, "expr": _clock(ZoneInfo(hours.time_zone))}, {"record": _OPEN, "expr": _open(hours)}]


def begins_in_them(alert: Rule, expression: str) -> str:
    """The expression of an alert that begins in business hours alone, as its `for` does, and ends at any hour.

    It also ends if Prometheus is away for longer than an instant query looks back, and begins anew on the next day.
    """
    condition = f"(\n{textwrap.indent(expression.rstrip(), '  ')}\n)"
    # What tells two alerts of one name apart is what the expression says of them, not what the rule gives both.
    given = {name for name, value in alert["labels"].items() if value != f"{{{{ $labels.{name} }}}}"}
    same = ", ".join(sorted({"alertname", "alertstate", "owner", *given}))
    told = f'ALERTS{{alertname="{alert["alert"]}", alertstate="firing", severity="info"}}'
    return f"{condition}\nand on ()\n{_OPEN}\nor\n{condition}\nand ignoring ({same})\n{told}\n"


def length_seconds(hours: BusinessHours) -> int:
    """How long they last on a day."""
    return _seconds(hours.end) - _seconds(hours.start)


@cache
def _clock(zone: ZoneInfo) -> str:
    """What the zone's clocks show, as PromQL. It looks at each of some thousand days."""
    first = datetime(YEARS.start, 1, 1, tzinfo=UTC)
    changes = [
        f"{_signed(later)} * (time() >= bool {at.timestamp():.0f}) # {at:%Y-%m-%d}"
        for at, later in _changes(zone, first)
    ]
    return "\n  ".join(["vector(", f"time() {_signed(_offset(zone, first))}", *changes]) + "\n)\n"


def _changes(zone: ZoneInfo, first: datetime) -> Iterator[tuple[datetime, int]]:
    """When the zone's clocks change from a moment on, and by how many seconds. They do once a day at most."""
    count = (date(YEARS.stop, 1, 1) - first.date()).days + 1
    days = (first + timedelta(days=number) for number in range(count))
    for (day, before), (_, after) in itertools.pairwise((day, _offset(zone, day)) for day in days):
        if before != after:
            moments = [day + timedelta(minutes=number) for number in range(24 * 60 + 1)]  # with the next day's first
            change = bisect_left(moments, True, key=partial(_differs, zone, before))
            yield moments[change], after - before


def _differs(zone: ZoneInfo, offset: int, at: datetime) -> bool:
    return _offset(zone, at) != offset


def _offset(zone: ZoneInfo, at: datetime) -> int:
    """Seconds that the zone's clocks are ahead of UTC."""
    return round((at.astimezone(zone).replace(tzinfo=UTC) - at).total_seconds())


def _open(hours: BusinessHours) -> str:
    start, end = _seconds(hours.start), _seconds(hours.end)
    days = [f"day_of_week({_CLOCK}) == {_WEEKDAYS.index(day)} # {day}" for day in hours.days]
    off = [f"floor({_CLOCK} / {_DAY_SECONDS}) == {_number(day)} # {day}" for day in hours.holidays]
    return "\n".join(
        [
            f"group({_CLOCK} % {_DAY_SECONDS} >= {start} < {end}) # {hours.start} to {hours.end}",
            f"and\n{_any(days)}",
            *([f"unless\n{_any(off)}"] if off else []),
            "",
        ]
    )


def _any(conditions: list[str]) -> str:
    return "(\n  " + "\n  or\n  ".join(conditions) + "\n)"


def _number(day: date) -> int:
    """Of a day since the epoch."""
    return (day - date(1970, 1, 1)).days


def _seconds(clock: str) -> int:
    hours, minutes = map(int, clock.split(":"))
    return 3600 * hours + 60 * minutes


def _signed(seconds: int) -> str:
    return f"{'-' if seconds < 0 else '+'} {abs(seconds)}"
