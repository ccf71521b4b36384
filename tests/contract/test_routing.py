"""The routing as Alertmanager sees it: the configuration loads, and labels reach receivers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

import catalogue
from checks.alert_tests import fired
from components.alerting import messages, routing, rules
from facts import ROOT
from rehearsal import routes
from settings import Settings
from tests.contract.notified import STACKS, UNRESOLVED, amtool
from tests.signals.inhibition import mutes

CATALOGUE = catalogue.load(ROOT / "services.yaml")
EVERY_CHANNEL = {
    "critical": ["oncall"],
    "warning": ["warning"],
    "info": ["info"],
    "none": ["heartbeat"],
}
HEARD = {
    "dev": EVERY_CHANNEL,
    "dev with Slack alone": {
        "critical": ["oncall-by-slack"],
        "warning": ["warning"],
        "info": ["info"],
        "none": ["heartbeat-by-slack"],
    },
    "dev without channels": {
        "critical": ["nobody"],
        "warning": ["nobody"],
        "info": ["nobody"],
        "none": ["nobody"],
    },
    "prod": EVERY_CHANNEL,
}
"""The receivers of each severity in each stack; the only alert of severity none is Watchdog."""

FIRED = list({tuple(sorted(labels.items())): labels for labels in fired()}.values())
"""Every label set that an alert of alerts/ fires with in a test."""
ALERTS = {(labels["alertname"], labels["severity"]): labels for labels in FIRED}
"""Each alert once."""

KIND = {"severity", "owner", "symptom", "scope"}
"""Labels that say of what kind an alert is and whose: they tell no two instances of it apart."""


def written(settings: Settings, directory: Path) -> Path:
    """A stack's configuration as a file, whose templates are in the same directory."""
    text = yaml.dump(routing.alertmanager_configuration(settings), Dumper=yaml.CSafeDumper)
    path = directory / "alertmanager.yaml"
    path.write_text(text.replace(messages.TEMPLATES_GLOB, str(directory / "*.tmpl")))
    return path


def receivers_of(configuration: Path, labels: dict[str, str]) -> list[str]:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    return amtool("config", "routes", "test", "--config.file", configuration, *pairs).strip().split(",")


@pytest.mark.usefixtures("template_files")
@pytest.mark.parametrize("settings", STACKS.values(), ids=STACKS)
def test_alertmanager_accepts_the_configuration(settings: Settings, tmp_path: Path) -> None:
    said = amtool("check-config", written(settings, tmp_path))
    assert f"{len(messages.templates())} templates" in said


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ({"alertname": "ServiceDown", "service": "gateway", "severity": "critical"}, ["oncall"]),
        ({"alertname": "PageUnresolved", "page": "ServiceDown", "severity": "none"}, ["escalation"]),
        ({"alertname": "KubePodCrashLooping", "namespace": "x", "severity": "warning"}, ["warning"]),
        ({"alertname": "NoOrdersCreated", "severity": "info"}, ["info"]),
        ({"alertname": "Watchdog", "severity": "none"}, ["heartbeat"]),
        ({"alertname": "Watchdog", "severity": "critical"}, ["heartbeat"]),
        ({"alertname": "Forgotten"}, ["unrouted"]),
        ({"alertname": "Misspelt", "severity": "critcal"}, ["unrouted"]),
    ],
)
def test_labels_reach_the_specified_receivers(labels: dict[str, str], receivers: list[str], tmp_path: Path) -> None:
    assert receivers_of(written(STACKS["prod"], tmp_path), labels) == receivers


@pytest.mark.parametrize("name", STACKS)
def test_every_alert_reaches_the_receivers_of_its_severity(name: str, tmp_path: Path) -> None:
    configuration = written(STACKS[name], tmp_path)
    for (_, severity), labels in ALERTS.items():
        assert receivers_of(configuration, labels) == HEARD[name][severity], labels


@pytest.mark.parametrize("name", STACKS)
def test_our_own_matching_of_routes_agrees_with_alertmanagers(name: str, tmp_path: Path) -> None:
    """Checks of routes and the bounds of drills rest on it."""
    configuration = written(STACKS[name], tmp_path)
    root = yaml.safe_load(configuration.read_text())["route"]
    for labels in [*ALERTS.values(), UNRESOLVED, {"alertname": "Forgotten"}]:
        ours = [route["receiver"] for route in routes.taken(root, partial(routes.matches, labels=labels))]
        assert ours == receivers_of(configuration, labels), labels


def test_severities_of_an_alert_are_compared_by_all_that_tells_its_instances_apart() -> None:
    """Without a label of them, the page about one instance would mute the warning about another."""
    equal = [set(rule["equal"]) for rule in routing.inhibit_rules() if "alertname" in rule["equal"]]
    compared = set.intersection(*equal)
    for rule in alert_rules():
        constant = {name for name, value in rule["labels"].items() if "{{" not in value}
        varying = {name for labels in FIRED if labels["alertname"] == rule["alert"] for name in labels}
        assert varying - constant - KIND <= compared, rule["alert"]


def alert_rules() -> list[dict[str, Any]]:
    """Every alert of alerts/ as it is written."""
    files = rules.read(ROOT / "alerts").values()
    return [rule for file in files for group in file["groups"] for rule in group["rules"] if "alert" in rule]


def muted(source: dict[str, str], target: dict[str, str]) -> bool:
    """Whether a firing target is muted while a source fires."""
    return any(mutes(rule, source, target) for rule in routing.inhibit_rules())


def test_no_page_is_muted_as_its_resolve_would_be_too() -> None:
    pages = [labels for labels in FIRED if labels["severity"] == "critical"]
    assert not [(other, page) for page in pages for other in FIRED if muted(other, page)]
