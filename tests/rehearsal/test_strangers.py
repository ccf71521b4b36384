"""What anybody may ask for changes nothing of what the figures say of the users: real Prometheus, today's services.

The services speak as they do without the instrumentation package, and are scraped as deployed, through what adds up
their routes; only the interval is shorter. Each figure is held against what was sent.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, get_args
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

import catalogue
from checks.waiting import eventually
from components.alerting import rules
from components.metrics import monitors
from components.metrics.component import prometheus_spec
from components.metrics.route_sums import PROGRAM
from engine.toolchain import tool
from facts import ROOT
from rehearsal import chart_targets, scrape
from settings import read_stack
from tests.rehearsal.alone import free_address
from tests.rehearsal.processor import Running, RunningService, running_services

SETTINGS = read_stack(ROOT / "Pulumi.dev.yaml")
CATALOGUE = catalogue.load(ROOT / "services.yaml")
NAMES = ("gateway", "inventory-service", "order-service")
USERS, FAILED, PATHS, IDS, REFUSED = 400, 100, 2_000, 1_000, 3_000
MANY_PATHS, MANY_IDS = 10_000, 100_000
"""More than a service writes within the time of a scrape, so their lines are copies of those of one that asked."""
COPIED = b"XXXXXXXX"
AT_ONCE = 8
PATIENCE_SECONDS = 180
"""A scrape of so many paths takes seconds, of which the service needs most to write its page."""


class Crowd:
    """The page of a service's metrics, with lines as if many had asked for paths like one that is there."""

    def __init__(self, service: RunningService) -> None:
        self.service = service
        self.copies: list[tuple[str, int]] = []
        """Paths with a number at `COPIED`, and how many of each there are to be, numbered from 0."""
        crowd = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page = crowd.own_page()
                kinds = [(crowd.lines_of(page, path), count) for path, count in crowd.copies]
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(page) + sum(len(lines) * count for lines, count in kinds)))
                self.end_headers()
                with suppress(ConnectionError):  # on a busy machine a scrape may run into its timeout
                    self.wfile.write(page)
                    for lines, count in kinds:
                        for first in range(0, count, 1000):
                            some = range(first, min(first + 1000, count))
                            self.wfile.write(b"".join(lines.replace(COPIED, b"%08d" % each) for each in some))

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"

    def own_page(self) -> bytes:
        """What the service itself answers."""
        url = self.service.url + self.service.known.metrics_path
        return httpx.get(url, timeout=PATIENCE_SECONDS, trust_env=False).content

    @staticmethod
    def lines_of(page: bytes, path: str) -> bytes:
        """The lines of a path."""
        return b"".join(line + b"\n" for line in page.splitlines() if f'endpoint="{path}"'.encode() in line)


@contextmanager
def crowded(service: RunningService) -> Iterator[Crowd]:
    crowd = Crowd(service)
    Thread(target=crowd.server.serve_forever, daemon=True).start()
    try:
        yield crowd
    finally:
        crowd.server.shutdown()
        crowd.server.server_close()


@dataclass(frozen=True)
class Stack:
    """Services, and the Prometheus that measures them."""

    services: Running
    orders: Crowd
    """What Prometheus reads instead of the order-service's own page."""
    prometheus: str

    def query(self, promql: str) -> dict[str, float]:
        """An instant query's values by service."""
        answer = httpx.get(f"{self.prometheus}/api/v1/query", params={"query": promql}, trust_env=False)
        found = answer.raise_for_status().json()["data"]["result"]
        return {one["metric"].get("service", ""): float(one["value"][1]) for one in found}


def ask(service: str, paths: list[str]) -> None:
    """Ask for each path once, several at a time; a service closes the connection on which it failed."""

    def some(mine: list[str]) -> None:
        connection = http.client.HTTPConnection(urlsplit(service).netloc, timeout=60)
        for path in mine:
            connection.request("GET", path)
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 500:  # the service closes it
                connection.close()
        connection.close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(some, [paths[each::AT_ONCE] for each in range(AT_ONCE)]))


def configuration(directory: Path, targets: dict[str, str], route_sums: str) -> dict[str, Any]:
    """Prometheus' configuration as deployed, with targets on this machine and a shorter interval."""
    kept = [service for service in CATALOGUE.measured if service.name in NAMES]
    objects = []
    for service in kept:
        spec = monitors.service_monitor(service, CATALOGUE, SETTINGS)
        spec["endpoints"][0]["interval"] = spec["endpoints"][0]["scrapeTimeout"]
        metadata = {"name": service.name, "namespace": "monitoring"}
        objects.append({"kind": "ServiceMonitor", "metadata": metadata, "spec": spec})
    endpoints = [
        scrape.application_endpoint(CATALOGUE.namespace, service, address)
        for service in CATALOGUE.services
        if (address := targets.get(service.name))
    ]
    for name, groups in scrape.discovery_targets(endpoints).items():
        (directory / name).write_text(json.dumps(groups))
    local = scrape.Local(
        operatorconfig=tool("operatorconfig"),
        targets=directory,
        rule_files=[str(directory / "rules.yaml")],
        addresses=dict.fromkeys(get_args(chart_targets.Process), "127.0.0.1:1") | {"route_sums": route_sums},
    )
    values = prometheus_spec(SETTINGS) | {"evaluationInterval": "1s"}
    found = scrape.prometheus_configuration(objects, values, local)
    found["scrape_configs"] = [one for one in found["scrape_configs"] if one["job_name"].startswith("serviceMonitor/")]
    del found["alerting"]
    return found


