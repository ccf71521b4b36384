"""Times on pages: the one script that writes them names the viewer's zone, and every page with a script has it."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from engine.npm import NODE
from facts import ROOT
from local.times import TIMES
from report.markup import moment, tag, utc
from report.page import drawn_by_script
from review.findings import Review
from review.history import Period
from review.page import page as review_page
from simulation.receivers.document import document
from tests.unit.report_samples import text

AT = 1764770700.0
"""2025-12-03 14:05 UTC, in winter."""
SUMMER = 1751551500.0
PAGE = """
const times = [
  { dateTime: AT, dataset: {}, textContent: "then" },
  { dateTime: AT, dataset: { words: "" }, textContent: "1 h ago" },
];
localTimes({ querySelectorAll: () => times });
console.log(JSON.stringify(times.map(({ textContent, title }) => [textContent, title])));
"""


def written(at: float, zone: str) -> list[list[str]]:
    """Text and title of a time, and of one that is shown in words, once the script has run."""
    script = TIMES + PAGE.replace("AT", json.dumps(round(at * 1000)))
    environment = os.environ | {"TZ": zone, "LC_ALL": "en_US.UTF-8"}
    done = subprocess.run([NODE, "-e", script], env=environment, capture_output=True, text=True, check=True)
    found: list[list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("at", "zone", "shown"),
    [
        (AT, "UTC", "2025-12-03 14:05:00 UTC"),
        (AT, "Asia/Kolkata", "2025-12-03 19:35:00 GMT+5:30"),
        (AT, "America/New_York", "2025-12-03 09:05:00 EST"),
        (SUMMER, "America/New_York", "2025-07-03 10:05:00 EDT"),
    ],
)
def test_a_time_names_the_viewers_zone_at_that_time(at: float, zone: str, shown: str) -> None:
    assert written(at, zone) == [[shown, "then"], ["1 h ago", shown]]


def test_without_a_script_a_time_names_utc() -> None:
    assert text(moment(AT)) == utc(AT) == "2025-12-03 14:05:00 UTC"
    said = review_page(Review(Period(AT, AT + 86_400, 1.0, 15)), where="Here", since=86_400).decode()
    assert "From 2025-12-03 14:05:00 UTC to 2025-12-04 14:05:00 UTC" in said


def test_every_page_with_a_script_writes_times_by_the_same_one() -> None:
    for page in (drawn_by_script("a", tag("p", "b")).decode(), document("a", "b", "localTimes(document);")):
        assert TIMES in page
    elsewhere = re.compile(r"toLocale|getHours|DateTimeFormat|timeZoneName")
    own = [path for folder in ("local", "report", "simulation") for path in (ROOT / folder).glob("**/*.js")]
    assert {path.name for path in own if elsewhere.search(path.read_text())} == {"times.js"}
