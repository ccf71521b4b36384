"""What the running programs expose is what is listed for them (checks/metrics.yaml): names, types, labels.

Some series first appear when something fails: a service is stopped until a call has failed.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import catalogue
from checks import metrics
from checks.metrics import Component, Signature
from checks.waiting import eventually, until_none
from drills.faults import Breaker
from drills.model import Fault
from facts import ROOT
from local.state import State
from rehearsal.lifecycle import Rehearsal
from tests.rehearsal.alone import free_address, running
from tests.rehearsal.running import Running

STOPPED = "user-service"
COMPONENTS = {item.name: item for item in metrics.components(catalogue.load(ROOT / "services.yaml"))}


@pytest.fixture(scope="module")
def rehearsal(own_rehearsal: Running) -> Running:
    """One of this file's own, in which a call has failed."""
    assert own_rehearsal.run("fault", "down", STOPPED)[0] == 0
    metrics_page = f"{own_rehearsal.ports.url('gateway')}/metrics"
    eventually(lambda: "gateway_proxy_errors_total{" in httpx.get(metrics_page).text, what="a call has failed")
    assert own_rehearsal.run("heal")[0] == 0
    return own_rehearsal


def targets(rehearsal: Running, component: Component) -> list[dict[str, Any]]:
    """The targets at which a program is scraped."""
    active = rehearsal.get("prometheus", "/api/v1/targets", state="active")["data"]["activeTargets"]
    return [item for item in active if metrics.matching(component.jobs, [item["labels"]["job"]])]


@pytest.mark.parametrize("name", [component.name for component in COMPONENTS.values() if component.jobs])
def test_a_program_exposes_what_is_listed_with_these_types_and_labels(rehearsal: Running, name: str) -> None:
    component = COMPONENTS[name]
    found = targets(rehearsal, component)
    assert found
    assert {frozenset(item["labels"]) for item in found} == {component.labels}

    def differences() -> list[str]:
        pages = exposed(item["scrapeUrl"] for item in found)
        return list(metrics.differences(component.series, pages, component.later))

    until_none(differences, what=name)


def exposed(urls: Iterable[str]) -> dict[str, Signature]:
    """The series of all these pages."""
    return metrics.exposed("\n".join(httpx.get(url, timeout=60).raise_for_status().text for url in urls))


@pytest.mark.parametrize("name", [component.name for component in COMPONENTS.values() if not component.jobs])
def test_prometheus_has_the_series_that_no_page_has(rehearsal: Running, name: str) -> None:
    for series, signature in COMPONENTS[name].series.items():
        found = eventually(partial(rehearsal.query, series), what=series)
        labels = frozenset(label for item in found for label in item["metric"]) - {"__name__"}
        assert not signature or signature.labels == labels


def test_a_failed_call_and_a_refused_line_are_counted(rehearsal: Running) -> None:
    """A call has failed already; a line from long ago is refused, which Loki and the agent count."""
    log = rehearsal.project / ".rehearsal" / "pods" / f"order-processor_old_{uuid.uuid4()}" / "old" / "0.log"
    log.parent.mkdir(parents=True)
    log.write_text("2020-01-01T00:00:00.000000000Z stdout F from long ago\n")
    for name, series in (
        ("application", "gateway_proxy_errors_total"),
        ("Loki", "loki_discarded_samples_total"),
        ("log agent", "otelcol_exporter_send_failed_log_records"),
    ):
        urls = [item["scrapeUrl"] for item in targets(rehearsal, COMPONENTS[name])]
        until_none(partial(unlike, name, series, urls), what=series)


def test_a_disk_of_a_drill_is_shown_beside_those_of_this_machine(rehearsal: Running) -> None:
    """A help text or a type other than node_exporter's own would hide these, and be no error of the collector."""
    address = f"{rehearsal.ports.url('node-exporter')}/metrics"

    def disks(series: str) -> set[str]:
        return set(re.findall(rf'^node_filesystem_{series}{{device="(.+?)"', httpx.get(address).text, re.MULTILINE))

    breaker = Breaker(Rehearsal(State(rehearsal.project / ".rehearsal"), rehearsal.ports))
    fault = Fault.model_validate({"from": 0, "to": 1, "disk": {"mountpoint": "/drilled", "used": 0.5}})
    before = disks("size_bytes")
    heal = breaker.breaks(fault)
    try:
        for series in ("avail_bytes", "readonly", "size_bytes"):
            assert disks(series) == {*before, "/dev/mapper/drill-drilled"}
            assert unlike("node_exporter", f"node_filesystem_{series}", [address]) == []
        assert "\nnode_textfile_scrape_error 0\n" in httpx.get(address).text
    finally:
        heal()
    assert disks("size_bytes") == before


def unlike(component: str, series: str, urls: list[str]) -> list[str]:
    """How a series on these pages differs from what is listed."""
    return list(metrics.differences({series: COMPONENTS[component].series[series]}, exposed(urls)))


# What the rehearsal has no state for --------------------------------------------------------------------------------


def test_replicas_of_alertmanager_count_each_other(tmp_path: Path) -> None:
    address, configuration = free_address(), tmp_path / "alertmanager.yaml"
    configuration.write_text(yaml.safe_dump({"route": {"receiver": "nobody"}, "receivers": [{"name": "nobody"}]}))
    arguments = [
        f"--config.file={configuration}",
        f"--storage.path={tmp_path}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=127.0.0.1:0",
    ]
    with running("alertmanager", arguments, f"http://{address}/-/healthy"):
        assert unlike("Alertmanager", "alertmanager_cluster_members", [f"http://{address}/metrics"]) == []


def test_a_full_queue_of_the_agent_is_counted(tmp_path: Path) -> None:
    """With room for one batch, before a Loki that is not there."""
    receiver, told = free_address(), free_address()
    host, _, port = told.rpartition(":")
    exporter = {"endpoint": "http://127.0.0.1:1", "sending_queue": {"queue_size": 1, "num_consumers": 1}}
    reader = {"pull": {"exporter": {"prometheus": {"host": host, "port": int(port)}}}}
    configuration = {
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": receiver}}}},
        "exporters": {"otlp_http/loki": exporter},
        "service": {
            "telemetry": {"metrics": {"readers": [reader]}},
            "pipelines": {"logs": {"receivers": ["otlp"], "exporters": ["otlp_http/loki"]}},
        },
    }
    (tmp_path / "agent.yaml").write_text(yaml.safe_dump(configuration))
    batch = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "line"}}]}]}]}
    series, page = "otelcol_exporter_enqueue_failed_log_records", f"http://{told}/metrics"

    def not_counted() -> list[str]:
        httpx.post(f"http://{receiver}/v1/logs", json=batch)
        return unlike("log agent", series, [page])

    with running("collector", [f"--config={tmp_path / 'agent.yaml'}"], page):
        until_none(not_counted, what=series)
