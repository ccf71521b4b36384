"""Business hours as Prometheus evaluates them, against Python's zones: every half hour of the days that matter."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from components.alerting import business_hours
from components.alerting.business_hours import YEARS
from settings import BusinessHours
from tests.contract.test_rules import promtool

HALF_HOURS = [timedelta(minutes=30 * number) for number in range(2 * 24)]
CASES = {
    "New York": {"timeZone": "America/New_York", "holidays": ["2026-12-25", "2027-01-01"]},
    "a night of Berlin's": {
        "timeZone": "Europe/Berlin",
        "days": ["saturday", "sunday"],
        "start": "00:00",
        "end": "03:30",
    },
    "half an hour of summer": {"timeZone": "Australia/Lord_Howe", "start": "08:30", "end": "24:00"},
    "the other half of the year": {"timeZone": "America/Santiago", "days": ["sunday", "monday"]},
    "a quarter of an hour": {"timeZone": "Asia/Kathmandu", "holidays": ["2026-12-31"]},
    "a change at midnight of UTC": {"timeZone": "Asia/Jerusalem", "days": ["friday"], "start": "01:00", "end": "04:00"},
    "UTC": {},
}


def is_open(hours: BusinessHours, at: datetime) -> bool:
    """As the settings say."""
    local = at.astimezone(ZoneInfo(hours.time_zone))
    return (
        f"{local:%A}".lower() in hours.days
        and hours.start <= f"{local:%H:%M}" < hours.end
        and local.date() not in hours.holidays
    )


def days(hours: BusinessHours) -> list[datetime]:
    """A week, the holidays, and each day of ten years on which clocks change, with the day after it."""
    zone = ZoneInfo(hours.time_zone)
    first, last = datetime(YEARS.start, 1, 1, tzinfo=UTC), datetime(YEARS.stop, 1, 1, tzinfo=UTC)
    every = [first + timedelta(days=number) for number in range((last - first).days)]
    offsets = [day.astimezone(zone).utcoffset() for day in every]
    changes = [number for number in range(1, len(every)) if offsets[number] != offsets[number - 1]]
    chosen = {*range(7), *(number + around for number in changes for around in (-1, 0))}
    chosen |= {(day - date(YEARS.start, 1, 1)).days for day in hours.holidays}
    return [every[number] for number in sorted(chosen)]


def case(hours: BusinessHours, day: datetime) -> dict[str, Any]:
    """What promtool must find on a day of UTC."""
    expected = [
        {
            "expr": "business_hours:open:info",
            "eval_time": f"{past // timedelta(minutes=1)}m",
            "exp_samples": [{"labels": "business_hours:open:info", "value": 1}] if is_open(hours, day + past) else [],
        }
        for past in HALF_HOURS
    ]
    return {"name": f"{day:%Y-%m-%d}", "start_timestamp": f"{day:%Y-%m-%dT%H:%M:%SZ}", "promql_expr_test": expected}


@pytest.mark.parametrize("written", CASES.values(), ids=CASES.keys())
def test_they_are_as_the_settings_say_at_every_half_hour(written: dict[str, Any], tmp_path: Path) -> None:
    hours = BusinessHours.model_validate(written)
    groups = [{"name": "business-hours", "rules": business_hours.rules(hours)}]
    cases = [case(hours, day) for day in days(hours)]
    assert any(expected["exp_samples"] for one in cases for expected in one["promql_expr_test"])
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    tests = {"rule_files": ["rules.yaml"], "evaluation_interval": "30m", "tests": cases}
    (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
    promtool("test", "rules", tmp_path / "tests.yaml")