@contextmanager
def process(*command: str) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as started:
        try:
            yield
        finally:
            started.terminate()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The services of today, what adds up their routes, and Prometheus with the deployed rules."""
    directory = tmp_path_factory.mktemp("strangers")
    deployed = rules.prometheus_rules(ROOT / "alerts", CATALOGUE, SETTINGS)
    groups = [group for name in ("normalisation", "services") for group in deployed[name]]
    (directory / "rules.yaml").write_text(yaml.safe_dump({"groups": groups}))
    sums, address = free_address(), free_address()
    host, _, port = sums.partition(":")
    with running_services("today", directory) as services, crowded(services["order-service"]) as orders:
        targets = {name: urlsplit(services[name].url).netloc for name in NAMES} | {"order-service": orders.address}
        (directory / "prometheus.yaml").write_text(yaml.safe_dump(configuration(directory, targets, sums)))
        prometheus = [
            str(tool("prometheus")),
            f"--config.file={directory / 'prometheus.yaml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address={address}",
            "--scrape.discovery-reload-interval=200ms",
        ]
        with process(sys.executable, str(PROGRAM), f"--address={host}", f"--port={port}"), process(*prometheus):
            found = Stack(services, orders, f"http://{address}")
            eventually(lambda: all_up(found), seconds=PATIENCE_SECONDS, what="all services are measured")
            yield found


def all_up(stack: Stack) -> bool:
    try:
        return stack.query("up") == dict.fromkeys(NAMES, 1.0)
    except httpx.TransportError:
        return False


def fail(service: str, share: float) -> None:
    httpx.post(f"{service}/_fault", json={"errors": share}, trust_env=False).raise_for_status()


def test_paths_and_ids_of_anybody_leave_the_figures_right(stack: Stack) -> None:
    inventory, orders = (stack.services[name].url for name in ("inventory-service", "order-service"))
    gateway = stack.services["gateway"].url
    ask(inventory, ["/inventory/assets", "/inventory/assets/BTC"] * (USERS // 2))
    fail(inventory, 1)
    ask(inventory, ["/inventory/assets"] * FAILED)
    fail(inventory, 0)
    ask(orders, [f"/orders/order_{each:08x}_1795428063" for each in range(IDS)])
    for service in (inventory, gateway):
        ask(service, [f"/{each:x}.php" for each in range(PATHS - 1)] + ["/" + "very-long" * 1000])
    ask(gateway, ["/api/v1/portfolio"] * REFUSED)  # which it has, but not for those without a token

    apart = {"inventory-service": PATHS, "gateway": PATHS, "order-service": 0}
    users = {"inventory-service": USERS + FAILED, "order-service": IDS, "gateway": REFUSED}

    def told() -> bool:
        return (
            stack.query("sum by (service) (instance:http_requests_unmatched:sum)") == apart
            and stack.query("sum by (service) (instance:http_requests:sum)") == users
        )

    eventually(told, seconds=PATIENCE_SECONDS, what="strangers' requests are counted apart, and users' as ever")
    assert stack.query("up") == dict.fromkeys(NAMES, 1.0)
    refused = stack.query("sum by (service) (instance:http_requests_refused:sum)")
    assert refused == {"inventory-service": 0, "order-service": 0, "gateway": REFUSED}
    timed = stack.query("sum by (service) (instance:http_requests_timed:sum)")
    assert timed == users | {"gateway": 0}
    assert stack.query("sum by (service) (instance:http_errors:sum)")["inventory-service"] == FAILED
    stored = stack.query('count by (service) ({__name__=~".+", service!=""})')
    assert max(stored.values()) <= 5_000, stored
    read = stack.query("scrape_samples_post_metric_relabeling")
    assert max(read.values()) < 1_000, read


def test_as_many_paths_and_ids_as_a_page_can_have_leave_the_figures_right(stack: Stack) -> None:
    before = stack.query("sum by (service) (instance:http_requests:sum)")["order-service"]
    unknown, order = f"/{COPIED.decode()}.php", f"/orders/order_{COPIED.decode()}"
    ask(stack.services["order-service"].url, [unknown, order])
    stack.orders.copies += [(unknown, MANY_PATHS), (order, MANY_IDS)]

    def told() -> bool:
        of_orders = {
            name: stack.query(promql).get("order-service")
            for name, promql in {
                "up": "up",
                "apart": "sum by (service) (instance:http_requests_unmatched:sum)",
                "requests": "sum by (service) (instance:http_requests:sum)",
                "timed": "sum by (service) (instance:http_requests_timed:sum)",
            }.items()
        }
        requests = before + 1 + MANY_IDS
        return of_orders == {"up": 1, "apart": 1 + MANY_PATHS, "requests": requests, "timed": requests}

    try:
        eventually(told, seconds=PATIENCE_SECONDS, what="every stranger is counted apart, and every order's reader")
        assert stack.query('count by (service) ({__name__=~".+", service!=""})')["order-service"] <= 5_000
    finally:
        stack.orders.copies.clear()


def test_a_page_that_is_never_answered_ends_the_figures(stack: Stack) -> None:
    """Only those of that service, and at once."""
    known = stack.services["order-service"].known
    stall = {"stalls": known.metrics_path}
    httpx.post(f"{stack.services['order-service'].url}/_fault", json=stall, trust_env=False).raise_for_status()

    def vanished() -> bool:
        return stack.query("count by (service) (instance:http_requests:sum)").keys() == {"gateway", "inventory-service"}

    eventually(vanished, seconds=PATIENCE_SECONDS, what="the figures of the service that is not read are gone")
    assert stack.query("up")["order-service"] == 0
    assert httpx.get(f"{stack.services['order-service'].url}/health", trust_env=False).is_success
    httpx.post(f"{stack.services['order-service'].url}/_fault", json={}, trust_env=False).raise_for_status()
    eventually(lambda: all_up(stack), seconds=PATIENCE_SECONDS, what="it is measured again")
