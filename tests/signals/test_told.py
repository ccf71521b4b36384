"""When people are told: real Prometheus and Alertmanager, in scaled time, with what the program makes of rules.

The rules' conditions are functions of the time, so that each story is one rule file. Halfway Prometheus is restarted
and Alertmanager reloads, which nobody may notice.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

import catalogue
from components.alerting import messages, rules
from components.alerting.routing import alertmanager_configuration
from components.metrics.component import FOR_GRACE_PERIOD
from facts import ROOT
from settings import Settings, read_stack
from tests.contract.notified import amtool
from tests.contract.test_messages import data, render
from tests.signals.alertmanager import Alertmanager, Told
from tests.signals.prometheus import configure, holds, notified, prometheus

FACTOR = 30
"""At which a restart of Prometheus, whose time does not count for a `for`, takes a minute of the story at most."""
UNTIL = 52
"""Minute at which everything has been told."""
ACKNOWLEDGED, RESTARTED, RELOADED = 10, 20, 24
LATE = 2.5
"""Minutes that a message may be late: an evaluation, a group's wait, and what a busy machine takes."""
TICK = {"oncall": 1, "warning": 5, "escalation": 5}
"""Minutes between two messages of a group, at whose end a resolve is told."""

# Minutes during which the condition of each alert holds; all rules have a `for` of one.
PAGES: dict[str, list[tuple[float, float]]] = {
    "PageThatLasts": [(0, 40)],
    "PageThatIsAcknowledged": [(0, 40)],
    "PageThatFlaps": [(0, 5), (28, 33)],
    "PageThatTakesOver": [(8, 40)],
    "PageThatIsTakenOver": [(0, 40)],
}
WARNINGS: dict[str, list[tuple[float, float]]] = {
    "WarningThatLasts": [(0, 40)],
    "WarningThatFlaps": [(start, start + 2) for start in range(0, 50, 7)],
    "WarningThatCameTwice": [(0, 3), (13, 48)],
    "WarningOfFortyPods": [(0, 40)],
}


@dataclass(frozen=True)
class Heard:
    """What people were told, in minutes of the story."""

    zero: float
    told: list[Told]

    def of(self, name: str) -> list[tuple[str, str, float]]:
        """Who was told what of an alert and when: receiver, status, minute; PagerDuty stands for who is on call."""
        return [
            (each.who.partition("/")[0], each.status, (each.at - self.zero) * FACTOR / 60)
            for each in self.told
            if name in (each.labels["alertname"], each.labels.get("page")) and each.who != "oncall/slack"
        ]


def alert(name: str, severity: str, spans: list[tuple[float, float]], zero: float) -> dict[str, Any]:
    """A rule as somebody writes it into `alerts/`."""
    of_service = f'label_replace({holds(spans, zero, FACTOR)}, "service", "order-service", "", "")'
    pods = range(40) if "Forty" in name else range(1)
    # As HighErrorRate makes way for SharedDependencyFailing.
    if name == "PageThatIsTakenOver":
        other = 'ALERTS{alertname="PageThatTakesOver", alertstate="firing"}'
        of_service += f" unless on () ({other} and {other} offset 1m)"
    return {
        "alert": name,
        "expr": " or ".join(f'label_replace({of_service}, "pod", "pod-{number}", "", "")' for number in pods),
        "for": "1m",
        "labels": {"severity": severity},
        "annotations": {"summary": "It is so.", "description": "{{ $labels.service }} is so.", "dashboard": "x"},
    }


def groups(settings: Settings, zero: float, directory: Path) -> list[dict[str, Any]]:
    """The rule groups that the program makes of these alerts."""
    (directory / "runbooks").mkdir()
    written = [alert(name, "critical", spans, zero) for name, spans in PAGES.items()]
    written += [alert(name, "warning", spans, zero) for name, spans in WARNINGS.items()]
    for rule in written:
        (directory / "runbooks" / f"{rule['alert']}.md").touch()
    (directory / "story.yaml").write_text(yaml.safe_dump({"groups": [{"name": "story", "rules": written}]}))
    made = rules.prometheus_rules(directory, catalogue.load(ROOT / "services.yaml"), settings)
    return [*made["story"], *made[rules.ESCALATION]]


def acknowledge(page: str, settings: Settings, manager: Alertmanager, directory: Path) -> None:
    """Silence what the link in the page's message says, by Alertmanager's own template engine and command."""
    for name, text in messages.templates().items():
        (directory / name).write_text(text)
    labels = {"alertname": page, "service": "order-service", "severity": "critical"}
    sample = data("firing", {"labels": labels, "annotations": {}})
    link = render(settings, sample, str(directory / "*.tmpl"), directory)["oncall.pagerduty_configs.0.links.3.href"]
    matchers = re.findall(r'\w+="[^"]*"', unquote(link.partition("filter=")[2]))
    where = f"--alertmanager.url={manager.client.base_url}"
    amtool("silence", "add", where, "--author=test", "--comment=acknowledged", "--duration=1d", *matchers)


