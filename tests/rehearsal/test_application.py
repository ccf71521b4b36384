"""The simulated order processor behaves as the running application was observed to."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from rehearsal.application import identity, scenario
from rehearsal.application.container import PART_BYTES, CriLog, Stream
from rehearsal.application.counts import Counts
from rehearsal.application.faults import Faults
from rehearsal.application.gateway import BACKENDS, Gateway
from rehearsal.application.load import Customer
from rehearsal.application.scenario import Scenario
from rehearsal.application.service import KINDS, application

ROOT = Path(__file__).parents[2]
MARKET_BUY = {"order_type": "market_buy", "asset_id": "ETH", "quantity": 1}
LIMIT_SELL = {"order_type": "limit_sell", "asset_id": "ADA", "quantity": 100}
TOO_LARGE = {"order_type": "market_buy", "asset_id": "BTC", "quantity": 900}
TOKEN = {"authorization": f"Bearer {identity.token_of('alice')}"}

GO_BOUNDS = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"}
PYTHON_BOUNDS = {str(float(bound)) for bound in GO_BOUNDS} | {"0.075", "0.75", "7.5"}

T = TypeVar("T")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    """Return every sample of an exposition by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    """Return the sum of all samples with this name and these labels; 0 when there is none."""
    return sum(v for (n, have), v in samples.items() if n == name and labels.items() <= dict(have).items())


def names(samples: Samples) -> set[str]:
    return {name for name, _ in samples}


class Client:
    """Sends requests to an application in this process, one event loop each."""

    def __init__(self, app: Starlette) -> None:
        self.transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def send(self, method: str, path: str, **content: Any) -> httpx.Response:
        async def exchange() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self.transport, base_url="http://here", follow_redirects=True
            ) as client:
                return await client.request(method, path, **content)

        return asyncio.run(exchange())

    def get(self, path: str, **content: Any) -> httpx.Response:
        return self.send("GET", path, **content)

    def post(self, path: str, **content: Any) -> httpx.Response:
        return self.send("POST", path, **content)


def scraped(client: Client, path: str = "/internal/metrics") -> Samples:
    return parse(client.get(path).text)


def service(name: str, *, business: bool = True) -> Client:
    return Client(application(name, business=business, seed=1))


class Processor:
    """All six services in this process: the gateway in front, the others behind it."""

    def __init__(self, rate_limit: int = 10_000, urls: dict[str, str] | None = None, **apps: Starlette) -> None:
        self.apps = {name: apps.get(name.partition("-")[0]) or application(name, seed=1) for name in KINDS}
        mounts = {
            f"http://{name}": httpx.ASGITransport(app, raise_app_exceptions=False) for name, app in self.apps.items()
        }
        backends = {name: f"http://{name}" for name in BACKENDS} | (urls or {})
        backend_client = httpx.AsyncClient(mounts=mounts, trust_env=False)
        self.app = Gateway(backends, backend_client, rate_limit).application()
        self.client = Client(self.app)

    def metrics(self) -> Samples:
        """Return the gateway's own series."""
        return scraped(self.client, "/metrics")

    def metrics_of(self, name: str) -> Samples:
        return scraped(Client(self.apps[name]))


@pytest.fixture
def processor() -> Processor:
    return Processor()


