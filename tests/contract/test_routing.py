"""The routing as Alertmanager sees it: the configuration loads, labels reach receivers, messages can be written."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

import catalogue
from components import messages, routing
from rehearsal.toolchain import tool
from settings import KEY, Settings, parse
from tests.contract.alert_tests import fired
from tests.program import ROOT

CATALOGUE = catalogue.load(ROOT / "services.yaml")
NO_CHANNELS = dict.fromkeys(("slack", "pagerduty", "email", "heartbeat"))

EVERY_CHANNEL = {
    'severity="critical"': ["oncall", "escalation"],
    'severity="warning"': ["warning"],
    'severity="info"': ["info"],
}

LABELS = {
    "alertname": "ServiceDown",
    "service": "order-service",
    "severity": "critical",
    "cluster": "prod",
}
ANNOTATIONS = {
    "summary": "A service is down.",
    "description": "order-service is down: no target of it can be scraped.",
    "runbook_url": "https://runbooks.test/ServiceDown.md",
    "dashboard_url": "https://grafana.test/d/system-health?var-service=order-service",
}
START = "2026-11-23T10:00:00Z"
AN_HOUR_BEFORE = 1795424400000


def stack(name: str, **channels: Any) -> Settings:
    settings = parse(yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"][KEY])
    return settings.model_copy(update={"notifications": settings.notifications.model_copy(update=channels)})


STACKS = {"dev": stack("dev"), "dev without channels": stack("dev", **NO_CHANNELS), "prod": stack("prod")}


@pytest.fixture
def template_files(tmp_path: Path) -> str:
    """Glob of the message templates, written as the operator mounts them."""
    for name, text in messages.templates().items():
        (tmp_path / name).write_text(text)
    return str(tmp_path / "*.tmpl")


def written(settings: Settings, directory: Path) -> Path:
    """A stack's configuration as a file, whose templates are in the same directory."""
    text = yaml.safe_dump(routing.alertmanager_configuration(settings, CATALOGUE))
    path = directory / "alertmanager.yaml"
    path.write_text(text.replace(messages.TEMPLATES_GLOB, str(directory / "*.tmpl")))
    return path


def amtool(*arguments: str | Path) -> str:
    command = [str(tool("amtool")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


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
        ({"alertname": "ServiceDown", "service": "gateway", "severity": "critical"}, ["oncall", "escalation"]),
        ({"alertname": "KubePodCrashLooping", "namespace": "x", "severity": "warning"}, ["warning"]),
        ({"alertname": "CPUThrottlingHigh", "severity": "info"}, ["info"]),
        ({"alertname": "Watchdog", "severity": "none"}, ["heartbeat"]),
        ({"alertname": "Watchdog", "severity": "critical"}, ["heartbeat"]),
        ({"alertname": "Forgotten"}, ["unrouted"]),
        ({"alertname": "Misspelt", "severity": "critcal"}, ["unrouted"]),
    ],
)
def test_labels_reach_the_specified_receivers(labels: dict[str, str], receivers: list[str], tmp_path: Path) -> None:
    assert receivers_of(written(STACKS["prod"], tmp_path), labels) == receivers


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_every_alert_reaches_a_receiver_of_its_severity(name: str, tmp_path: Path) -> None:
    configuration = written(STACKS[name], tmp_path)
    wanted = {"critical": ["oncall", "escalation"], "warning": ["warning"], "info": ["info"], "none": ["heartbeat"]}
    for labels in {tuple(sorted(labels.items())): labels for labels in fired()}.values():
        assert receivers_of(configuration, labels) == wanted[labels["severity"]], labels


def test_without_channels_the_receiver_says_that_nobody_is_told(tmp_path: Path) -> None:
    assert receivers_of(written(STACKS["dev without channels"], tmp_path), LABELS) == ["nobody", "nobody"]


def muted(source: dict[str, str], target: dict[str, str]) -> bool:
    """Whether an inhibition rule mutes a firing target while a source fires.

    A stand-in for Alertmanager's own matching, by its documentation; the rehearsal shows the real one.
    """

    def matches(matcher: str, labels: dict[str, str]) -> bool:
        name, operator, value = re.fullmatch(r'(\w+)(=~|=)"(.*)"', matcher).groups()  # type: ignore[union-attr]
        found = labels.get(name, "")
        return bool(re.fullmatch(value, found)) if operator == "=~" else found == value

    return source != target and any(
        all(matches(matcher, source) for matcher in rule["source_matchers"])
        and all(matches(matcher, target) for matcher in rule["target_matchers"])
        and all(source.get(name, "") == target.get(name, "") for name in rule["equal"])
        for rule in routing.inhibit_rules(CATALOGUE)
    )


