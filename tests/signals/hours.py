"""Business hours for the stories: simple ones, and the deployed ones at any moment of their week."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from tests.signals.alertmanager import Intervals

WEEK = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_ALWAYS: list[dict[str, Any]] = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]
_NEVER: list[dict[str, Any]] = [{"years": ["1970"]}]
_SIMPLE: dict[str, Intervals] = {
    "open": {"business-hours": _ALWAYS, "holidays": _NEVER},
    "closed": {"business-hours": _NEVER, "holidays": _NEVER},
    "holiday": {"business-hours": _ALWAYS, "holidays": _ALWAYS},
}


def intervals(hours: str, zero: float, deployed: list[dict[str, Any]]) -> Intervals:
    """The time intervals of a case whose minute 0 is the epoch second `zero`.

    `hours` is `open`, `closed`, `holiday`, `open from the beginning` (`zero` is then the start of a minute), or a
    moment such as `Wed 2026-12-23 12h`: the deployed intervals, moved so that `zero` is in that hour of theirs.
    """
    start = datetime.fromtimestamp(zero, UTC)
    if hours == "open from the beginning":
        return {**_SIMPLE["open"], "business-hours": [_rest_of_the_day(start)]}
    return _SIMPLE[hours] if hours in _SIMPLE else _moved(deployed, moment(hours), start)


def moment(text: str) -> datetime:
    """The hour that `Wed 2026-12-23 12h` names. Raises ValueError if that day is another weekday."""
    named = datetime.strptime(text, "%a %Y-%m-%d %Hh")  # noqa: DTZ007, it is of the stack's own zone
    if f"{named:%a}" != text[:3]:
        raise ValueError(f'"{text}" is a {named:%A}; correct the weekday or the date')
    return named


def _rest_of_the_day(start: datetime) -> dict[str, Any]:
    times = [{"start_time": f"{start:%H:%M}", "end_time": "24:00"}]
    return {"weekdays": [f"{start:%A}".lower()], "times": times}


def _moved(deployed: list[dict[str, Any]], wanted: datetime, start: datetime) -> Intervals:
    """Intervals in a zone where it is the wanted hour, their weekdays and dates moved by the days in between."""
    offset = next(hours for hours in range(-12, 13) if (start + timedelta(hours=hours)).hour == wanted.hour)
    days = (start.astimezone(timezone(timedelta(hours=offset))).date() - wanted.date()).days
    location = f"Etc/GMT{-offset:+d}"  # the names count westwards
    return {
        interval["name"]: [_later(span, days) | {"location": location} for span in interval["time_intervals"]]
        for interval in deployed
    }


def _later(span: dict[str, Any], days: int) -> dict[str, Any]:
    """One of the two kinds of spans that the stack has, some days later: weekdays, or a single date."""
    if "weekdays" in span:
        return span | {"weekdays": [WEEK[(WEEK.index(day) + days) % 7] for day in span["weekdays"]]}
    parts = (span[part][0] for part in ("years", "months", "days_of_month"))
    day = date(*map(int, parts)) + timedelta(days=days)
    return span | {"years": [str(day.year)], "months": [str(day.month)], "days_of_month": [str(day.day)]}
