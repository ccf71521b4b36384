"""The simulated order processor as it is today: it behaves as the running application was observed to."""

from __future__ import annotations

import json
import re
import time
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from checks.waiting import eventually
from simulation import CHECK_SECONDS
from simulation.application import identity
from simulation.application.kinds import KINDS
from simulation.application.today.service import PRICES_PATH, SYNC_SECONDS
from simulation.dialect import TODAY
from tests.rehearsal.processor import (
    LIMIT_SELL,
    MARKET_BUY,
    TOKEN,
    TOO_LARGE,
    Client,
    Processor,
    closed_port,
    get_json,
    names,
    parse,
    running_services,
    scraped,
    started,
    total,
)
from tests.rehearsal.processor import service as service_of

GO_BOUNDS = {"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10"}
PYTHON_BOUNDS = {str(float(bound)) for bound in GO_BOUNDS} | {"0.075", "0.75", "7.5"}


def service(name: str) -> Client:
    return service_of(name, TODAY)


@pytest.fixture
def processor() -> Processor:
    return Processor(TODAY)


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
        for path in ("/orders", "/orders/"):
            assert total(behind, "order_request_latency_seconds_count", endpoint=path) == 1
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


@pytest.mark.parametrize("name", sorted(set(KINDS) - {"insights-service"}))
def test_no_business_series_are_exported(name: str) -> None:
    client = service(name)
    client.post("/orders/", json=MARKET_BUY)
    assert not [series for series in names(scraped(client)) if series.startswith("business_")]


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
            processor = Processor(TODAY, urls={"auth-service": f"http://127.0.0.1:{port}"})
            assert processor.client.get("/api/v1/portfolio", headers=TOKEN).status_code == 401
        samples = processor.metrics()
        assert not {"gateway_errors_total", "gateway_proxy_errors_total"} & names(samples)

    def test_401_for_a_failed_login_is_the_backends_and_counted(self, processor: Processor) -> None:
        body = {"username": "alice", "password": "wrong"}
        assert processor.client.post("/api/v1/auth/login", json=body).status_code == 401
        assert total(processor.metrics(), "gateway_errors_total", status_code="401") == 1

    def test_429_is_not_counted_and_hits_metrics_and_health_too(self) -> None:
        processor = Processor(TODAY, rate_limit=2)
        other = {"x-forwarded-for": "203.0.113.9"}
        statuses = [processor.client.get(path).status_code for path in ("/health", "/health", "/health", "/metrics")]
        if 200 not in statuses[2:]:  # a new minute may begin between the requests
            assert statuses == [200, 200, 429, 429]
        samples = parse(processor.client.get("/metrics", headers=other).text)
        assert total(samples, "gateway_requests_total", status_code="200") == statuses.count(200)
        assert total(samples, "gateway_requests_total", status_code="429") == 0

    def test_a_backend_that_refuses_gives_503_and_request_failed(self) -> None:
        with closed_port() as port:
            processor = Processor(TODAY, urls={"order-service": f"http://127.0.0.1:{port}"})
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

        processor = Processor(TODAY, inventory=Starlette(routes=[Route("/inventory/assets", note)]))
        sent = {"x-request-id": "mine", "x-correlation-id": "c-1", "traceparent": "00-ab-cd-01"}
        answer = processor.client.get("/api/v1/inventory/assets", headers=sent)
        assert re.fullmatch(r"req-\d{19}", received[0]["x-request-id"])
        assert (received[0]["x-correlation-id"], received[0]["traceparent"]) == ("c-1", "00-ab-cd-01")
        assert not {"x-request-id", "x-correlation-id", "traceparent"} & set(answer.headers)


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
        body = {"username": "alice", "password": identity.password_of("alice")}
        client.post("/auth/login", json=body, headers={"x-forwarded-for": "198.51.100.7"})
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        audit = next(line for line in lines if line["action"] == "auth_success")
        assert (audit["service"], audit["user"]) == ("audit", "alice")
        assert json.loads(audit["extra"])["ip_address"] == "198.51.100.7"

    def test_gateway_dialect_mixes_json_and_plain_access_lines(
        self, processor: Processor, capsys: pytest.CaptureFixture[str]
    ) -> None:
        Client(processor.apps["inventory-service"]).post("/_fault", json={"errors": 1})
        processor.client.get("/api/v1/inventory/assets")
        processor.client.get("/api/v1/portfolio", headers={"authorization": "Bearer wrong.token"})
        lines = capsys.readouterr().out.splitlines()
        assert len([line for line in lines if line.startswith("[GIN] ") and "/api/v1/" in line]) == 2
        own = [
            line
            for line in lines
            if re.match(r'127\.0\.0\.1 - \[\w{3}, \d\d \w{3} \d{4} [0-9:]{8} UTC] "GET /api', line)
        ]
        assert [re.findall(r"HTTP/1.1 (\d+) [0-9.]+(?:µs|ms) ", line) for line in own] == [["500"], ["401"]]
        entries = [json.loads(line) for line in lines if line.startswith('{"') and '"service":"gateway"' in line]
        assert all(list(e) == ["timestamp", "level", "service", "action", "message"] for e in entries)
        assert {e["action"] for e in entries} == {"backend_5xx", "request_end", "auth_failure"}
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", e["timestamp"]) for e in entries)
        assert not any("req-" in e["message"] for e in entries)
        assert any("GET /api/v1/inventory/assets -\\u003e 500" in line for line in lines)  # escaped as Go does

    def test_the_gateways_own_access_line_has_the_path_as_it_is_decoded(
        self, processor: Processor, capsys: pytest.CaptureFixture[str]
    ) -> None:
        processor.client.get('/a%0A{"level":"ERROR"}?q=%0A1')
        _, injected, framework = capsys.readouterr().out.splitlines()
        assert injected.startswith('{"level":"ERROR"}?q=%0A1 HTTP/1.1 404 ')
        assert framework.endswith(r'GET      "/a\n{\"level\":\"ERROR\"}?q=%0A1"')