def wait_for(minute: float, zero: float) -> None:
    time.sleep(max(0.0, zero + 60 * minute / FACTOR - time.time()))


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Heard:
    """Everything, told once."""
    settings = read_stack(ROOT / "Pulumi.prod.yaml")
    configuration = alertmanager_configuration(settings)
    written, running = tmp_path_factory.mktemp("alerts"), tmp_path_factory.mktemp("told")
    with notified(configuration, running / "alertmanager", FACTOR) as (server, manager):
        zero = time.time() + 3
        configure(running, groups(settings, zero, written), settings.scrape.infrastructure, manager, FACTOR)
        with prometheus(running, FOR_GRACE_PERIOD, FACTOR):
            wait_for(ACKNOWLEDGED, zero)
            acknowledge("PageThatIsAcknowledged", settings, manager, written)
            wait_for(RESTARTED, zero)
        with prometheus(running, FOR_GRACE_PERIOD, FACTOR):
            wait_for(RELOADED, zero)
            manager.reload()
            wait_for(UNTIL, zero)
        return Heard(zero, list(server.told))


def in_time(told: list[tuple[str, str, float]], *expected: tuple[str, str, float]) -> bool:
    """Whether exactly this was told, none of it early and each in time."""
    late = [LATE + (TICK[receiver] if status == "resolved" else 0) for receiver, status, _ in expected]
    return len(told) == len(expected) and all(
        (is_[0], is_[1]) == (wanted[0], wanted[1]) and wanted[2] <= is_[2] <= wanted[2] + slack
        for is_, wanted, slack in zip(sorted(told, key=lambda one: one[2]), expected, late, strict=True)
    )


def test_a_page_that_lasts_is_told_at_once_and_by_email_after_half_an_hour_and_closed(heard: Heard) -> None:
    told = heard.of("PageThatLasts")
    assert in_time([one for one in told if one[0] == "oncall"], ("oncall", "firing", 1), ("oncall", "resolved", 40))
    rest = [one for one in told if one[0] != "oncall"]
    assert in_time(rest, ("escalation", "firing", 31), ("escalation", "resolved", 40)), told


def test_a_page_that_is_acknowledged_reaches_no_email_and_is_closed(heard: Heard) -> None:
    told = heard.of("PageThatIsAcknowledged")
    assert in_time(told, ("oncall", "firing", 1), ("oncall", "resolved", 40)), told


def test_a_page_that_ended_and_came_back_before_half_an_hour_is_two_pages_and_no_email(heard: Heard) -> None:
    told = heard.of("PageThatFlaps")
    assert [one[:2] for one in told] == [("oncall", "firing"), ("oncall", "resolved")] * 2, told


def test_a_page_that_is_taken_over_is_closed_after_the_other_is_told(heard: Heard) -> None:
    (_, _, taken), (_, status, closed) = (one for one in heard.of("PageThatIsTakenOver") if one[0] == "oncall")
    over = heard.of("PageThatTakesOver")[0]
    assert status == "resolved"
    assert over[:2] == ("oncall", "firing")
    assert taken < over[2] < closed, (taken, over, closed)


def test_a_warning_that_lasts_is_told_after_its_wait_and_closed(heard: Heard) -> None:
    told = heard.of("WarningThatLasts")
    assert in_time(told, ("warning", "firing", 16), ("warning", "resolved", 40)), told


def test_a_warning_that_flaps_is_told_nobody(heard: Heard) -> None:
    assert heard.of("WarningThatFlaps") == []


def test_a_warning_that_ended_and_came_back_waits_anew(heard: Heard) -> None:
    told = heard.of("WarningThatCameTwice")
    assert in_time(told[:1], ("warning", "firing", 29)), told


def test_forty_warnings_of_one_cause_are_one_message(heard: Heard) -> None:
    told = [each for each in heard.told if each.labels["alertname"] == "WarningOfFortyPods"]
    assert len({each.labels["pod"] for each in told}) == 40
    assert len({each.message for each in told if each.status == "firing"}) == 1


def test_nothing_else_is_told(heard: Heard) -> None:
    assert {each.labels["alertname"] for each in heard.told} == {
        *PAGES,
        *(WARNINGS.keys() - {"WarningThatFlaps"}),
        "PageUnresolved",
    }
