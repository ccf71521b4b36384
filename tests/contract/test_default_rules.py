"""The choice among the chart's own alerts: every one is decided, explained, and told once."""

from __future__ import annotations

import re
from typing import get_args

import pytest

from checks.chart_keys import KeyList, list_file
from checks.skeletons import ALERTS
from components.alerting import rules
from components.charts import KUBE_PROMETHEUS_STACK
from components.metrics import default_rules
from components.metrics.default_rules import (
    COVERED_BY_OURS,
    KNOWS_NO_HOURS,
    NOBODY_NEEDS,
    OFF_ON_PLATFORM,
    PAGES_NOBODY,
    TOLD_AT_ONCE,
    Platform,
)
from facts import CHART_ALERTS_RUNBOOK, ROOT
from settings import Escalation, Links
from simulation.receivers.linked import Linked
from tests.unit.browser import Browser

DOCUMENT = ROOT / "docs" / "default-rules.md"
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)

GROUP_OF = {name: group for group, name, *_ in map(str.split, ALERTS.read_text().splitlines()[2:])}
SEVERITIES = {name: set(severities) for _, name, *severities in map(str.split, ALERTS.read_text().splitlines()[2:])}
EXPLAINED = {name: (choice.strip(), why.strip()) for name, choice, why in ROW.findall(DOCUMENT.read_text())}
CUSTOM = default_rules.custom_rules(Escalation())
LINKS = Links(runbooks="http://here.test/pages/alerts/runbooks")
PLATFORMS: tuple[Platform, ...] = get_args(Platform)


def stays(alert: str, platform: Platform) -> bool:
    """Whether the chart installs an alert, as it does unless the alert or its group is off."""
    values = default_rules.default_rules(platform, LINKS)
    return values["rules"].get(GROUP_OF[alert], True) and alert not in values["disabled"]


def choice(alert: str) -> str:
    """What the document says of an alert, in its words."""
    on = [platform for platform in PLATFORMS if stays(alert, platform)]
    if not on:
        return "off"
    where = "" if len(on) == len(PLATFORMS) else f" on {' and '.join(on)}"
    return f"stays{where}" + (", as a warning" if alert in (*PAGES_NOBODY, *KNOWS_NO_HOURS) else "")


def test_the_list_is_that_of_the_pinned_chart() -> None:
    assert f"{KUBE_PROMETHEUS_STACK.name} {KUBE_PROMETHEUS_STACK.version}:" in ALERTS.read_text()


def test_every_alert_of_the_chart_is_explained_and_none_is_made_up() -> None:
    assert set(EXPLAINED) == set(GROUP_OF)
    assert len(ROW.findall(DOCUMENT.read_text())) == len(EXPLAINED), "an alert has two rows"


@pytest.mark.parametrize("alert", GROUP_OF)
def test_the_document_says_what_the_program_does(alert: str) -> None:
    said, why = EXPLAINED[alert]
    assert said == choice(alert)
    assert set(re.findall(r"`(\w+)`", why)) == set(COVERED_BY_OURS.get(alert, ()))
    assert why


def test_what_is_switched_exists_and_is_switched_once() -> None:
    choices = [*COVERED_BY_OURS, *NOBODY_NEEDS]
    assert len(set(choices)) == len(choices)
    for platform in PLATFORMS:
        assert {*choices, *OFF_ON_PLATFORM[platform], *PAGES_NOBODY, *KNOWS_NO_HOURS} <= set(GROUP_OF)
        assert not set(choices) & set(OFF_ON_PLATFORM[platform])


def test_what_covers_an_alert_of_the_chart_exists() -> None:
    ours = {alert for document in rules.read(ROOT / "alerts").values() for alert in rules.alerts(document["groups"])}
    assert {alert for covering in COVERED_BY_OURS.values() for alert in covering} <= ours


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_group_is_off_when_none_of_its_alerts_is_left(platform: Platform) -> None:
    """A group that is on and has no rule is an object that the API server refuses."""
    switched = default_rules.groups(platform)
    for group in set(GROUP_OF.values()):
        alerts = [alert for alert in GROUP_OF if GROUP_OF[alert] == group]
        disabled = default_rules.default_rules(platform, LINKS)["disabled"]
        assert not switched.get(group, True) or not all(alert in disabled for alert in alerts), group


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_chart_knows_every_group(platform: Platform) -> None:
    """`disabled` takes any name, so the alerts are checked against the list above."""
    known = KeyList(list_file(KUBE_PROMETHEUS_STACK).read_text().splitlines())
    assert not list(known.unknown({"defaultRules": default_rules.default_rules(platform, LINKS)}))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_what_stays_has_an_owner_and_not_the_exporters_service(platform: Platform) -> None:
    labels = default_rules.default_rules(platform, LINKS)["additionalRuleGroupLabels"]
    for alert, group in GROUP_OF.items():
        if stays(alert, platform):
            assert labels[group] == {"owner": "platform", "service": ""}