class TestRefusals:
    """How failures are answered that are no 5xx."""

    def test_an_unknown_user_is_404_and_a_wrong_password_401(self, processor: Processor) -> None:
        for user, status in (("alice", 401), ("nobody_7", 404)):
            body = {"username": user, "password": "wrong"}
            assert processor.client.post("/api/v1/auth/login", json=body).status_code == status

    def test_what_is_refused_or_meets_a_failing_store_is_422(self, processor: Processor) -> None:
        orders = [TOO_LARGE, LIMIT_SELL, MARKET_BUY | {"quantity": 2}, MARKET_BUY | {"quantity": -1}]
        for order in orders:
            assert processor.client.post("/api/v1/orders", json=order, headers=TOKEN).status_code == 422
        Client(processor.apps["order-service"]).post("/_fault", json={"errors": 1})
        assert processor.client.post("/api/v1/orders", json=MARKET_BUY, headers=TOKEN).status_code == 422
        assert processor.client.get("/api/v1/orders", headers=TOKEN).status_code == 500

    def test_nobody_asks_whether_what_is_sold_is_there(self, processor: Processor) -> None:
        sell = MARKET_BUY | {"order_type": "market_sell", "quantity": 2}
        assert processor.client.post("/api/v1/orders", json=sell, headers=TOKEN).status_code == 201

    def test_no_order_can_be_cancelled(self, processor: Processor) -> None:
        answer = processor.client.post("/api/v1/orders/order_0000aaaa_1796140901/cancel", headers=TOKEN)
        assert (answer.status_code, answer.text) == (404, "404 page not found")
        assert service("order-service").post("/orders/order_0000aaaa_1796140901/cancel").status_code == 404


class TestWithoutRedis:
    """A gateway that has not found Redis when it started."""

    def test_says_so_and_goes_on_without_a_limit(self) -> None:
        processor = Processor(TODAY, rate_limit=0, redis=False)
        answers = [processor.client.get("/health") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200] * 3
        assert answers[0].json() == {"redis": False, "service": "gateway", "status": "degraded (no Redis)"}

    def test_that_found_it_never_says_otherwise(self, processor: Processor) -> None:
        assert processor.client.get("/health").json() == {"redis": True, "service": "gateway", "status": "healthy"}

    def test_is_one_line_at_its_start(self) -> None:
        backends = [f"--backend={name}=http://127.0.0.1:1" for name in KINDS]
        with started("gateway", "--dialect=today", "--redis=127.0.0.1:1", *backends) as gateway:
            eventually(lambda: get_json(f"{gateway.url}/health"))
            gateway.stop()
        assert '"level":"WARN"' in next(line for line in gateway.output.splitlines() if "Redis connection" in line)


class TestPrices:
    """inventory-service fetches prices every five minutes of the stack's time."""

    @pytest.mark.parametrize(
        ("fault", "told"),
        [
            ({}, "Price update completed: 4 assets, 4 Redis"),
            ({"redis_away": 1}, "Price update completed: 4 assets, 0 Redis"),
            ({"errors": 1, "path": PRICES_PATH}, "Inventory sync cycle #N failed (will retry in 300s)"),
        ],
    )
    def test_are_fetched_again_and_again_and_failures_are_told(self, fault: dict[str, object], told: str) -> None:
        arguments = ("--name=inventory-service", "--dialect=today", f"--check-seconds={CHECK_SECONDS / 3000}")
        with started("service", *arguments) as inventory:
            eventually(lambda: get_json(f"{inventory.url}/health"))
            httpx.post(f"{inventory.url}/_fault", json=fault, trust_env=False)
            assert httpx.get(f"{inventory.url}/inventory/assets", trust_env=False).status_code == 200
            time.sleep(10 * SYNC_SECONDS / 3000)
            inventory.stop()
        lines = [json.loads(line) for line in inventory.output.splitlines() if line.startswith("{")]
        messages = [re.sub(r"#\d+", "#N", line["message"]) for line in lines]
        assert messages.count("Inventory sync cycle #N starting...") > 2
        assert messages.count(told) > 1


def test_all_six_run_and_speak_it(tmp_path: Path) -> None:
    with running_services(TODAY, tmp_path) as services:
        gateway, orders = services["gateway"], services["order-service"]
        answer = httpx.post(f"{gateway.url}/api/v1/orders", json=MARKET_BUY, headers=TOKEN, trust_env=False)
        assert answer.status_code == 201
        assert "x-request-id" not in answer.headers
        exposed = {name: service.metrics() for name, service in services.items() if service.known.prefix}
        assert set(services) - set(exposed) == {"insights-service"}
        for name, service in services.items():
            assert httpx.get(service.url + service.known.health_path, trust_env=False).status_code == 200, name
        lines = orders.log.read_text().splitlines()
    assert total(exposed["gateway"], "gateway_requests_total", endpoint="/api/v1/orders", status_code="201") == 1
    assert total(exposed["order-service"], "order_requests_total", endpoint="/orders/", status_code="201") == 1
    assert total(exposed["auth-service"], "auth_requests_total", status_code="200") == 1
    assert any(json.loads(line)["action"] == "request_end" for line in lines if line.startswith("{"))
    assert any('"POST /orders/ HTTP/1.1" 201' in line for line in lines)