class TestRequestMetrics:
    """Names, labels and counting rules, exactly as exposed by the application."""

    def test_endpoint_is_the_raw_path_with_order_ids_and_anybodys_urls(self) -> None:
        client = service("order-service")
        order_id = client.post("/orders/", json=MARKET_BUY).json()["data"]["order_id"]
        client.get(f"/orders/{order_id}")
        client.get("/wp-login.php")
        samples = scraped(client)
        assert total(samples, "order_requests_total", endpoint=f"/orders/{order_id}", status_code="200") == 1
        assert total(samples, "order_requests_total", endpoint="/wp-login.php", status_code="404") == 1

    def test_a_redirect_doubles_every_order_call_at_the_backend_only(self, processor: Processor) -> None:
        assert processor.client.post("/api/v1/orders", json=MARKET_BUY, headers=TOKEN).status_code == 201
        behind = processor.metrics_of("order-service")
        assert total(behind, "order_requests_total", endpoint="/orders", status_code="307") == 1
        assert total(behind, "order_requests_total", endpoint="/orders/", status_code="201") == 1
        assert total(processor.metrics(), "gateway_requests_total", endpoint="/api/v1/orders") == 1

    def test_error_family_is_absent_until_the_first_error_then_born_at_1(self) -> None:
        client = service("user-service")
        client.get("/portfolio")
        assert "user_errors_total" not in names(scraped(client))
        client.get("/nowhere")
        assert total(scraped(client), "user_errors_total", status_code="404", endpoint="/nowhere") == 1

    def test_errors_hold_4xx_and_5xx(self) -> None:
        client = service("inventory-service")
        client.get("/inventory/assets/DOGE")
        client.post("/_fault", json={"errors": 1})
        assert client.get("/inventory/assets").status_code == 500
        samples = scraped(client)
        assert total(samples, "inventory_errors_total", status_code="404") == 1
        assert total(samples, "inventory_errors_total", status_code="500", endpoint="/inventory/assets") == 1
        assert total(samples, "inventory_requests_total", status_code="500", endpoint="/inventory/assets") == 1

    def test_health_metrics_and_fault_control_are_not_counted(self) -> None:
        client = service("auth-service")
        for path in ("/health", "/internal/metrics"):
            assert client.get(path).status_code == 200
        client.post("/_fault", json={})
        assert "auth_requests_total" not in names(scraped(client))

    def test_labels_and_bounds_of_python_services(self) -> None:
        client = service("order-service")
        client.get("/orders/")
        samples = scraped(client)
        bounds = {dict(labels)["le"] for name, labels in samples if name == "order_request_latency_seconds_bucket"}
        assert bounds == PYTHON_BOUNDS | {"+Inf"}
        keys = {name: set(dict(labels)) for name, labels in samples}
        assert keys["order_requests_total"] == {"status_code", "endpoint"}
        assert keys["order_request_latency_seconds_count"] == {"endpoint"}
        assert {"order_requests_created", "order_request_latency_seconds_created"} <= names(samples)
        assert {"process_resident_memory_bytes", "python_gc_collections_total"} <= names(samples)

    def test_text_format_is_the_old_one(self, processor: Processor) -> None:
        for answer in (service("auth-service").get("/internal/metrics"), processor.client.get("/metrics")):
            assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"

    def test_insights_service_mounts_no_metrics(self) -> None:
        client = service("insights-service")
        assert client.get("/internal/metrics").status_code == 404
        assert client.get("/insights/portfolio").status_code == 200

    @pytest.mark.parametrize("name", sorted(KINDS))
    def test_health_is_static_and_the_only_health_path(self, name: str) -> None:
        client = service(name)
        client.post("/_fault", json={"errors": 1})
        assert client.get("/health").status_code == 200
        assert client.get("/health/ready").status_code == 404


