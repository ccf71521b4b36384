"""The running stack while all is well: what `make up` promises. Nothing here changes it."""

from __future__ import annotations

import re
from functools import partial

import httpx
import pytest
import yaml

from checks.waiting import eventually
from rehearsal.deployed import Deployed
from tests.rehearsal.found import logged
from tests.rehearsal.running import Running
from verify.configuration import differences

RESIDENT_MEBIBYTES = 1536
"""All of it fits beside an editor and a browser."""


def test_everything_works_when_up_returns(rehearsal: Running) -> None:
    code, output = rehearsal.run("status")
    assert code == 0, output
    assert len(re.findall(r"^│ [a-z-]+ +│ healthy +│", output, re.MULTILINE)) == 17, output
    for part in ("prometheus", "alertmanager", "loki", "receivers"):
        assert rehearsal.ports.url(part) in output
    resident = re.search(r"(\d+) MiB resident", output)
    assert resident
    assert int(resident[1]) <= RESIDENT_MEBIBYTES


def test_every_target_is_up_with_the_labels_that_alerts_need(rehearsal: Running) -> None:
    targets = rehearsal.get("prometheus", "/api/v1/targets", state="active")["data"]["activeTargets"]
    assert [item["scrapeUrl"] for item in targets if item["health"] != "up"] == []
    services = {item["labels"]["service"] for item in targets if item["labels"]["job"] == "service-probes"}
    assert len(services) == 6
    order = next(item["labels"] for item in targets if item["labels"]["job"] == "order-service")
    assert order["service"] == order["container"] == "order-service"
    assert "endpoint" not in order  # it would displace the application's own label


def test_every_rule_evaluates(rehearsal: Running) -> None:
    groups = rehearsal.get("prometheus", "/api/v1/rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] == "err"] == []
    assert {"ServiceDown", "HighErrorRate", "LatencyDegraded", "Watchdog"} <= {rule["name"] for rule in rules}


@pytest.mark.parametrize(("language", "part"), [("promql", "prometheus"), ("logql", "loki")])
def test_the_queries_of_the_runbooks_run(rehearsal: Running, language: str, part: str) -> None:
    path = {"prometheus": "/api/v1/query", "loki": "/loki/api/v1/query_range"}[part]
    pages = {page.stem: page.read_text() for page in (rehearsal.project / "alerts" / "runbooks").glob("*.md")}
    queries = [(name, query) for name, text in pages.items() for query in fenced(text, language)]
    assert len(queries) > 5
    refused = {}
    for name, query in queries:
        answer = httpx.get(f"{rehearsal.ports.url(part)}{path}", params={"query": query}, timeout=60)
        if answer.status_code != 200:
            refused[name, query] = answer.text
    assert refused == {}


def fenced(text: str, language: str) -> list[str]:
    """The blocks of one language in a page."""
    return re.findall(rf"```{language}\n(.+?)```", text, re.DOTALL)


def test_traffic_reaches_the_recorded_series(rehearsal: Running) -> None:
    def measured() -> bool:
        rates = rehearsal.query("service:http_requests:rate5m > 0")
        return {"gateway", "order-service", "user-service"} <= {item["metric"]["service"] for item in rates}

    eventually(measured, what="service:http_requests:rate5m is above 0 for every service that gets requests")
    errors = {
        item["metric"]["service"]: item["value"][1] for item in rehearsal.query("service:http_errors:ratio_rate5m")
    }
    assert errors["order-service"] == "0"  # not absent, while all is well


def test_logs_are_found_by_service_and_request(rehearsal: Running) -> None:
    lines = partial(logged, rehearsal)
    found = eventually(lambda: lines('{service_name="order-service"} |= "request_end"'), what="lines of order-service")
    request = re.search(r'"request_id":"([^"]+)"', "\n".join(found))
    assert request
    for service in ("order-service", "gateway"):
        query = f'{{service_name="{service}"}} | request_id="{request[1]}"'
        assert eventually(partial(lines, query), what=query)


def test_logs_become_counters(rehearsal: Running) -> None:
    eventually(
        lambda: rehearsal.query('log_records_total{service_name="order-service",action="request_end"} > 0'),
        what="log_records_total counts the lines of order-service",
    )


def test_what_a_pod_exports_is_not_counted_once_more_by_its_lines(rehearsal: Running) -> None:
    exported = 'sum by (namespace, service, pod) (rate(business_orders_total{event="created"}[5m]))'
    logged = 'pod:log_events:rate5m{event="order_created"} > 0'
    compared = f"service:orders_created:rate5m / on (service) ({exported} and on (namespace, service, pod) {logged})"

    def ratio() -> float | None:
        recorded = rehearsal.query("timestamp(service:orders_created:rate5m)")
        at = recorded[0]["value"][1] if recorded else ""
        found = rehearsal.get("prometheus", "/api/v1/query", query=compared, time=at)["data"]["result"] if at else []
        return float(found[0]["value"][1]) if found else None

    assert eventually(ratio, what=compared) == pytest.approx(1, abs=0.2)  # a sample may have come since


def test_alertmanager_runs_what_was_deployed_but_for_addresses_and_credential_files(rehearsal: Running) -> None:
    secret = Deployed(rehearsal.project / ".rehearsal" / "cluster").secret("alertmanager-configuration")
    running = rehearsal.get("alertmanager", "/api/v2/status")["config"]["original"]
    found = list(differences(yaml.safe_load(secret["alertmanager.yaml"]), yaml.safe_load(running)))
    assert found  # so that the comparison is one
    local = r"(_file|smtp_smarthost|pagerduty_configs\[0\]\.url|templates\[0\])$"
    assert [line for line in found if not re.search(local, line.split(":")[0])] == []


def test_a_healthy_system_tells_nobody_anything(rehearsal: Running) -> None:
    assert rehearsal.notifications() == []
    firing = {item["metric"]["alertname"] for item in rehearsal.query('ALERTS{alertstate="firing"}')}
    assert firing - rehearsal.of_this_machine == {"Watchdog"}
