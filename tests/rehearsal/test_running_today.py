"""The same stack with the application as it is today: its dashboards and alerts need no instrumentation package."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import catalogue
from checks.waiting import eventually, until_none
from facts import ROOT
from report import variables
from report.sources import Period
from tests.rehearsal import panels
from tests.rehearsal.running import Running, up

UNTOLD = [f'event="{event.name}"' for event in catalogue.load(ROOT / "services.yaml").events if event.untold]
"""What no line of today tells, and so no panel shows."""
RANGE_SECONDS = 120
"""As in test_panels.py."""


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The stack with services of today's dialect."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIALECT", "today")
        with up(tmp_path_factory.mktemp("today")) as running:
            yield running


def test_every_panel_returns_data_but_those_that_need_the_package(today: Running) -> None:
    """Each with every value of its variables; what needs the package says so where it has nothing."""
    period = Period.last(RANGE_SECONDS, scrape=panels.scrape_interval(today))
    where = panels.sources(today)
    asked = [
        question
        for shown in panels.boards(today)
        for question in panels.questions(shown, variables.values(shown, where, period), period)
        if question.panel.empty is None and not any(event in question.target.expr for event in UNTOLD)
    ]
    assert len({question.panel.board for question in asked}) > 3
    panels.wait_until_answered(today, asked, RANGE_SECONDS)


def test_orders_and_logins_are_counted_from_lines(today: Running) -> None:
    for name in ("service:orders_created:rate5m", "service:logins:rate5m"):
        eventually(lambda name=name: today.query(f"{name} > 0"), what=f"{name} is above 0")  # type: ignore[misc]
    assert today.query("service:logins_failed:rate5m")  # not absent, while none fails


def test_a_healthy_application_of_today_alerts_nobody(today: Running) -> None:
    """What it lacks is no fault; an alert would be pending first, as one is for 10 min, until Loki first deletes."""

    def others() -> set[str]:
        names = {item["metric"]["alertname"] for item in today.query("ALERTS")}
        return names - {"LokiRetentionNotApplied", "Watchdog"} - today.of_this_machine

    until_none(others, what="these alerts are there")
    assert today.query('ALERTS{alertname="Watchdog", alertstate="firing"}')