def test_a_service_that_is_down_mutes_its_symptoms_and_the_gateways_and_nothing_else() -> None:
    down = {"alertname": "ServiceDown", "service": "order-service", "severity": "critical"}
    assert down in fired()
    for labels in fired():
        concerned = labels.get("service") in {"order-service", "gateway"}
        assert muted(down, labels) == ("symptom" in labels and concerned), labels
    assert not muted(down, {"alertname": "HighErrorRate", "service": "user-service", "symptom": "errors"})


def test_the_higher_threshold_of_a_symptom_mutes_the_lower_one_of_the_same_service() -> None:
    high = {"alertname": "HighErrorRate", "service": "order-service", "severity": "critical", "symptom": "errors"}
    assert high in fired()
    for labels in fired():
        lower = (labels["alertname"], labels.get("service")) == ("ErrorRateElevated", "order-service")
        assert muted(high, labels) == lower, labels


def data(status: str, *alerts: dict[str, Any]) -> dict[str, Any]:
    """What Alertmanager hands to templates for one group."""

    def common(key: str) -> dict[str, str]:
        first = alerts[0][key]
        return {name: value for name, value in first.items() if all(alert[key].get(name) == value for alert in alerts)}

    grouped = ("alertname", "service", "namespace")
    return {
        "receiver": "oncall",
        "status": status,
        "alerts": [{"status": status, "startsAt": START, "endsAt": START, **alert} for alert in alerts],
        "groupLabels": {name: value for name, value in alerts[0]["labels"].items() if name in grouped},
        "commonLabels": common("labels"),
        "commonAnnotations": common("annotations"),
        "externalURL": "https://alertmanager.test",
    }


def alert(labels: dict[str, str] | None = None, **annotations: str) -> dict[str, Any]:
    return {"labels": LABELS | (labels or {}), "annotations": ANNOTATIONS | annotations}


SAMPLES = {
    "firing": data("firing", alert()),
    "resolved": data("resolved", alert()),
    "two alerts": data("firing", alert({"pod": "a"}, description="a"), alert({"pod": "b"}, description="b")),
    "bare": data("firing", {"labels": {"alertname": "Forgotten"}, "annotations": {}}),
    "unnamed": data("firing", {"labels": {"severity": "none"}, "annotations": {}}),
}


def texts(settings: Settings) -> dict[str, str]:
    """Every text of every receiver that is a template, by its place."""
    found: dict[str, str] = {}

    def walk(node: Any, place: str) -> None:
        if isinstance(node, dict):
            for key, value in node.items():
                walk(value, f"{place}.{key}")
        elif isinstance(node, list):
            for number, value in enumerate(node):
                walk(value, f"{place}.{number}")
        elif isinstance(node, str) and "{{" in node:
            found[place] = node

    for receiver in routing.alertmanager_configuration(settings, CATALOGUE)["receivers"]:
        walk(receiver, receiver["name"])
    return found


def render(settings: Settings, sample: dict[str, Any], glob: str, directory: Path) -> dict[str, str]:
    """Every text, written for a sample by Alertmanager's own template engine."""
    path = directory / "data.json"
    path.write_text(json.dumps(sample))
    separator = "\n-- next text --\n"
    wanted = texts(settings)
    template = separator.join(wanted.values())
    files = ("--template.glob", glob, "--template.data", str(path))
    output = amtool("template", "render", *files, "--template.text", template)
    return dict(zip(wanted, output.split(separator), strict=True))


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_no_text_is_broken(sample: dict[str, Any], template_files: str, tmp_path: Path) -> None:
    for place, text in render(STACKS["prod"], sample, template_files, tmp_path).items():
        assert "<no value>" not in text, place
        assert "{{" not in text, place
        assert "\n\n\n" not in text, place


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=SAMPLES)
def test_what_vendors_refuse_when_empty_never_is(sample: dict[str, Any], template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], sample, template_files, tmp_path)
    for place in ("oncall.slack_configs.0.title", "oncall.slack_configs.0.text", "escalation.email_configs.0.text"):
        assert said[place].strip(), place
    assert "\n" not in said["escalation.email_configs.0.headers.Subject"]
    assert 0 < len(said["oncall.pagerduty_configs.0.description"]) <= 1024
    assert said["oncall.pagerduty_configs.0.severity"] in {"critical", "error", "warning", "info"}


