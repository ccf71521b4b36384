"""What Prometheus scrapes and probes of the application, and what the rules know of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

import catalogue
from components import monitors, rules
from settings import parse
from tests.program import ROOT, document

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
    assert monitors.service_monitor(service, CATALOGUE, SETTINGS)["sampleLimit"] == monitors.SAMPLE_LIMIT
    assert f"> 0.8 * {monitors.SAMPLE_LIMIT}\n" in expression("CardinalityNearLimit")
