"""When the production stack tells of info alerts: the deployed business hours, at any moment of any year."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

import catalogue
from components import routing
from settings import KEY, parse
from tests.program import ROOT, merged
from tests.signals.hours import WEEK, moment
from tests.signals.matrix import Matrix

CATALOGUE = catalogue.load(ROOT / "services.yaml")
PROD = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"][KEY]
DEPLOYED = routing.alertmanager_configuration(parse(PROD))
WORKDAYS = WEEK[:5]


def tells_info(configuration: dict[str, Any], at: datetime) -> bool:
    """Whether the info route may notify at a moment.

    A stand-in for Alertmanager's own evaluation, by its documentation: no tool of it takes a time.
    """
    (route,) = (route for route in configuration["route"]["routes"] if route["matchers"] == ['severity="info"'])
    intervals = {item["name"]: item["time_intervals"] for item in configuration["time_intervals"]}

    def within(name: str) -> bool:
        return any(contains(interval, at) for interval in intervals[name])

    muted = any(within(name) for name in route.get("mute_time_intervals", []))
    return not muted and any(within(name) for name in route["active_time_intervals"])


def contains(interval: dict[str, Any], at: datetime) -> bool:
    """Whether a moment is in one time interval: in every part of it that is given."""
    local = at.astimezone(ZoneInfo(interval["location"]))
    clock = f"{local:%H:%M}"
    parts: dict[str, Callable[[Any], bool]] = {
        "weekdays": lambda days: f"{local:%A}".lower() in days,
        "times": lambda spans: any(span["start_time"] <= clock < span["end_time"] for span in spans),
        "years": lambda years: str(local.year) in years,
        "months": lambda months: str(local.month) in months,
        "days_of_month": lambda days: str(local.day) in days,
    }
    return all(parts[part](wanted) for part, wanted in interval.items() if part != "location")


def open_hours(configuration: dict[str, Any], day: str, days: int = 1) -> dict[str, list[int]]:
    """The hours in UTC, by weekday in UTC, whose every quarter is open; raises if one is open in part."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    found: dict[str, list[int]] = {}
    for number in range(24 * days):
        hour = start + timedelta(hours=number)
        quarters = {tells_info(configuration, hour + timedelta(minutes=minute)) for minute in (0, 15, 30, 45, 59)}
        assert len(quarters) == 1, hour
        if quarters == {True}:
            found.setdefault(f"{hour:%A}".lower(), []).append(hour.hour)
    return found


@pytest.mark.parametrize(("hour", "told"), Matrix().moments.items())
def test_the_stand_in_agrees_with_what_alertmanager_does(hour: str, *, told: bool) -> None:
    """test_routing_times.py shows the real one at these moments."""
    zone = ZoneInfo(PROD["businessHours"]["timeZone"])
    assert tells_info(DEPLOYED, moment(hour).replace(tzinfo=zone)) == told


@pytest.mark.parametrize(
    ("monday", "days", "hours"),
    [
        pytest.param("2026-10-26", WORKDAYS, range(13, 21), id="summer time, to the Sunday of the change"),
        pytest.param("2026-11-02", WORKDAYS, range(14, 22), id="winter time"),
        pytest.param("2026-12-21", WORKDAYS[:4], range(14, 22), id="Christmas"),
        pytest.param("2026-12-28", WORKDAYS[:4], range(14, 22), id="New Year"),
        pytest.param("2027-03-08", WORKDAYS, range(14, 22), id="winter time, to the Sunday of the change"),
        pytest.param("2027-03-15", WORKDAYS, range(13, 21), id="summer time again"),
        pytest.param("2027-12-20", WORKDAYS, range(14, 22), id="a holiday is of one year"),
    ],
)
def test_production_hears_of_info_from_nine_to_five_in_new_york(monday: str, days: list[str], hours: range) -> None:
    assert open_hours(DEPLOYED, monday, 7) == {day: list(hours) for day in days}


@pytest.mark.parametrize(
    ("sunday", "start", "end", "hours"),
    [
        pytest.param("2026-11-01", "09:00", "17:00", range(14, 22), id="the day is an hour longer"),
        pytest.param("2026-11-01", "00:00", "03:00", range(4, 8), id="one hour comes twice"),
        pytest.param("2027-03-14", "09:00", "17:00", range(13, 21), id="the day is an hour shorter"),
        pytest.param("2027-03-14", "00:00", "03:00", range(5, 7), id="one hour is missing"),
    ],
)
def test_hours_on_the_day_that_the_clocks_change(sunday: str, start: str, end: str, hours: range) -> None:
    settings = parse(merged(PROD, {"businessHours": {"days": ["sunday"], "start": start, "end": end}}))
    configuration = routing.alertmanager_configuration(settings)
    assert open_hours(configuration, sunday) == {"sunday": list(hours)}