@pytest.mark.parametrize("name", ["firing", "resolved", "two alerts"])
def test_pagerdutys_details_are_texts(name: str, template_files: str, tmp_path: Path) -> None:
    """Alertmanager reads each as YAML and sends an object for what looks like one."""
    for place, text in render(STACKS["prod"], SAMPLES[name], template_files, tmp_path).items():
        if ".details." in place:
            assert isinstance(yaml.safe_load(text), str), place


def test_a_message_says_what_happened_to_whom_and_where_to_look(template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], SAMPLES["firing"], template_files, tmp_path)
    title = "[FIRING] ServiceDown order-service (prod)"
    dashboard = f"{ANNOTATIONS['dashboard_url']}&from={AN_HOUR_BEFORE}&to=now"
    silence = (
        "https://alertmanager.test/#/silences/new?filter="
        "%7Balertname%3D%22ServiceDown%22%2Cservice%3D%22order-service%22%7D"
    )

    slack = {place.removeprefix("oncall.slack_configs.0."): text for place, text in said.items() if ".slack_" in place}
    assert slack["title"] == title
    assert slack["title_link"] == dashboard
    assert slack["color"] == "#d72631"
    assert slack["text"].splitlines() == [
        ANNOTATIONS["description"],
        f"<{ANNOTATIONS['runbook_url']}|Runbook> | <{dashboard}|Dashboard> | <{silence}|Silence>",
    ]
    assert [slack[f"fields.{number}.value"] for number in range(4)] == [
        "ServiceDown",
        "order-service",
        "critical",
        "firing",
    ]

    pagerduty = {place.removeprefix("oncall.pagerduty_configs.0."): text for place, text in said.items()}
    assert pagerduty["description"] == f"{title}: A service is down."
    assert pagerduty["severity"] == "critical"
    assert pagerduty["details.alertname"] == "ServiceDown"
    assert pagerduty["details.service"] == "order-service"
    assert pagerduty["details.runbook"] == ANNOTATIONS["runbook_url"]
    assert [pagerduty[f"links.{number}.href"] for number in range(3)] == [
        ANNOTATIONS["runbook_url"],
        dashboard,
        silence,
    ]

    email = {place.removeprefix("escalation.email_configs.0."): text for place, text in said.items()}
    assert email["headers.Subject"] == f"{title}: A service is down."
    assert email["headers.X-Alert-Name"] == "ServiceDown"
    assert email["headers.X-Alert-Service"] == "order-service"
    assert email["headers.X-Alert-Severity"] == "critical"
    assert email["headers.X-Alert-Status"] == "firing"
    for part in (ANNOTATIONS["description"], ANNOTATIONS["runbook_url"], dashboard, silence, "2026-11-23 10:00:00 UTC"):
        assert part in email["text"]


def test_a_resolve_looks_like_one(template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], SAMPLES["resolved"], template_files, tmp_path)
    assert said["oncall.slack_configs.0.title"] == "[RESOLVED] ServiceDown order-service (prod)"
    assert said["oncall.slack_configs.0.color"] == "#2eb67d"
    assert said["escalation.email_configs.0.headers.X-Alert-Status"] == "resolved"


def test_a_message_of_two_alerts_describes_both(template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], SAMPLES["two alerts"], template_files, tmp_path)
    assert said["oncall.slack_configs.0.title"] == "[FIRING:2] ServiceDown order-service (prod)"
    assert said["oncall.slack_configs.0.text"].splitlines()[:2] == ["a", "b"]


def test_an_alert_without_links_leaves_them_out(template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], SAMPLES["bare"], template_files, tmp_path)
    assert "Runbook" not in said["oncall.slack_configs.0.text"]
    assert said["oncall.pagerduty_configs.0.links.1.href"] == ""
    assert said["oncall.pagerduty_configs.0.severity"] == "error"
