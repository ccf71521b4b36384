"""How the dashboards are made: the same for the same input, and refused in words."""

from __future__ import annotations

import json
from importlib import metadata

import pytest

import dashboards
from catalogue import Service
from checks.dashboard_json import BOARDS, CATALOGUE, panels
from dashboards import business_operations, infrastructure, monitoring, service_detail, system_health
from dashboards.board import row
from dashboards.panels import LogQuery, table
from dashboards.promql import series


def test_the_same_catalogue_gives_the_same_text() -> None:
    assert dashboards.load(CATALOGUE) == dashboards.load(CATALOGUE)


def test_two_dashboards_with_one_uid_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(business_operations, "build", system_health.build)
    with pytest.raises(ValueError, match=r"system_health/__init__\.py: the uid 'system-health' must be set and unique"):
        dashboards.load(CATALOGUE)


def test_a_uid_that_a_package_gives_again_is_refused_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "build", infrastructure.build)
    with pytest.raises(ValueError, match=r"monitoring/__init__\.py: the uid 'infrastructure' must be set and unique"):
        dashboards.load(CATALOGUE)


def test_a_selector_joins_the_matchers_that_are_not_empty() -> None:
    assert series("up", 'pod!="", zone="a"', "", job="x") == 'up{pod!="", zone="a", job="x"}'
    assert series("up", "") == "up{}"
    assert series("", 'service_name=~".+"') == '{service_name=~".+"}'


def test_a_panel_keeps_its_id_when_others_come_or_go_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {panel["title"]: panel["id"] for panel in panels(BOARDS["system-health"])}
    monkeypatch.setattr(system_health.status, "row", lambda: row("A first row without the panels of before"))
    shifted = json.loads(dashboards.load(CATALOGUE)["system-health"])
    after = {panel["title"]: panel["id"] for panel in panels(shifted)}
    assert after["Error rate"] == before["Error rate"]
    assert len(after) < len(before)


def test_a_table_of_several_queries_takes_no_log_query() -> None:
    with pytest.raises(ValueError, match="'Both': a LogQL query must be the only one"):
        table("Both", LogQuery("a", "A"), LogQuery("b", "B"), by=["c"], shows="", wrong="", unit="short")


def test_a_new_service_is_looked_at_for_failing_endpoints() -> None:
    added = Service(name="added-service", port=8999, prefix="added")
    larger = CATALOGUE.model_copy(update={"services": (*CATALOGUE.services, added)})
    assert "added_requests_total" in dashboards.load(larger)["service-detail"]
    assert "added_requests_total" not in dashboards.load(CATALOGUE)["service-detail"]


def test_a_catalogue_without_measured_services_is_refused_in_words() -> None:
    unmeasured = tuple(service.model_copy(update={"prefix": None}) for service in CATALOGUE.services)
    with pytest.raises(ValueError, match=r"services\.yaml: no service exposes metrics.*give a service a `prefix`"):
        service_detail.build(CATALOGUE.model_copy(update={"services": unmeasured}))


def test_the_sdk_is_the_maintained_line() -> None:
    """Resolvers prefer "10.1.0", an epoch build for Grafana 10.1 that writes an old schema."""
    assert metadata.version("grafana-foundation-sdk").removeprefix("v") == "0.0.21"