class TestGateway:
    """What the gateway counts, hides and passes on."""

    def test_bounds_and_families_are_those_of_the_go_client(self, processor: Processor) -> None:
        processor.client.get("/api/v1/inventory/assets")
        samples = processor.metrics()
        bounds = {dict(labels)["le"] for name, labels in samples if name == "gateway_request_latency_seconds_bucket"}
        assert bounds == GO_BOUNDS | {"+Inf"}
        assert {"go_goroutines", "go_gc_duration_seconds", "process_open_fds"} <= names(samples)
        assert not {name for name in names(samples) if name.endswith("_created") or name.startswith("python_")}

    def test_its_own_scrapes_and_health_are_counted(self, processor: Processor) -> None:
        processor.client.get("/health")
        processor.client.get("/metrics")
        samples = processor.metrics()
        assert total(samples, "gateway_requests_total", endpoint="/health") == 1
        assert total(samples, "gateway_requests_total", endpoint="/metrics") == 1

    def test_scanner_urls_become_series(self, processor: Processor) -> None:
        assert processor.client.get("/wp-login.php").status_code == 404
        samples = processor.metrics()
        assert total(samples, "gateway_requests_total", endpoint="/wp-login.php", status_code="404") == 1
        assert total(samples, "gateway_errors_total", endpoint="/wp-login.php", status_code="404") == 1

    def test_401_for_a_bad_token_is_counted_nowhere_but_as_200_at_auth(self, processor: Processor) -> None:
        answer = processor.client.get("/api/v1/portfolio", headers={"authorization": "Bearer wrong.token"})
        assert answer.status_code == 401
        assert total(processor.metrics(), "gateway_requests_total", endpoint="/api/v1/portfolio") == 0
        behind = processor.metrics_of("auth-service")
        assert total(behind, "auth_requests_total", status_code="200") == 1
        assert "auth_errors_total" not in names(behind)

    def test_an_auth_outage_shows_in_no_counter(self) -> None:
        with closed_port() as port:
            processor = Processor(urls={"auth-service": f"http://127.0.0.1:{port}"})
            assert processor.client.get("/api/v1/portfolio", headers=TOKEN).status_code == 401
        samples = processor.metrics()
        assert not {"gateway_errors_total", "gateway_proxy_errors_total"} & names(samples)

    def test_401_for_a_failed_login_is_the_backends_and_counted(self, processor: Processor) -> None:
        body = {"username": "alice", "password": "wrong"}
        assert processor.client.post("/api/v1/auth/login", json=body).status_code == 401
        assert total(processor.metrics(), "gateway_errors_total", status_code="401") == 1

    def test_429_is_not_counted_and_hits_metrics_and_health_too(self) -> None:
        processor = Processor(rate_limit=2)
        other = {"x-forwarded-for": "203.0.113.9"}
        statuses = [processor.client.get(path).status_code for path in ("/health", "/health", "/health", "/metrics")]
        if 200 not in statuses[2:]:  # a new minute may begin between the requests
            assert statuses == [200, 200, 429, 429]
        samples = parse(processor.client.get("/metrics", headers=other).text)
        assert total(samples, "gateway_requests_total", status_code="200") == statuses.count(200)
        assert total(samples, "gateway_requests_total", status_code="429") == 0

    def test_a_backend_that_refuses_gives_503_and_request_failed(self) -> None:
        with closed_port() as port:
            processor = Processor(urls={"order-service": f"http://127.0.0.1:{port}"})
            answer = processor.client.post("/api/v1/orders", json=MARKET_BUY, headers=TOKEN)
        assert answer.status_code == 503
        samples = processor.metrics()
        labels = {"target_service": "order_service", "error_type": "request_failed"}
        assert total(samples, "gateway_proxy_errors_total", **labels) == 1
        assert total(samples, "gateway_errors_total", status_code="503") == 1

    def test_a_backends_5xx_passes_and_counts_as_proxy_error(self, processor: Processor) -> None:
        Client(processor.apps["inventory-service"]).post("/_fault", json={"errors": 1})
        assert processor.client.get("/api/v1/inventory/assets").status_code == 500
        labels = {"target_service": "inventory_service", "error_type": "500"}
        assert total(processor.metrics(), "gateway_proxy_errors_total", **labels) == 1

    def test_request_id_is_replaced_and_trace_headers_pass(self) -> None:
        received: list[dict[str, str]] = []

        async def note(request: Request) -> JSONResponse:
            received.append(dict(request.headers))
            return JSONResponse({})

        processor = Processor(inventory=Starlette(routes=[Route("/inventory/assets", note)]))
        sent = {"x-request-id": "mine", "x-correlation-id": "c-1", "traceparent": "00-ab-cd-01"}
        answer = processor.client.get("/api/v1/inventory/assets", headers=sent)
        assert re.fullmatch(r"req-\d{19}", received[0]["x-request-id"])
        assert (received[0]["x-correlation-id"], received[0]["traceparent"]) == ("c-1", "00-ab-cd-01")
        assert not {"x-request-id", "x-correlation-id", "traceparent"} & set(answer.headers)


