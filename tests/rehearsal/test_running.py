"""The running stack while all is well: what `make up` promises. Later files break what this one looks at."""

from __future__ import annotations

import re
import time
import uuid
from contextlib import closing
from functools import partial
from typing import Any, ClassVar

import httpx
import pytest
import yaml

import catalogue
from components.addresses import ALERTMANAGER, PROMETHEUS
from rehearsal.application.container import CriLog
from rehearsal.application.today.logs import python_line
from rehearsal.deployed import Deployed
from rehearsal.state import State
from rehearsal.supervisor import Supervisor
from settings import KEY, read_config
from tests.rehearsal.running import OF_THIS_MACHINE, Running
from tests.waiting import eventually
from verify.checks import CHECKS, Check
from verify.cluster import ClusterError, behind_service
from verify.configuration import differences
from verify.expectations import expectations
from verify.finding import Finding

RESIDENT_MEBIBYTES = 1536
"""All of it fits beside an editor and a browser."""


def test_everything_works_when_up_returns(rehearsal: Running) -> None:
    code, output = rehearsal.run("status")
    assert code == 0, output
    assert len(re.findall(r"^│ [a-z-]+ +│ healthy +│", output, re.MULTILINE)) == 15, output
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
        answer = httpx.get(f"{rehearsal.ports.url(part)}{path}", params={"query": query}, timeout=10)
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

    eventually(measured, 90, "service:http_requests:rate5m is above 0 for every service that gets requests")
    errors = {
        item["metric"]["service"]: item["value"][1] for item in rehearsal.query("service:http_errors:ratio_rate5m")
    }
    assert errors["order-service"] == "0"  # not absent, while all is well


def test_logs_are_found_by_service_and_request(rehearsal: Running) -> None:
    lines = partial(logged, rehearsal)
    found = eventually(lambda: lines('{service_name="order-service"} |= "request_end"'), 60, "lines of order-service")
    request = re.search(r'"request_id":"([^"]+)"', "\n".join(found))
    assert request
    for service in ("order-service", "gateway"):
        query = f'{{service_name="{service}"}} | request_id="{request[1]}"'
        assert eventually(partial(lines, query), 30, query)


def test_logs_become_counters(rehearsal: Running) -> None:
    eventually(
        lambda: rehearsal.query('log_records_total{service_name="order-service",action="request_end"} > 0'),
        90,
        "log_records_total counts the lines of order-service",
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

    assert eventually(ratio, 90, compared) == pytest.approx(1, abs=0.2)  # a sample may have come since


def test_todays_lines_are_found_and_counted_as_well(rehearsal: Running) -> None:
    pod = f"order-processor_yesterday-rehearsal_{uuid.uuid4()}"
    log = rehearsal.project / ".rehearsal" / "pods" / pod / "yesterday" / "0.log"
    line = python_line("order", "WARN", "request_end", "Done.", user="alice", request_id="req-1795453674655359280")
    with closing(CriLog(log, 10**6, 2)) as file:
        file.write("stdout", "F", line.encode())
    parsed = 'request_id="req-1795453674655359280" | action="request_end" | user="alice" | severity="WARN"'
    found = eventually(partial(logged, rehearsal, f'{{service_name="yesterday"}} | {parsed}'), 60, parsed)
    assert found == [line]
    counted = 'log_records_total{service_name="yesterday",action="request_end",severity="WARN"} == 1'
    eventually(lambda: rehearsal.query(counted), 90, counted)


def logged(rehearsal: Running, query: str) -> list[str]:
    """The newest lines of the last ten minutes that a LogQL query finds."""
    now = time.time_ns()
    answer = rehearsal.get(
        "loki", "/loki/api/v1/query_range", query=query, start=str(now - 600 * 10**9), end=str(now), limit="100"
    )
    return [line for stream in answer["data"]["result"] for _, line in stream["values"]]


class RehearsalCluster:
    """A stand-in for the API server, for `verify`: its service proxy leads to the rehearsal's processes."""

    PARTS: ClassVar = {PROMETHEUS: "prometheus", ALERTMANAGER: "alertmanager"}

    def __init__(self, rehearsal: Running) -> None:
        self._rehearsal = rehearsal
        self._deployed = Deployed(rehearsal.project / ".rehearsal" / "cluster")

    def get(self, path: str) -> Any:
        if path.endswith("/prometheusrules"):
            return {"items": self._deployed.objects("PrometheusRule")}
        for address, part in self.PARTS.items():
            prefix = behind_service(address, "")
            if path.startswith(prefix):
                return self._rehearsal.get(part, f"/{path.removeprefix(prefix)}")
        raise ClusterError(f"GET {path}: the rehearsal has no such thing")


def test_verify_finds_what_runs_in_order(rehearsal: Running) -> None:
    services = catalogue.load(rehearsal.project / "services.yaml").services
    config = read_config(rehearsal.project / "Pulumi.dev.yaml")
    config[KEY]["instrumentedServices"] = [service.name for service in services]
    expected = expectations("dev", rehearsal.project, config)

    def findings(check: Check) -> list[Finding]:
        return check.run(RehearsalCluster(rehearsal), expected)

    def in_order() -> bool:
        return not any(findings(check) for check in CHECKS if check.name in ("services", "rules", "heartbeat"))

    # The group of the error budget is evaluated every 3 min, and then for the first time.
    eventually(in_order, 200, "services, rules and heartbeat hold")
    (rule,) = (rehearsal.project / ".rehearsal" / "cluster").rglob("order-processor-services.yaml")
    text = rule.read_text()
    rule.write_text(text.replace("ServiceTargetDown", "NobodyLoadedThis"))
    try:
        (rules,) = (check for check in CHECKS if check.name == "rules")
        assert any("is not loaded" in finding.what for finding in findings(rules))
    finally:
        rule.write_text(text)


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
    assert firing - OF_THIS_MACHINE == {"Watchdog"}


def test_up_again_changes_and_restarts_nothing(rehearsal: Running) -> None:
    before = started(rehearsal)
    code, output = rehearsal.run("up")
    assert code == 0, output
    assert re.search(r"^resources: \d+ same$", output, re.MULTILINE), output
    assert "reloaded" not in output
    assert started(rehearsal) == before


def test_an_edited_rule_is_one_update_and_one_reload(rehearsal: Running) -> None:
    before = started(rehearsal)
    edited = rehearsal.project / "alerts" / "services.yaml"
    text = edited.read_text()
    assert "ratio_rate5m > 0.01" in text
    edited.write_text(text.replace("ratio_rate5m > 0.01", "ratio_rate5m > 0.02", 1))
    try:
        code, output = rehearsal.run("up")
        assert code == 0, output
        assert re.search(r"resources: \d+ same, 1 update\b", output), output
        assert "reloaded prometheus" in output
        assert "reloaded alertmanager" not in output
        rules = str(rehearsal.get("prometheus", "/api/v1/rules"))
        assert "ratio_rate5m > 0.02" in rules
        assert started(rehearsal) == before
    finally:
        edited.write_text(text)
        assert rehearsal.run("up")[0] == 0


def started(rehearsal: Running) -> dict[str, int]:
    """Process id of every process, by name."""
    processes = Supervisor(State(rehearsal.project / ".rehearsal")).processes()
    return {item.name: item.pid for item in processes if item.name != "launch-guard"}
