"""The derived configuration, run by a real Prometheus against tiny local servers: labels, probes, edits."""

from __future__ import annotations

import copy
import json
import signal
import socket
import subprocess
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar, get_args

import httpx
import pytest
import yaml

from catalogue import Service
from checks.waiting import eventually
from engine import toolchain
from rehearsal import chart_targets, scrape
from rehearsal.scrape import ScrapeError

Json = dict[str, Any]
T = TypeVar("T")
ORDERS, USERS = (Service(name=name, port=8000) for name in ("order-service", "user-service"))

VALUES: Json = {
    "scrapeInterval": "1s",
    "scrapeTimeout": "1s",
    "evaluationInterval": "1s",
    "retention": "15d",
    "retentionSize": "4608MiB",
    "externalLabels": {"cluster": "dev"},
    "storageSpec": {"volumeClaimTemplate": {}},
    "enableOTLPReceiver": True,
    "otlp": {"promoteResourceAttributes": ["service.name"]},
    "tsdb": {"outOfOrderTimeWindow": "10m"},
    "enforcedSampleLimit": 50000,
    "serviceMonitorSelectorNilUsesHelmValues": False,
    "podMonitorSelectorNilUsesHelmValues": False,
    "probeSelectorNilUsesHelmValues": False,
}

SERVICE_MONITOR: Json = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "ServiceMonitor",
    "metadata": {"name": "order-service", "namespace": "monitoring"},
    "spec": {
        "namespaceSelector": {"matchNames": ["order-processor"]},
        "selector": {"matchLabels": {"app": "order-processor", "component": "order-service"}},
        "sampleLimit": 20000,
        "endpoints": [
            {
                "port": "http",
                "path": "/internal/metrics",
                "interval": "2s",
                "scrapeTimeout": "1s",
                "relabelings": [
                    {"action": "labeldrop", "regex": "endpoint"},
                    {"action": "replace", "targetLabel": "service", "replacement": "order-service"},
                ],
                "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": ".+_created"}],
            }
        ],
    },
}

PROBE: Json = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "Probe",
    "metadata": {"name": "order-service", "namespace": "monitoring"},
    "spec": {
        "jobName": "service-probes",
        "prober": {"url": "blackbox-exporter.monitoring.svc:9115"},
        "module": "http_2xx",
        "interval": "2s",
        "scrapeTimeout": "1s",
        "targets": {
            "staticConfig": {
                "static": ["http://order-service.order-processor.svc:8002/health"],
                "labels": {"service": "order-service"},
            }
        },
    },
}

OBJECTS = [SERVICE_MONITOR, PROBE]

ELSEWHERE: Json = PROBE | {
    "metadata": {"name": "elsewhere", "namespace": "monitoring"},
    "spec": PROBE["spec"] | {"targets": {"staticConfig": {"static": ["https://shop.test/health"]}}},
}
"""A probe of what is no simulated service."""