class TestBusinessSeries:
    """The contract of the instrumentation, and today's silence."""

    @pytest.mark.parametrize("name", sorted(set(KINDS) - {"insights-service"}))
    def test_today_exports_none(self, name: str) -> None:
        client = service(name, business=False)
        client.post("/orders/", json=MARKET_BUY)
        assert not [series for series in names(scraped(client)) if series.startswith("business_")]

    def test_orders_by_event_side_and_asset(self) -> None:
        client = service("order-service")
        assert total(scraped(client), "business_orders_total") == 0
        assert ("business_orders_total", frozenset({"event": "rejected", "side": "sell", "asset": "SOL"}.items())) in (
            scraped(client)
        )
        value = client.post("/orders/", json=MARKET_BUY).json()["data"]["total_amount"]
        waiting = client.post("/orders/", json=LIMIT_SELL).json()["data"]["order_id"]
        assert client.post(f"/orders/{waiting}/cancel").status_code == 200
        assert client.post(f"/orders/{waiting}/cancel").status_code == 409
        assert client.post("/orders/", json=TOO_LARGE).status_code == 400
        assert client.post("/orders/", json={"order_type": "barter"}).status_code == 422
        samples = scraped(client)
        events = {e: total(samples, "business_orders_total", event=e) for e in ("created", "executed", "cancelled")}
        assert events == {"created": 2, "executed": 1, "cancelled": 1}
        assert total(samples, "business_orders_total", event="rejected", side="buy", asset="BTC") == 1
        executed = total(samples, "business_order_value_usd_total", event="executed", side="buy", asset="ETH")
        assert executed == pytest.approx(value)

    def test_users_money_and_prices(self) -> None:
        users, inventory = service("user-service"), service("inventory-service")
        alice = {"username": "alice", "email": "alice@example.com"}
        assert users.post("/auth/register", json=alice).status_code == 201
        assert users.post("/auth/register", json=alice).status_code == 409
        assert users.post("/auth/register", json={"username": "bob", "email": "none"}).status_code == 422
        for password in (identity.password_of("alice"), "wrong"):
            users.post("/auth/login", json={"username": "alice", "password": password})
        users.post("/balance/deposit", json={"amount": 12.5}, headers={"x-user-id": "carol"})
        assert users.post("/balance/deposit", json={"amount": -1}).status_code == 422
        samples = scraped(users)
        assert total(samples, "business_registrations_total") == 1
        assert total(samples, "business_logins_total", result="ok") == 1
        assert total(samples, "business_logins_total", result="failed") == 1
        assert total(samples, "business_transactions_total", type="deposit") == 1
        assert total(samples, "business_transaction_value_usd_total", type="deposit") == 12.5
        assert total(samples, "business_active_users") == 3  # alice, carol and the anonymous one
        assert {"business_portfolio_value_usd", "business_portfolio_pnl_usd"} <= names(samples)
        assert total(samples, "business_asset_balance", asset="BTC") > 0
        assert total(scraped(inventory), "business_asset_price_usd", asset="ADA") > 0


class TestFaults:
    """Faults are exact, validated and cleared."""

    def test_latency_is_added_to_each_request_and_cleared(self) -> None:
        client = service("auth-service")
        client.post("/_fault", json={"latency_ms": 300})
        client.post("/internal/auth/validate", json={})
        samples = scraped(client)
        assert total(samples, "auth_request_latency_seconds_bucket", le="0.25") == 0
        assert total(samples, "auth_request_latency_seconds_sum") >= 0.3
        assert client.post("/_fault", json={}).json() == {"errors": 0, "latency_ms": 0}

    def test_errors_hit_their_share(self) -> None:
        faults, rng = Faults(errors=0.3), random.Random(7)  # noqa: S311 - repeatable
        struck = sum(faults.strikes(rng) for _ in range(10_000))
        assert 2800 <= struck <= 3200  # within 4 standard deviations of 3000

    @pytest.mark.parametrize(
        ("fault", "said"),
        [('{"errors": 2}', "errors: 2"), ('{"error": 1}', "unknown fault"), ("[]", "JSON object"), ("{", "Expecting")],
    )
    def test_nonsense_is_refused_and_changes_nothing(self, fault: str, said: str) -> None:
        client = service("auth-service")
        answer = client.post("/_fault", content=fault)
        assert answer.status_code == 400
        assert said in answer.json()["error"]
        assert client.post("/internal/auth/validate", json={}).status_code == 200


