"""The running stack is changed: log lines of other pods, edits, `up` again, and in the end its supervisor is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import uuid
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

import catalogue
import parts
from checks.waiting import eventually
from local.state import State
from rehearsal.deployed import Deployed
from rehearsal.supervisor import Supervisor
from settings import KEY, read_config
from simulation.application.container import CriLog
from simulation.application.today.logs import python_line
from tests.documented import documented
from tests.rehearsal.found import asked, logged, result
from tests.rehearsal.running import Running
from verify.checks import CHECKS, Check
from verify.cluster import ClusterError, behind_service
from verify.expectations import expectations
from verify.finding import Finding

pytestmark = pytest.mark.random_order(disabled=True)  # in the end the supervisor is killed


@pytest.fixture(scope="module")
def rehearsal(own_rehearsal: Running) -> Running:
    """One that the tests of this file change."""
    return own_rehearsal


def test_todays_lines_are_found_and_counted_as_well(rehearsal: Running) -> None:
    pod = f"order-processor_yesterday-rehearsal_{uuid.uuid4()}"
    log = rehearsal.project / ".rehearsal" / "pods" / pod / "yesterday" / "0.log"
    line = python_line("order", "WARN", "request_end", "Done.", user="alice", request_id="req-1795453674655359280")
    with closing(CriLog(log, 10**6, 2)) as file:
        file.write("stdout", "F", line.encode())
    parsed = 'request_id="req-1795453674655359280" | action="request_end" | user="alice" | severity="WARN"'
    found = eventually(partial(logged, rehearsal, f'{{service_name="yesterday"}} | {parsed}'), what=parsed)
    assert found == [line]
    counted = 'log_records_total{service_name="yesterday",action="request_end",severity="WARN"} == 1'
    eventually(lambda: rehearsal.query(counted), what=counted)


class Pods:
    """Containers of this test's own, whose lines are known."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self._root, self._stack = root, stack
        self._logs: dict[str, CriLog] = {}

    def write(self, service: str, request: str, level: str, message: str, user: str = "") -> str:
        """Write a line in the specified format, and return it."""
        if service not in self._logs:
            path = self._root / f"order-processor_{service}-x_{uuid.uuid4()}" / service / "0.log"
            self._logs[service] = self._stack.enter_context(closing(CriLog(path, 10**6, 2)))
        line = json.dumps({"level": level, "request_id": request, "username": user, "message": message})
        self._logs[service].write("stdout", "F", line.encode())
        return line


def test_an_error_in_a_metric_leads_to_its_lines_and_these_to_the_request(rehearsal: Running) -> None:
    with ExitStack() as stack:
        pods = Pods(rehearsal.project / ".rehearsal" / "pods", stack)
        pods.write("correlated-front", "req-a", "INFO", "another request")
        request = [
            pods.write("correlated-front", "req-b", "INFO", "begins", user="dora"),
            pods.write("correlated", "req-b", "INFO", "works"),
            pods.write("correlated", "req-b", "ERROR", "fails"),
            pods.write("correlated-front", "req-b", "WARN", "answers 503"),
        ]
        pods.write("correlated", "req-a", "INFO", "another request")
    counted = 'log_records_total{service_name=~"correlated.*",severity="ERROR"}'
    (error,) = eventually(partial(rehearsal.query, f"{counted} == 1"), what=counted)
    service = error["metric"]["service_name"]
    (line,) = asked(rehearsal, "From a metric panel to the lines of that time and service", service=service)
    assert line.text == request[2]
    failed = documented()["From an error to the request"].replace("$service", service)
    assert [series["metric"] for series in result(rehearsal, failed)] == [{"request_id": "req-b"}]
    found = asked(rehearsal, "All lines of a request, at all services", request_id=line.labels["request_id"])
    assert [entry.text for entry in found] == request
    assert [entry.text for entry in asked(rehearsal, "What a user did", user="dora")] == request[:1]


class RehearsalCluster:
    """A stand-in for a cluster, for `verify`: what is behind its Services are the rehearsal's processes."""

    PARTS: ClassVar = {parts.PROMETHEUS.url: "prometheus", parts.ALERTMANAGER.url: "alertmanager"}

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
    eventually(in_order, what="services, rules and heartbeat hold")
    (rule,) = (rehearsal.project / ".rehearsal" / "cluster").rglob("order-processor-services.yaml")
    text = rule.read_text()
    rule.write_text(text.replace("ServiceTargetDown", "NobodyLoadedThis"))
    try:
        (rules,) = (check for check in CHECKS if check.name == "rules")
        assert any("is not loaded" in finding.what for finding in findings(rules))
    finally:
        rule.write_text(text)


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
        for path in ("/-/reload", "/-/quit"):  # by a signal alone, as deployed
            answer = httpx.post(f"{rehearsal.ports.url('prometheus')}{path}")
            assert answer.status_code == httpx.codes.FORBIDDEN
        assert started(rehearsal) == before
    finally:
        edited.write_text(text)
        assert rehearsal.run("up")[0] == 0


def test_a_page_that_is_refused_at_first_is_told_once_by_each_way(rehearsal: Running) -> None:
    """Slack limits how often it is told something, and PagerDuty is out for a moment."""
    for receiver, status in {"slack": 429, "pagerduty": 503}.items():
        order = {"receiver": receiver, "status": status, "count": 2}
        httpx.post(f"{rehearsal.ports.url('receivers')}/fail", json=order).raise_for_status()
    alert = {
        "labels": {"alertname": "Refused", "severity": "critical", "owner": "platform"},
        "annotations": {"summary": "A page.", "description": "A page.", "dashboard_url": "", "runbook_url": ""},
    }

    def told(**filters: str) -> dict[str, list[Any]]:
        of = [item for item in rehearsal.notifications(**filters) if "Refused" in item["alertnames"]]
        return {way: [each["status"] for each in of if each["receiver"] == way] for way in ("slack", "pagerduty")}

    alerts = f"{rehearsal.ports.url('alertmanager')}/api/v2/alerts"
    httpx.post(alerts, json=[alert]).raise_for_status()
    eventually(lambda: all(told().values()), what="Slack and PagerDuty are told")
    assert [len(refused) for refused in told(refused="true").values()] == [2, 2]
    httpx.post(alerts, json=[alert | {"endsAt": datetime.now(UTC).isoformat()}]).raise_for_status()
    over = ["firing", "resolved"]
    eventually(lambda: told() == {"slack": over, "pagerduty": over}, 120, "both are told once that it is over")


def started(rehearsal: Running) -> dict[str, int]:
    """Process id of every process, by name."""
    processes = Supervisor(State(rehearsal.project / ".rehearsal")).processes()
    return {item.name: item.pid for item in processes if item.name != "launch-guard"}


def test_nothing_is_left_when_the_supervisor_is_killed_or_stopped(rehearsal: Running) -> None:
    supervisor = int((rehearsal.project / ".rehearsal" / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    eventually(lambda: not rehearsal.processes(), what=f"still alive: {rehearsal.processes()}")
    assert rehearsal.run("up")[0] == 0  # what was stored is no obstacle
    assert rehearsal.run("down")[0] == 0
    assert rehearsal.processes() == []
    assert rehearsal.run("status")[0] == 1