class Page(BaseHTTPRequestHandler):
    """Any path is a metrics page with one counter of the application, which has a label `endpoint` of its own."""

    BODY = (
        b"# TYPE order_requests_total counter\n"
        b'order_requests_total{endpoint="/orders",status_code="200"} 7\n'
        b"# TYPE order_requests_created gauge\n"
        b'order_requests_created{endpoint="/orders",status_code="200"} 1.7e9\n'
    )

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(self.BODY)))
        self.end_headers()
        self.wfile.write(self.BODY)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[str]:
    """A server of such pages; gives its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Rehearsal:
    """A directory with the derived configuration, and the Prometheus that runs it."""

    def __init__(self, directory: Path, application: str, others: str) -> None:
        self.directory = directory
        self.application = application
        self.others = others
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = f"127.0.0.1:{free.getsockname()[1]}"

    @property
    def file(self) -> Path:
        return self.directory / "prometheus.yml"

    def derive(self, objects: list[Json], values: Json = VALUES) -> Json:
        """The configuration of `objects`; nothing is written."""
        local = scrape.Local(
            operatorconfig=toolchain.tool("operatorconfig"),
            targets=self.directory,
            rule_files=[str(self.directory / "rules" / "*.yaml")],
            addresses=dict.fromkeys(get_args(chart_targets.Process), self.others),
            probed={"order-service.order-processor.svc:8002": self.application},
        )
        return scrape.prometheus_configuration(objects, values, local)

    def write(self, objects: list[Json], values: Json = VALUES) -> None:
        endpoints = [
            scrape.application_endpoint("order-processor", ORDERS, self.application),
            scrape.application_endpoint("order-processor", USERS, self.others),
            scrape.application_endpoint("elsewhere", ORDERS, self.others),
            scrape.alertmanager_endpoint(self.others),
        ]
        for name, groups in scrape.discovery_targets(endpoints).items():
            (self.directory / name).write_text(json.dumps(groups))
        self.file.write_text(yaml.safe_dump(self.derive(objects, values)))

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        command = [
            str(toolchain.tool("prometheus")),
            f"--config.file={self.file}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address={self.address}",
            "--scrape.discovery-reload-interval=200ms",  # the default, 5 s, is most of the test
        ]
        with (self.directory / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                yield process
            finally:
                process.terminate()

    def get(self, path: str, **query: str) -> Any:
        answer = httpx.get(f"http://{self.address}/api/v1/{path}", params=query)
        return answer.raise_for_status().json()["data"]

    def targets(self) -> dict[str, list[Json]]:
        """Active targets by their scrape configuration."""
        pools: dict[str, list[Json]] = {}
        for target in self.get("targets", state="active")["activeTargets"]:
            pools.setdefault(target["scrapePool"], []).append(target)
        return pools


@pytest.fixture
def rehearsal(tmp_path: Path) -> Iterator[Rehearsal]:
    with serving() as application, serving() as others:
        yield Rehearsal(tmp_path, application, others)


def edited(item: Json, edit: Callable[[Json], None]) -> Json:
    changed = copy.deepcopy(item)
    edit(changed)
    return changed


def all_up(rehearsal: Rehearsal) -> dict[str, list[Json]] | None:
    pools = rehearsal.targets()
    healthy = {target["health"] for pool in pools.values() for target in pool} == {"up"}
    return pools if healthy else None


def test_targets_have_the_labels_that_the_operator_gives(rehearsal: Rehearsal) -> None:
    rehearsal.write([*OBJECTS, ELSEWHERE])
    with rehearsal.running() as process:
        pools = eventually(lambda: all_up(rehearsal))

        (application,) = pools["serviceMonitor/monitoring/order-service/0"]
        assert application["labels"] == {
            "service": "order-service",
            "job": "order-service",
            "namespace": "order-processor",
            "pod": "order-service-rehearsal",
            "container": "order-service",
            "instance": rehearsal.application,
        }
        assert application["scrapeUrl"] == f"http://{rehearsal.application}/internal/metrics"

        (probe,) = pools["probe/monitoring/order-service"]
        assert probe["labels"] == {
            "job": "service-probes",
            "service": "order-service",
            "namespace": "monitoring",
            "instance": "http://order-service.order-processor.svc:8002/health",
        }
        asked = urllib.parse.urlsplit(probe["scrapeUrl"])
        assert (asked.netloc, asked.path) == (rehearsal.others, "/probe")
        assert urllib.parse.parse_qs(asked.query) == {
            "module": ["http_2xx"],
            "target": [f"http://{rehearsal.application}/health"],
        }
        (elsewhere,) = pools["probe/monitoring/elsewhere"]
        assert elsewhere["labels"]["instance"] == "https://shop.test/health"
        assert urllib.parse.parse_qs(urllib.parse.urlsplit(elsewhere["scrapeUrl"]).query)["target"] == [scrape.NOWHERE]

        jobs = [(t["labels"]["job"], t["labels"].get("metrics_path")) for pool in pools.values() for t in pool]
        assert len(jobs) == len(chart_targets.CHART_TARGETS) + 3
        assert {("kubelet", "/metrics"), ("kubelet", "/metrics/cadvisor"), ("monitoring/loki", None)} < set(jobs)

        def kept() -> list[Json] | None:
            found: list[Json] = rehearsal.get("query", query='{job="order-service",__name__=~"order_.+"}')["result"]
            return found or None

        (series,) = eventually(kept)
        assert series["metric"]["__name__"] == "order_requests_total", "the monitor's drop of *_created is applied"
        assert series["metric"]["endpoint"] == "/orders", "the application's own label keeps its name"

        (alertmanager,) = rehearsal.get("alertmanagers")["activeAlertmanagers"]
        assert alertmanager["url"] == f"http://{rehearsal.others}/api/v2/alerts"

        slower = edited(SERVICE_MONITOR, lambda item: item["spec"]["endpoints"][0].update(interval="7s"))
        rehearsal.write([slower, PROBE, ELSEWHERE])
        process.send_signal(signal.SIGHUP)

        def interval_seen() -> bool:
            (target,) = rehearsal.targets()["serviceMonitor/monitoring/order-service/0"]
            return bool(target["scrapeInterval"] == "7s")

        assert eventually(interval_seen)


@pytest.mark.parametrize("values", [VALUES, VALUES | {"serviceDiscoveryRole": "EndpointSlice"}])
def test_promtool_accepts_the_configuration(rehearsal: Rehearsal, values: Json) -> None:
    rehearsal.write(OBJECTS, values)
    command = [str(toolchain.tool("promtool")), "check", "config", str(rehearsal.file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout, "every discovery file exists"


def test_the_values_of_the_chart_reach_the_configuration(rehearsal: Rehearsal) -> None:
    configuration = rehearsal.derive(OBJECTS)
    assert configuration["global"]["external_labels"]["cluster"] == "dev"
    assert configuration["global"]["sample_limit"] == 50000
    assert configuration["storage"]["tsdb"] == {
        "out_of_order_time_window": "10m",
        "retention": {"time": "15d", "size": "4608MiB"},
    }
    assert configuration["otlp"] == {"promote_resource_attributes": ["service.name"]}
    assert "$(" not in yaml.safe_dump(configuration), "every variable of the configuration reloader is filled in"


def test_a_service_is_discovered_by_the_labels_that_the_catalogue_names() -> None:
    own = Service(name="refund-service", port=8007, selector={"team": "payments"})
    endpoint = scrape.application_endpoint("order-processor", own, "127.0.0.1:1")
    (group,) = scrape.discovery_targets([endpoint])["order-processor.json"]
    assert group["labels"]["__meta_kubernetes_service_label_team"] == "payments"
    assert "__meta_kubernetes_service_label_component" not in group["labels"]


def test_either_discovery_role_finds_the_same_targets(rehearsal: Rehearsal) -> None:
    """Without running Prometheus: each meta label that a relabeling keeps targets by is in the discovery files."""
    groups = scrape.discovery_targets([scrape.application_endpoint("order-processor", ORDERS, "127.0.0.1:1")])
    given = groups["order-processor.json"][0]["labels"].keys()
    for role in ("Endpoints", "EndpointSlice"):
        scrapes = rehearsal.derive([SERVICE_MONITOR], VALUES | {"serviceDiscoveryRole": role})["scrape_configs"]
        kept_by = {
            label
            for rule in scrapes[0]["relabel_configs"]
            if rule.get("action") == "keep"
            for label in rule["source_labels"]
            if label.startswith("__meta")
        }
        assert any("port_name" in label for label in kept_by)
        assert kept_by <= given


def test_a_monitor_sees_only_the_namespaces_it_selects(rehearsal: Rehearsal) -> None:
    elsewhere = edited(SERVICE_MONITOR, lambda item: item["spec"]["namespaceSelector"].update(matchNames=["shop"]))
    (first, *_) = rehearsal.derive([elsewhere])["scrape_configs"]
    assert first["file_sd_configs"] == [{"files": [str(rehearsal.directory / "shop.json")]}]


@pytest.mark.parametrize(
    ("objects", "values", "message"),
    [
        pytest.param(
            OBJECTS,
            {key: value for key, value in VALUES.items() if not key.startswith("serviceMonitor")},
            "ServiceMonitor monitoring/order-service: no selector of the Prometheus object matches",
            id="passed over: the chart selects its own release's monitors unless told otherwise",
        ),
        pytest.param(
            [edited(SERVICE_MONITOR, lambda item: item["spec"]["endpoints"][0].update(scrapeTimeout="1h"))],
            VALUES,
            "ServiceMonitor monitoring/order-service: rejected by the operator",
            id="rejected",
        ),
        pytest.param(
            [edited(SERVICE_MONITOR, lambda item: item["spec"].update(sampelLimit=1))],
            VALUES,
            'unknown field "sampelLimit"',
            id="misspelt",
        ),
        pytest.param(
            [edited(PROBE, lambda item: item["spec"]["prober"].update(url="other.monitoring.svc:9115"))],
            VALUES,
            "prober other.monitoring.svc:9115 has no stand-in",
            id="prober unknown here",
        ),
        pytest.param(
            [edited(SERVICE_MONITOR, lambda item: item["spec"].update(attachMetadata={"node": True}))],
            VALUES,
            "attach_metadata",
            id="discovery that has no stand-in",
        ),
    ],
)
def test_what_the_operator_would_leave_out_is_an_error(
    rehearsal: Rehearsal, objects: list[Json], values: Json, message: str
) -> None:
    with pytest.raises(ScrapeError, match=message):
        rehearsal.derive(objects, values)
