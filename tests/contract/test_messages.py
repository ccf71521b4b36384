"""What every channel says of an alert, by amtool and the deployed templates: no text is broken, and all is said."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml

from components.alerting import routing
from settings import Settings
from tests.contract.notified import LABELS, STACKS, UNRESOLVED, amtool

ANNOTATIONS = {
    "summary": "A service is down.",
    "description": "order-service is down: no target of it can be scraped.",
    "runbook_url": "https://runbooks.test/ServiceDown.md",
    "dashboard_url": "https://grafana.test/d/system-health?var-service=order-service",
}
START, END = "2026-11-23T10:00:00Z", "2026-11-23T10:06:30.4Z"
AN_HOUR_BEFORE = 1795424400000


def data(status: str, *alerts: dict[str, Any]) -> dict[str, Any]:
    """What Alertmanager hands to templates for one group."""

    def common(key: str) -> dict[str, str]:
        first = alerts[0][key]
        return {name: value for name, value in first.items() if all(alert[key].get(name) == value for alert in alerts)}

    grouped = ("alertname", "page", "service", "namespace")
    return {
        "receiver": "oncall",
        "status": status,
        "alerts": [{"status": status, "startsAt": START, "endsAt": END, **alert} for alert in alerts],
        "groupLabels": {name: value for name, value in alerts[0]["labels"].items() if name in grouped},
        "commonLabels": common("labels"),
        "commonAnnotations": common("annotations"),
        "externalURL": "https://alertmanager.test",
    }


def alert(labels: dict[str, str] | None = None, **annotations: str) -> dict[str, Any]:
    return {"labels": LABELS | (labels or {}), "annotations": ANNOTATIONS | annotations}


NODE = {"alertname": "NodeNotReady", "node": "a b+c", "owner": "platform", "severity": "warning", "cluster": "prod"}
SERVICE_RUNBOOK = "https://wiki.test/order-service"

SAMPLES = {
    "firing": data("firing", alert()),
    "resolved": data("resolved", alert()),
    "one of two over": data(
        "firing",
        alert({"pod": "a"}, description="a is") | {"status": "resolved"},
        alert({"pod": "b"}, description="b is"),
    ),
    "two alerts": data("firing", alert({"pod": "a"}, description="a"), alert({"pod": "b"}, description="b")),
    "service runbook": data("firing", alert(service_runbook_url=SERVICE_RUNBOOK)),
    "escalation": data("firing", {"labels": UNRESOLVED, "annotations": ANNOTATIONS}),
    "escalation resolved": data("resolved", {"labels": UNRESOLVED, "annotations": ANNOTATIONS}),
    "bare resolved": data("resolved", {"labels": {"alertname": "Forgotten"}, "annotations": {}}),
    "several services": data(
        "firing",
        alert({"alertname": "LatencyDegraded", "severity": "warning"}, description="a"),
        alert({"alertname": "LatencyDegraded", "severity": "warning", "service": "gateway"}, description="b"),
        alert({"alertname": "LatencyDegraded", "severity": "warning", "pod": "c"}, description="c"),
    ),
    "note": data("firing", alert({"alertname": "NoOrdersCreated", "severity": "info"})),
    "note resolved": data("resolved", alert({"alertname": "NoOrdersCreated", "severity": "info"})),
    "no service": data("firing", {"labels": NODE, "annotations": ANNOTATIONS}),
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

    for receiver in routing.alertmanager_configuration(settings)["receivers"]:
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


@pytest.mark.parametrize(
    "name", ["firing", "resolved", "one of two over", "two alerts", "service runbook", "no service"]
)
def test_pagerdutys_details_are_texts(name: str, template_files: str, tmp_path: Path) -> None:
    """Alertmanager reads each as YAML and sends an object for what looks like one."""
    for place, text in render(STACKS["prod"], SAMPLES[name], template_files, tmp_path).items():
        if ".details." in place:
            assert sent_by_pagerduty(text) == text, place


def sent_by_pagerduty(text: str) -> Any:
    """What Alertmanager sends for a detail: the text itself where it is no YAML or a text in YAML."""
    try:
        read = yaml.safe_load(text)
    except yaml.YAMLError:
        return text
    return text if isinstance(read, str) else read


DASHBOARD = f"{ANNOTATIONS['dashboard_url']}&from={AN_HOUR_BEFORE}&to=now"
ACKNOWLEDGE = (
    "https://alertmanager.test/#/silences/new?filter="
    "%7Balertname%3D%22PageUnresolved%22%2Cpage%3D%22ServiceDown%22%2Cservice%3D%22order-service%22%7D"
)
STATUSES = ("firing", "resolved")
CHANNELS = {
    "Slack": "oncall.slack_configs.0.",
    "PagerDuty": "oncall.pagerduty_configs.0.",
    "e-mail": "escalation.email_configs.0.",
}
"""Where the texts of each channel are."""


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("name", ["firing", "service runbook", "escalation", "no service"])
def test_every_channel_says_all_that_is_to_be_said(
    channel: str, name: str, template_files: str, tmp_path: Path
) -> None:
    sample = SAMPLES[name]
    labels, annotations = sample["alerts"][0]["labels"], sample["alerts"][0]["annotations"]
    texts = render(STACKS["prod"], sample, template_files, tmp_path).items()
    said = "\n".join(text for place, text in texts if place.startswith(CHANNELS[channel]))
    for part in (
        labels.get("page", labels["alertname"]),
        labels.get("service", labels["owner"]),
        labels["owner"],
        "critical" if "page" in labels else labels["severity"],
        sample["status"],
        annotations["summary"],
        annotations["description"],
        annotations["runbook_url"],
        annotations.get("service_runbook_url", ""),
        DASHBOARD,
        ACKNOWLEDGE if "service" in labels else f"silences/new?filter=%7Balertname%3D%22{labels['alertname']}%22%2C",
    ):
        assert part in said, part


def test_nothing_is_said_of_a_services_runbook_where_there_is_none(template_files: str, tmp_path: Path) -> None:
    assert "Service runbook" not in said_by("Slack", "firing", template_files, tmp_path)["text"]
    assert said_by("PagerDuty", "firing", template_files, tmp_path)["links.1.href"] == ""  # then there is no link
    assert "Service's" not in said_by("e-mail", "firing", template_files, tmp_path)["text"]


def test_slack_says_what_happened_to_whom_and_where_to_look(template_files: str, tmp_path: Path) -> None:
    slack = said_by("Slack", "service runbook", template_files, tmp_path)
    assert slack["title"] == "[FIRING] ServiceDown order-service (prod)"
    assert slack["title_link"] == DASHBOARD
    assert slack["color"] == "#d72631"
    links = {"Runbook": ANNOTATIONS["runbook_url"], "Service runbook": SERVICE_RUNBOOK, "Dashboard": DASHBOARD}
    assert slack["text"].splitlines() == [
        "*A service is down.*",
        ANNOTATIONS["description"],
        " | ".join(f"<{url}|{text}>" for text, url in (links | {"Acknowledge": ACKNOWLEDGE}).items()),
    ]
    fields = ["ServiceDown", "order-service", "orders-team", "critical", "firing"]
    assert [slack[f"fields.{number}.value"] for number in range(5)] == fields


def test_pagerduty_says_what_happened_to_whom_and_where_to_look(template_files: str, tmp_path: Path) -> None:
    pagerduty = said_by("PagerDuty", "service runbook", template_files, tmp_path)
    assert pagerduty["description"] == "ServiceDown order-service (prod): A service is down.", "resolved or not"
    assert pagerduty["severity"] == "critical"
    assert pagerduty["details.alertname"] == "ServiceDown"
    assert pagerduty["details.service"] == "order-service"
    assert pagerduty["details.owner"] == "orders-team"
    assert pagerduty["details.description"].splitlines() == [
        "Started at 2026-11-23 10:00:00 UTC.",
        ANNOTATIONS["description"],
    ]
    links = [ANNOTATIONS["runbook_url"], SERVICE_RUNBOOK, DASHBOARD, ACKNOWLEDGE]
    assert [pagerduty[f"links.{number}.href"] for number in range(4)] == links
    assert pagerduty["links.3.text"] == "Acknowledge"


def test_pagerduty_says_each_thing_once(template_files: str, tmp_path: Path) -> None:
    said = "\n".join(said_by("PagerDuty", "service runbook", template_files, tmp_path).values())
    links = (ANNOTATIONS["runbook_url"], SERVICE_RUNBOOK, DASHBOARD, ACKNOWLEDGE)
    for once in (*links, ANNOTATIONS["summary"], ANNOTATIONS["description"]):
        assert said.count(once) == 1, once


def test_an_email_says_what_happened_to_whom_and_where_to_look(template_files: str, tmp_path: Path) -> None:
    email = said_by("e-mail", "escalation", template_files, tmp_path)
    assert email["headers.Subject"] == "[FIRING] ServiceDown order-service (prod): A service is down."
    assert email["headers.X-Alert-Name"] == "ServiceDown"
    assert email["headers.X-Alert-Service"] == "order-service"
    assert email["headers.X-Alert-Owner"] == "orders-team"
    assert email["headers.X-Alert-Severity"] == "critical"
    assert email["headers.X-Alert-Status"] == "firing"
    assert "2026-11-23 10:00:00 UTC" in email["text"]
    last = [f"Runbook:   {ANNOTATIONS['runbook_url']}", f"Dashboard: {DASHBOARD}", f"Acknowledge: {ACKNOWLEDGE}"]
    assert email["text"].splitlines()[-3:] == last
    with_own = said_by("e-mail", "service runbook", template_files, tmp_path)
    assert f"Service runbook: {SERVICE_RUNBOOK}" in with_own["text"].splitlines()


def said_by(channel: str, name: str, glob: str, directory: Path) -> dict[str, str]:
    """What one channel says of a sample, by its place in the integration."""
    said = render(STACKS["prod"], SAMPLES[name], glob, directory)
    start = CHANNELS[channel]
    return {place.removeprefix(start): text for place, text in said.items() if place.startswith(start)}


@pytest.mark.parametrize(
    ("shared", "matchers"),
    [
        ({"alertname": "NodeNotReady"}, '{alertname="NodeNotReady"}'),
        (NODE, '{alertname="NodeNotReady",cluster="prod",node="a b+c",owner="platform",severity="warning"}'),
        ({"alertname": "X", "path": 'a "b" \\ & # %20/?='}, r'{alertname="X",path="a \"b\" \\ & # %20/?="}'),
    ],
    ids=["no service", "every label", "odd characters"],
)
def test_the_silence_link_is_of_the_labels_that_all_alerts_of_the_message_have(
    shared: dict[str, str], matchers: str, template_files: str, tmp_path: Path
) -> None:
    """The page reads it as a browser does, for which + is no space."""
    both = [{"labels": shared | {"pod": pod}, "annotations": ANNOTATIONS} for pod in ("a", "b")]
    sample = data("firing", *both)
    for place, text in render(STACKS["prod"], sample, template_files, tmp_path).items():
        if place.endswith("links.3.href"):
            address, _, filtered = text.partition("filter=")
            assert address == "https://alertmanager.test/#/silences/new?"
            assert unquote(filtered) == matchers
            assert not set(filtered) & set(' +&#?="')


@pytest.mark.parametrize("name", ["resolved", "note resolved", "escalation resolved", "bare resolved"])
def test_what_is_over_is_not_said_as_if_it_still_were(name: str, template_files: str, tmp_path: Path) -> None:
    """In no channel of any receiver: no value, no way to silence it; but that it is over, and since when."""
    sample = SAMPLES[name]
    said = render(STACKS["prod"], sample, template_files, tmp_path)
    whole = "\n".join(said.values())
    assert "silences/new" not in whole
    assert "|Acknowledge>" not in whole
    assert "Acknowledge:" not in whole
    assert ANNOTATIONS["description"] not in whole
    over = "since 2026-11-23 10:06:30 UTC" + ("" if "escalation" in name else ", after firing for 6m 30s") + "."
    texts = [
        text
        for place, text in said.items()
        if place.endswith((".text", ".details.description")) and "links" not in place
    ]
    assert texts
    for text in texts:
        assert over in text


def test_an_incident_keeps_its_title_when_it_is_resolved(template_files: str, tmp_path: Path) -> None:
    """PagerDuty shows that of the first event: a status in it would be wrong from the resolve on."""
    for sample in SAMPLES.values():
        said = render(STACKS["prod"], sample, template_files, tmp_path)
        assert not re.search("firing|resolved|INFO", said["oncall.pagerduty_configs.0.description"], re.IGNORECASE)


def test_of_a_message_of_several_alerts_it_is_said_which_are_over(template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], SAMPLES["one of two over"], template_files, tmp_path)
    assert said["oncall.slack_configs.0.text"].splitlines()[:3] == [
        "*A service is down.*",
        "pod a, service order-service: over since 2026-11-23 10:06:30 UTC, after firing for 6m 30s.",
        "b is",
    ]
    assert "|Acknowledge>" in said["oncall.slack_configs.0.text"]


def test_no_text_of_pagerduty_is_alertmanagers_own() -> None:
    """It has every label and value of what is over, and links to Prometheus, which nothing exposes."""
    for receiver in routing.alertmanager_configuration(STACKS["prod"])["receivers"]:
        for integration in receiver.get("pagerduty_configs", []):
            assert {integration["details"][f"{part}{status}"] for part in ("", "num_") for status in STATUSES} == {""}
            assert integration["client_url"] == ""


def test_a_resolve_looks_like_one(template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], SAMPLES["resolved"], template_files, tmp_path)
    assert said["oncall.slack_configs.0.title"] == "[RESOLVED] ServiceDown order-service (prod)"
    assert said["oncall.slack_configs.0.color"] == "#2eb67d"
    assert said["escalation.email_configs.0.headers.X-Alert-Status"] == "resolved"


def test_a_message_of_two_alerts_describes_both(template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], SAMPLES["two alerts"], template_files, tmp_path)
    assert said["oncall.slack_configs.0.title"] == "[FIRING:2] ServiceDown order-service (prod)"
    assert said["oncall.slack_configs.0.text"].splitlines()[:3] == ["*A service is down.*", "a", "b"]


def test_a_message_about_several_services_names_each_once(template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], SAMPLES["several services"], template_files, tmp_path)
    assert said["warning.slack_configs.0.title"] == "[FIRING:3] LatencyDegraded order-service, gateway (prod)"
    assert said["warning.slack_configs.0.text"].splitlines()[1:4] == ["a", "b", "c"]
    assert said["warning.slack_configs.0.title_link"] == DASHBOARD, "that of the first, whose variable can be changed"


@pytest.mark.parametrize(("sample", "status"), [("note", "INFO"), ("note resolved", "RESOLVED")])
def test_an_info_alert_looks_like_no_alarm(sample: str, status: str, template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], SAMPLES[sample], template_files, tmp_path)
    assert said["info.slack_configs.0.title"] == f"[{status}] NoOrdersCreated order-service (prod)"


def test_an_escalation_looks_like_the_page_that_it_is_about(template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], SAMPLES["escalation"], template_files, tmp_path)
    assert said["oncall.pagerduty_configs.0.severity"] == "critical"
    assert said["oncall.slack_configs.0.color"] == "#d72631"


def test_an_alert_without_links_leaves_them_out(template_files: str, tmp_path: Path) -> None:
    said = render(STACKS["prod"], SAMPLES["bare"], template_files, tmp_path)
    assert "Runbook" not in said["oncall.slack_configs.0.text"]
    assert [said[f"oncall.pagerduty_configs.0.links.{number}.href"] for number in range(3)] == ["", "", ""]
    assert said["oncall.pagerduty_configs.0.severity"] == "error"