class TestLogs:
    """Both dialects, as they come out of standard output."""

    def test_python_dialect(self, capsys: pytest.CaptureFixture[str]) -> None:
        client = service("order-service")
        headers = {"x-request-id": "req-77", "x-user-id": "alice"}
        client.post("/orders/", json=MARKET_BUY, headers=headers)
        entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        by_action = {entry["action"]: entry for entry in entries}
        start, stored = by_action["request_start"], by_action["db_operation"]
        assert list(start) == ["timestamp", "level", "service", "request_id", "action", "message", "user", "extra"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00Z", start["timestamp"])
        with pytest.raises(ValueError, match="isoformat"):
            datetime.fromisoformat(start["timestamp"])
        assert (start["service"], start["request_id"], start["user"]) == ("order", "req-77", "alice")
        assert start["extra"] is None
        assert stored["service"] == "database"  # the logger's name, not the process's
        assert stored["request_id"] not in ("req-77", "")

    def test_python_extra_is_json_inside_a_string_and_addresses_are_in_clear(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        client = service("user-service")
        body = {"username": "alice", "password": "wrong"}
        client.post("/auth/login", json=body, headers={"x-forwarded-for": "198.51.100.7"})
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        audit = next(line for line in lines if line["service"] == "audit")
        assert (audit["level"], audit["action"]) == ("WARN", "auth_failed")
        assert json.loads(audit["extra"])["ip_address"] == "198.51.100.7"

    def test_gateway_dialect_mixes_json_and_plain_access_lines(
        self, processor: Processor, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Client(processor.apps["inventory-service"]).post("/_fault", json={"errors": 1})
        processor.client.get("/api/v1/inventory/assets")
        processor.client.get("/api/v1/portfolio", headers={"authorization": "Bearer wrong.token"})
        lines = capsys.readouterr().out.splitlines()
        assert len([line for line in lines if line.startswith("[GIN] ") and "/api/v1/" in line]) == 2
        entries = [json.loads(line) for line in lines if line.startswith('{"') and '"service":"gateway"' in line]
        assert all(list(e) == ["timestamp", "level", "service", "action", "message"] for e in entries)
        assert {e["action"] for e in entries} == {"backend_5xx", "request_end", "auth_failure"}
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", e["timestamp"]) for e in entries)
        assert not any("req-" in e["message"] for e in entries)
        assert any("GET /api/v1/inventory/assets -\\u003e 500" in line for line in lines)  # escaped as Go does


class TestLoad:
    """The load generator's counts are the truth about the series."""

    @pytest.mark.parametrize("faulty", [None, "order-service", "auth-service", "gateway"])
    def test_every_expected_series_has_exactly_the_expected_value(
        self, faulty: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scenario, "ORDER_REJECTED_EVERY", 5)  # often enough to happen here
        monkeypatch.setattr(scenario, "LOGIN_FAILS_EVERY", 5)
        processor = Processor()
        if faulty:
            Client({**processor.apps, "gateway": processor.app}[faulty]).post("/_fault", json={"errors": 0.5})
        counts = asyncio.run(self.steps(processor, 160))
        assert (counts.sent, counts.unanswered) == (counts.answered, 0)
        exposed = processor.metrics()
        for name in set(KINDS) - {"insights-service"}:
            exposed |= processor.metrics_of(name)
        for what, value in counts.expected.items():
            have = total(exposed, what.name, **dict(what.labels))
            if what.name == "gateway_requests_total":  # which also counts the scrape above, as /metrics
                have -= total(exposed, what.name, endpoint="/metrics", **dict(what.labels))
            assert have == pytest.approx(value), what
        counters = re.compile(r"business_.*_total|(user|inventory|order|auth)_.*_total|gateway_(proxy_)?errors_total")
        for family in filter(counters.fullmatch, names(exposed)):  # nothing grew unexpectedly
            assert total(exposed, family) == pytest.approx(
                sum(value for what, value in counts.expected.items() if what.name == family)
            )
        seen = {label for what in counts.expected for label in what.labels}
        wanted = ("status_code", "500") if faulty else ("event", "rejected")
        assert wanted in seen

    @staticmethod
    async def steps(processor: Processor, number: int) -> Counts:
        counts, rng = Counts(), random.Random(7)  # noqa: S311 - a repeatable scenario
        transport = httpx.ASGITransport(processor.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            customers = Scenario(Customer(client, counts, rng).call, counts, rng)
            for _ in range(number // 20):
                await asyncio.gather(*(customers.step() for _ in range(20)))
        return counts

    def test_counts_are_served_and_an_absent_gateway_is_counted_not_fatal(self) -> None:
        with (
            closed_port() as nobody,
            started("load", "--gateway", f"http://127.0.0.1:{nobody}", "--rate", "50") as load,
        ):
            counts = eventually(lambda: get_json(load.url + "/counts", lambda body: body["unanswered"] > 0))
            assert counts["answered"] == 0
            assert httpx.get(load.url + "/other", trust_env=False).status_code == 404
            assert load.stop() == 0


class TestContainer:
    """The stand-in for the container runtime: format, parts, rotation, signals."""

    LINE = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([FP]) (.*)$")

    def entries(self, *files: Path) -> list[tuple[bytes, ...]]:
        lines = [line for file in files for line in file.read_bytes().splitlines()]
        return [match.groups() for line in lines if (match := self.LINE.match(line))]

    def keep(self, log: Path, *chunks: bytes, max_size: int = 10**9, max_files: int = 1000) -> None:
        """Write chunks of standard output to a log, as if a command had written them."""
        with closing(CriLog(log, max_size, max_files)) as file:
            stream = Stream("stdout", file)
            for chunk in chunks:
                stream.feed(chunk)
            stream.close()

    def test_long_lines_are_cut_at_16_kib_and_join_again(self, tmp_path: Path) -> None:
        log = tmp_path / "0.log"
        exact, long = b"e" * PART_BYTES, b"x" * PART_BYTES * 2 + b"tail "
        self.keep(log, exact[:9000], exact[9000:] + b"\n" + long[:20_000], long[20_000:] + b"\nlast", b" words")
        entries = self.entries(log)
        assert [tag for _, tag, _ in entries] == [b"F", b"P", b"P", b"F", b"F"]
        assert entries[0][2] == exact
        assert b"".join(text for _, _, text in entries[1:4]) == long
        assert entries[4][2] == b"last words"

    def test_rotation_by_size_keeps_every_line_in_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        log = tmp_path / "pod" / "0.log"
        seconds = iter(range(10_000))  # a new name for each rotation, without waiting for the clock
        stamp = lambda _file: f"{log}.20261123-{next(seconds):06d}"  # noqa: E731
        monkeypatch.setattr(CriLog, "rotated_name", stamp)
        self.keep(log, b"".join(b"line %d\n" % number for number in range(1000)), max_size=2000)
        rotated = sorted(log.parent.glob("0.log.*"))
        assert len(rotated) > 10
        assert all(re.fullmatch(r"0\.log\.\d{8}-\d{6}", file.name) for file in rotated)
        assert all(file.stat().st_size <= 2100 for file in rotated)
        texts = [text for _, _, text in self.entries(*rotated, log)]
        assert texts == [b"line %d" % number for number in range(1000)]

    def test_rotation_within_one_second_overwrites_nothing(self, tmp_path: Path) -> None:
        log = tmp_path / "0.log"
        self.keep(log, b"".join(b"line %d\n" % number for number in range(200)), max_size=100)
        rotated = sorted(tmp_path.glob("0.log.*"))
        assert 1 <= len(rotated) <= 3
        assert len(self.entries(*rotated, log)) == 200

    def test_only_max_files_are_kept(self, tmp_path: Path) -> None:
        for number in range(4):
            (tmp_path / f"0.log.20200101-00000{number}").write_bytes(b"old\n")
        self.keep(tmp_path / "0.log", b"a line\n", max_size=10, max_files=3)
        assert len(list(tmp_path.iterdir())) == 3
        assert not (tmp_path / "0.log.20200101-000000").exists()

    def test_lines_are_seen_at_once_and_the_last_ones_survive_sigterm(self, tmp_path: Path) -> None:
        log = tmp_path / "0.log"
        program = """
            import signal, sys
            def goodbye(*_):
                sys.stderr.write("one more\\n" * 1000); sys.stderr.write("the end"); sys.exit(7)
            signal.signal(signal.SIGTERM, goodbye)
            print("ready", flush=True)
            while True: signal.pause()
        """
        wrapper = contained(log, program)
        try:
            eventually(lambda: b"F ready" in log.read_bytes())
            wrapper.terminate()
            assert wrapper.wait(10) == 7
        finally:
            wrapper.kill()
        entries = self.entries(log)
        assert entries[0] == (b"stdout", b"F", b"ready")
        assert entries[1:] == [(b"stderr", b"F", b"one more")] * 1000 + [(b"stderr", b"F", b"the end")]

    def test_a_background_process_that_keeps_the_pipes_open_does_not_hold_it(self, tmp_path: Path) -> None:
        log = tmp_path / "0.log"
        program = """
            import subprocess
            print(subprocess.Popen(["sleep", "20"]).pid, flush=True)
        """
        wrapper = contained(log, program)
        try:
            assert wrapper.wait(10) == 0
        finally:
            wrapper.kill()
            os.kill(int(self.entries(log)[0][2]), signal.SIGKILL)

    @pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal of Linux")
    def test_the_command_dies_with_a_killed_wrapper(self, tmp_path: Path) -> None:
        log = tmp_path / "0.log"
        wrapper = contained(log, "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
        pid = int(eventually(lambda: self.entries(log) if log.exists() else [])[0][2])
        wrapper.kill()
        wrapper.wait(10)
        eventually(lambda: not running(pid))

    def test_exit_codes_of_signals_and_of_missing_commands(self, tmp_path: Path) -> None:
        suicide = contained(tmp_path / "0.log", "import os; os.kill(os.getpid(), 9)")
        assert suicide.wait(10) == 128 + 9
        missing = run("container", "--log", str(tmp_path / "1.log"), "--", "/no/such/program")
        assert (missing.returncode, missing.stderr) == (1, "error: /no/such/program: No such file or directory\n")


class TestProcesses:
    """The programs as processes."""

    def test_a_service_from_start_to_sigterm(self) -> None:
        with started("service", "--name", "order-service") as process:
            eventually(lambda: get_json(process.url + "/health"))
            if sys.platform == "linux":
                assert resident_mib(process.pid) <= 45
            taken = run("service", "--name", "auth-service", "--port", str(process.port))
            assert taken.returncode == 1
            assert taken.stderr.startswith(f"cannot listen on 127.0.0.1:{process.port}: Address already in use")
            assert len(taken.stderr.splitlines()) == 1
            httpx.post(process.url + "/_fault", json={"errors": 1}, trust_env=False)
            httpx.post(process.url + "/orders/", json=MARKET_BUY, trust_env=False)
            since = time.monotonic()
            process.stop()
            assert time.monotonic() - since <= 2
            assert '"POST /orders/ HTTP/1.1" 500' in process.output  # a plain access line among the JSON
            assert '"level":"ERROR"' in process.output
            assert "Traceback (most recent call last)" in process.output

    @pytest.mark.parametrize(("program", "code"), [("service", 130), ("load", 0)])
    def test_an_interrupt_ends_it_cleanly(self, program: str, code: int) -> None:
        arguments = ["--name", "auth-service"] if program == "service" else []
        path = "/health" if program == "service" else "/counts"
        with started(program, *arguments) as process:
            eventually(lambda: get_json(process.url + path))
            assert process.stop(signal.SIGINT) == code
            assert "Traceback" not in process.output

    def test_the_gateway_names_a_missing_backend(self) -> None:
        result = run("gateway", "--port", "1", "--backend", "user-service=http://127.0.0.1:1")
        assert result.returncode == 2
        assert "no --backend for auth-service" in result.stderr


# --- helpers -----------------------------------------------------------------------------------------------------


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port that nothing listens on, and keep it that way."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"rehearsal.application.{program}", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)


def contained(log: Path, program: str) -> subprocess.Popen[bytes]:
    """Run a Python program in the stand-in container."""
    text = "\n".join(line.removeprefix(" " * 12) for line in program.splitlines())
    wrapper = [sys.executable, "-m", "rehearsal.application.container", "--log", str(log), "--"]
    return subprocess.Popen([*wrapper, sys.executable, "-c", text], cwd=ROOT)


class Started:
    """A program of the package, running on a port of its own."""

    def __init__(self, program: str, *arguments: str) -> None:
        with closed_port() as port:
            self.port = port
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", f"rehearsal.application.{program}", *arguments, "--port", str(self.port)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.pid = self._process.pid
        self.output = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            self.output = out.read()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self._process.send_signal(number)
        try:
            return self._process.wait(10)
        finally:
            self._process.kill()
            self._reader.join(5)


@contextmanager
def started(program: str, *arguments: str) -> Iterator[Started]:
    process = Started(program, *arguments)
    try:
        yield process
    finally:
        process.stop()


def eventually(attempt: Callable[[], T], seconds: float = 8.0) -> T:
    """Return the first true result of `attempt`; fail after so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if result := attempt():
                return result
        except (OSError, httpx.HTTPError):
            pass  # not there yet
        time.sleep(0.02)
    raise AssertionError("did not happen in time")


def get_json(url: str, accept: Callable[[dict[str, float]], bool] = bool) -> dict[str, float]:
    body: dict[str, float] = httpx.get(url, trust_env=False).json()
    return body if accept(body) else {}


def running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def resident_mib(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
