"""The simulated order processor with the instrumentation package: it keeps the package's contract."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest
from order_processor_observability.__main__ import main
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from checks.waiting import eventually
from local.ports import SERVICES
from simulation.application import identity
from tests.rehearsal.processor import (
    LIMIT_SELL,
    MARKET_BUY,
    TOKEN,
    TOO_LARGE,
    Client,
    Processor,
    Running,
    names,
    running_services,
    scraped,
    total,
)
from tests.rehearsal.processor import service as service_of

pytestmark = pytest.mark.usefixtures("logging_as_before")

PACKAGE = "package"


def service(name: str) -> Client:
    return service_of(name, PACKAGE)


@pytest.fixture
def processor() -> Processor:
    return Processor(PACKAGE)


class TestRequestMetrics:
    """Endpoints are templates, and everybody is counted but the monitoring."""

    def test_endpoints_are_templates_and_unknown_paths_share_one(self) -> None:
        client = service("order-service")
        order_id = client.post("/orders/", json=MARKET_BUY).json()["data"]["order_id"]
        client.get(f"/orders/{order_id}")
        client.get("/wp-login.php")
        samples = scraped(client)
        assert total(samples, "order_requests_total", endpoint="/orders/{order_id}", status_code="200") == 1
        assert total(samples, "order_requests_total", endpoint="unmatched", status_code="404") == 1
        assert total(samples, "order_requests_total") == 3

    def test_the_gateways_are_those_of_its_api_and_the_monitoring_is_not_counted(self, processor: Processor) -> None:
        processor.client.post("/api/v1/orders", json=MARKET_BUY, headers=TOKEN)
        processor.client.get("/api/v1/orders/unknown", headers=TOKEN)
        processor.client.get("/wp-login.php")
        processor.client.get("/health")
        samples = processor.metrics()
        assert total(samples, "gateway_requests_total", endpoint="/api/v1/orders", status_code="201") == 1
        assert total(samples, "gateway_requests_total", endpoint="/api/v1/orders/{order_id}", status_code="404") == 1
        assert total(samples, "gateway_requests_total", endpoint="unmatched", status_code="404") == 1
        assert total(samples, "gateway_requests_total") == 3

    def test_the_gateway_counts_whom_it_turns_away(self) -> None:
        processor = Processor(PACKAGE, rate_limit=0)
        wrong = {"authorization": "Bearer wrong.token"}
        assert processor.client.get("/api/v1/portfolio", headers=wrong).status_code == 401
        assert processor.client.get("/wp-login.php").status_code == 429
        assert processor.client.get("/health").status_code == 200
        samples = processor.metrics()
        assert total(samples, "gateway_errors_total", endpoint="/api/v1/portfolio", status_code="401") == 1
        assert total(samples, "gateway_errors_total", endpoint="unmatched", status_code="429") == 1

    def test_proxy_errors_stay(self, processor: Processor) -> None:
        Client(processor.apps["inventory-service"]).post("/_fault", json={"errors": 1})
        assert processor.client.get("/api/v1/inventory/assets").status_code == 500
        labels = {"target_service": "inventory_service", "error_type": "500"}
        assert total(processor.metrics(), "gateway_proxy_errors_total", **labels) == 1


class TestRequestIds:
    """One request has one id, from the client to the last log line."""

    TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    def exchange(self, sent: dict[str, str]) -> tuple[dict[str, str], httpx.Response]:
        """Send a request through the gateway; returns the headers that the backend got, and the answer."""
        received: list[dict[str, str]] = []

        async def note(request: Request) -> JSONResponse:
            received.append(dict(request.headers))
            return JSONResponse({})

        processor = Processor(PACKAGE, inventory=Starlette(routes=[Route("/inventory/assets", note)]))
        answer = processor.client.get("/api/v1/inventory/assets", headers=sent)
        return received[0], answer

    def test_well_formed_ones_are_passed_on_and_returned(self) -> None:
        sent = {"x-request-id": "mine", "x-correlation-id": "c-1", "traceparent": self.TRACEPARENT}
        received, answer = self.exchange(sent)
        assert {name: received[name] for name in sent} == sent
        assert answer.headers.get_list("x-request-id") == ["mine"]
        assert answer.headers.get_list("x-correlation-id") == ["c-1"]

    def test_malformed_and_missing_ones_are_replaced(self) -> None:
        received, answer = self.exchange({"x-request-id": 'a "b"', "traceparent": "00-ab-cd-01"})
        assert re.fullmatch(r"[0-9a-f]{32}", received["x-request-id"])
        assert received["x-correlation-id"] == received["x-request-id"] == answer.headers["x-request-id"]
        assert "traceparent" not in received

    def test_all_lines_of_a_request_have_them_in_all_services(
        self, processor: Processor, capfdbinary: pytest.CaptureFixture[bytes]
    ) -> None:
        headers = {**TOKEN, "x-request-id": "r-7", "x-correlation-id": "c-7"}
        processor.client.post("/api/v1/orders", json=MARKET_BUY, headers=headers)
        entries = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
        assert {(entry["request_id"], entry["correlation_id"]) for entry in entries} == {("r-7", "c-7")}
        finished = {entry["service"] for entry in entries if entry["logger"] == "access"}
        assert finished == {"gateway", "auth-service", "order-service"}
        assert {"database", "order", "gateway", "auth"} <= {entry["logger"] for entry in entries}


class TestLogs:
    """Lines as specified."""

    def test_an_order_says_who_did_what_for_how_much(self, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        value = (
            service("order-service")
            .post("/orders/", json=MARKET_BUY, headers={"x-user-id": "alice"})
            .json()["data"]["total_amount"]
        )
        entries = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
        operations = {entry["context"]["operation"]: entry for entry in entries}
        assert set(operations) == {"request_start", "db_operation", "request_end", "http_request"}
        assert {entry["username"] for entry in entries} == {"alice"}
        assert operations["request_end"]["context"]["amount"] == value

    def test_an_injected_error_is_one_line_with_its_exception(self, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        client = service("order-service")
        client.post("/_fault", json={"errors": 1})
        client.get("/orders/")
        entries = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
        failed = [entry for entry in entries if "exception" in entry]
        assert [entry["context"]["status_code"] for entry in failed] == [500]
        assert "the table did not answer" in failed[0]["exception"]


class TestBusinessMetrics:
    """What the services tell through the package's API."""

    def test_orders_by_event_side_and_asset(self) -> None:
        client = service("order-service")
        assert total(scraped(client), "business_orders_total") == 0
        value = client.post("/orders/", json=MARKET_BUY).json()["data"]["total_amount"]
        waiting = client.post("/orders/", json=LIMIT_SELL).json()["data"]["order_id"]
        assert client.post(f"/orders/{waiting}/cancel").status_code == 200
        assert client.post(f"/orders/{waiting}/cancel").status_code == 409
        assert client.post("/orders/", json=TOO_LARGE).status_code == 400
        assert client.post("/orders/", json={"order_type": "barter"}).status_code == 422
        samples = scraped(client)
        events = {e: total(samples, "business_orders_total", event=e) for e in ("created", "executed", "cancelled")}
        assert events == {"created": 2, "executed": 1, "cancelled": 1}
        assert total(samples, "business_orders_total", event="cancelled", side="sell", asset="ADA") == 1
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


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_services(PACKAGE, tmp_path_factory.mktemp("package")) as services:
        yield services


