"""What Prometheus scrapes and probes of the application, and what the rules know of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

import catalogue
from checks.program import document
from components.alerting import rules
from components.metrics import monitors
from components.metrics.component import prometheus_spec
from facts import ROOT, SAMPLE_LIMIT
from settings import parse

CATALOGUE = catalogue.load(ROOT / "services.yaml")
SETTINGS = parse(document("dev", {"scrape": {"applications": "20s"}}))
URLS = ("https://shop.example.com/health", "https://www.example.com")


def expression(alert: str) -> str:
    groups = rules.read(ROOT / "alerts")["monitoring"]["groups"]
    (found,) = [rule["expr"] for group in groups for rule in group["rules"] if rule.get("alert") == alert]
    return str(found)


@pytest.fixture
def public_probe() -> dict[str, Any]:
    return monitors.public_probe(URLS, SETTINGS)


def test_every_public_address_is_probed_as_often_as_the_services(public_probe: dict[str, Any]) -> None:
    assert public_probe["targets"]["staticConfig"]["static"] == list(URLS)
    assert public_probe["interval"] == "20s"


def test_public_probes_are_not_taken_for_targets_of_a_service(public_probe: dict[str, Any]) -> None:
    """With the label `service` their `up`, which is the prober's, would hide that the service is down."""
    assert "labels" not in public_probe["targets"]["staticConfig"]


def test_the_alert_reads_the_public_probes_and_a_service_that_exists(public_probe: dict[str, Any]) -> None:
    assert re.findall(r'job="([^"]+)"', expression("PublicUrlDown")) == [public_probe["jobName"]]
    (entrance,) = re.findall(r'service="([^"]+)"', expression("PublicUrlDown"))
    assert entrance in {service.name for service in CATALOGUE.services}


def test_cardinality_is_warned_of_at_four_fifths_of_the_limit() -> None:
    (service, *_) = CATALOGUE.measured
    assert monitors.service_monitor(service, CATALOGUE, SETTINGS)["sampleLimit"] == SAMPLE_LIMIT
    assert f"> 0.8 * {SAMPLE_LIMIT}\n" in expression("CardinalityNearLimit")


def test_no_scrape_of_the_application_is_without_a_limit(public_probe: dict[str, Any]) -> None:
    monitored = [monitors.service_monitor(service, CATALOGUE, SETTINGS) for service in CATALOGUE.measured]
    probes = [monitors.probe(service, CATALOGUE, SETTINGS) for service in CATALOGUE.services]
    limits = {"sampleLimit", *monitors.LABEL_LIMITS}
    for spec in monitored:
        assert spec.keys() >= limits | {"bodySizeLimit"}
    for spec in [*probes, public_probe]:
        assert spec.keys() >= limits


def test_every_other_scrape_has_limits_too() -> None:
    """A probe's body has no limit of its own in the operator's API, and monitors of charts have none at all."""
    assert prometheus_spec(SETTINGS).keys() >= {"sampleLimit", "bodySizeLimit", *monitors.LABEL_LIMITS}


def test_one_long_path_does_not_make_every_scrape_fail() -> None:
    """What is dropped before Prometheus looks at the limit is shorter than the limit, in whatever script."""
    spec = monitors.service_monitor(CATALOGUE.measured[0], CATALOGUE, SETTINGS)
    (drop,) = [rule for rule in spec["endpoints"][0]["metricRelabelings"] if rule.get("sourceLabels") == ["endpoint"]]
    longest = "\N{GRINNING FACE}" * monitors.LONGEST_PATH
    assert not re.fullmatch(drop["regex"], longest)
    assert re.fullmatch(drop["regex"], longest + "x")
    assert len(longest.encode()) <= spec["labelValueLengthLimit"]