def test_only_what_is_about_to_break_or_ones_own_control_plane_pages() -> None:
    """A critical alert that stays either has a warning of the same name before it, or is about an own control plane."""
    for alert, severities in SEVERITIES.items():
        if "critical" in severities and alert not in PAGES_NOBODY and any(stays(alert, p) for p in PLATFORMS):
            assert "warning" in severities or not stays(alert, "eks"), alert


def test_severities_are_changed_only_for_alerts_that_stay_and_have_another() -> None:
    changed = {alert for alert, values in CUSTOM.items() if "severity" in values}
    assert changed == {*PAGES_NOBODY, *KNOWS_NO_HOURS}
    for severity, alerts in (("critical", PAGES_NOBODY), ("info", KNOWS_NO_HOURS)):
        for alert in alerts:
            assert severity in SEVERITIES[alert]
            assert any(stays(alert, platform) for platform in PLATFORMS)


def test_no_info_alert_of_the_chart_is_told_at_night() -> None:
    for alert, severities in SEVERITIES.items():
        assert "info" not in severities or alert in KNOWS_NO_HOURS or not any(stays(alert, p) for p in PLATFORMS), alert


def test_warnings_that_stay_are_told_later_as_ours_are() -> None:
    """But for those that come as a warning and as a page, and those that the chart gives no `for`."""
    later = {alert for alert, values in CUSTOM.items() if "for" in values}
    for alert, severities in SEVERITIES.items():
        told = {"warning"} if alert in (*PAGES_NOBODY, *KNOWS_NO_HOURS) and len(severities) == 1 else severities
        if any(stays(alert, platform) for platform in PLATFORMS):
            assert (alert in later) == (told == {"warning"} and alert not in TOLD_AT_ONCE), alert
    assert not later & set(TOLD_AT_ONCE)


def test_a_wait_is_the_charts_and_the_stacks() -> None:
    custom = default_rules.custom_rules(Escalation(warning_after="20m"))
    assert custom["KubeJobFailed"] == {"for": "35m"}
    assert custom["KubeAPIDown"] == {"severity": "warning", "for": "35m"}
    assert custom["KubeAPIErrorBudgetBurn"] == {"severity": "warning"}
    assert custom["KubeNodeEviction"] == {"severity": "warning", "for": "20m"}


def runbook(alert: str, platform: Platform) -> str:
    """The link that the chart makes in each of its alerts."""
    return f"{default_rules.default_rules(platform, LINKS)['runbookUrl']}/kubernetes/{alert.lower()}"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_alert_that_stays_has_a_runbook_that_opens(platform: Platform) -> None:
    """As the rehearsal serves it: one page, which has a meaning and a first step for each."""
    staying = [alert for alert in GROUP_OF if stays(alert, platform)]
    (address,) = {runbook(alert, platform).partition("#")[0] for alert in staying}
    page = Browser(Linked()).get(address.removeprefix("http://here.test"))
    assert page.status_code == 200
    rows = re.findall(r"<tr>\n<td><code>(\w+)</code></td>\n<td>(.+?)</td>\n<td>(.+?)</td>\n</tr>", page.text)
    assert not set(staying) - {alert for alert, *_ in rows}
    assert "kubectl" in page.text


def test_the_runbook_of_the_charts_alerts_has_each_that_stays_once_and_no_other() -> None:
    page = (ROOT / "alerts" / "runbooks" / CHART_ALERTS_RUNBOOK).read_text()
    listed = [name for name, *_ in ROW.findall(page)]
    assert sorted(listed) == sorted(alert for alert in GROUP_OF if any(stays(alert, each) for each in PLATFORMS))