class TestProcesses:
    """All six as `make up` starts them."""

    @pytest.mark.parametrize("name", SERVICES)
    def test_the_contract_is_kept(self, running: Running, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        service = running[name]
        arguments = ["--metrics-path", service.known.metrics_path, "--logs", str(service.log)]
        assert main(["check", service.url, *arguments]) == 0, capsys.readouterr().out

    @pytest.mark.parametrize("name", SERVICES)
    def test_the_catalogue_finds_its_metrics_and_its_readiness(self, running: Running, name: str) -> None:
        service = running[name]
        assert f"{service.known.prefix}_requests_total" in names(service.metrics())
        assert service.known.health_path == "/health/ready"
        # Its dependencies are checked first after the start.
        eventually(lambda: httpx.get(service.url + service.known.health_path, trust_env=False).status_code == 200)

    def test_readiness_checks_what_the_catalogue_requires_and_fails_with_the_service(self, running: Running) -> None:
        order = running["order-service"]

        def dependencies() -> dict[str, float]:
            return {
                dict(labels)["dependency"]: value
                for (name, labels), value in order.metrics().items()
                if name == "order_dependency_up"
            }

        assert eventually(dependencies) == {"dynamodb": 1}
        assert httpx.get(order.url + "/health/ready", trust_env=False).status_code == 200
        httpx.post(order.url + "/_fault", json={"errors": 1}, trust_env=False)
        try:
            eventually(lambda: dependencies() == {"dynamodb": 0})
            assert httpx.get(order.url + "/health/ready", trust_env=False).status_code == 503
        finally:
            httpx.post(order.url + "/_fault", json={}, trust_env=False)
