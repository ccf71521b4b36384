"""Today's dialect says what the real application was recorded to say: lines of the same shapes, for each request."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

import catalogue
from facts import ROOT
from local.ports import SERVICES
from rehearsal.lines import read
from settings import read_stack
from simulation.application import identity, scenario
from simulation.application.counts import Counts
from simulation.application.load import Customer
from simulation.application.scenario import Scenario
from simulation.application.today.recorded import DIRECTORY
from simulation.dialect import TODAY
from tests.rehearsal.processor import Client, Processor, closed_port, running_services, service
from tests.rehearsal.shapes import Shape, shape, shapes

USER = "user_0badcafe"
PASSWORD = identity.password_of(USER)
TOKEN = {"authorization": f"Bearer {identity.token_of(USER)}"}
HANDED_DOWN = {"x-request-id": "req-1795453674655359280", "x-user-id": USER}
FILES = sorted(DIRECTORY.rglob("*.log"))
SERVER = re.compile(r"INFO: |\[GIN\] |[0-9.]+ - \[")


def lines_of(name: str, outcome: str) -> list[str]:
    return (DIRECTORY / name / f"{outcome}.log").read_text().splitlines()


def without_server(lines: list[str]) -> list[str]:
    return [line for line in lines if not SERVER.match(line)]


def recorded_shapes(name: str) -> set[Shape]:
    return {shape(line) for file in (DIRECTORY / name).glob("*.log") for line in file.read_text().splitlines()}


class TestSample:
    """The recorded sample itself."""

    def test_is_of_all_six_services_and_large_enough(self) -> None:
        assert {file.parent.name for file in FILES} == set(SERVICES)
        assert sum(len(file.read_text().splitlines()) for file in FILES) >= 200

    @pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.stem}")
    def test_has_invented_names_and_addresses_alone(self, file: Path) -> None:
        text = file.read_text()
        for address in re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text):
            assert ipaddress.ip_address(address).is_private, address
        assert set(re.findall(r"[\w.]+@[\w.]+", text)) <= {"user_5f1c2a3b@example.com"}
        assert set(re.findall(r"\buser_[0-9a-f]{8}", text)) <= {"user_5f1c2a3b"}
        assert not re.search(r"eyJ|/home|/tmp|AKIA|Bearer", text)


EVENTS = {
    "order_created": 2,
    "order_executed": 2,
    "order_rejected": 5,
    "login_succeeded": 1,
    "login_failed": 2,
    "registration": 1,
    "deposit": 1,
    "withdrawal": 1,
    "price_update_failed": 1,
}
"""What the recorded requests were."""
WITHOUT_LEVEL = re.compile(r"\[GIN-debug\] | - using |Please check |[0-9.]+ - \[")
"""What the gateway's framework says at its start, and its own access lines."""


READ = ("severity", "action", "request_id", "user")


def expected(line: dict[str, str]) -> tuple[str | None, ...]:
    """A line's time, and what the agent finds in it: a logger is no user."""
    user = line.get("user")
    return (
        line["timestamp"],
        line["level"],
        line["action"],
        line.get("request_id"),
        user if user != line["service"] else None,
    )


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_the_log_agent_reads_every_line_and_counts_each_event_once(name: str, tmp_path: Path) -> None:
    written = [line for file in FILES if file.parent.name == name for line in file.read_text().splitlines()]
    file = tmp_path / f"{name}.log"
    file.write_text("".join(f"{line}\n" for line in written))
    known = catalogue.load(ROOT / "services.yaml")
    entries = read(file, name, known, read_stack(ROOT / "Pulumi.dev.yaml"))
    words = len(" ".join(written).split())  # masking changes some, joining lines none; an empty line is no loss
    assert len(" ".join(entry.text for entry in entries).split()) == words
    assert [entry for entry in entries if entry.unread and not WITHOUT_LEVEL.match(entry.text)] == []
    assert Counter(
        (json.loads(entry.text)["timestamp"], *(entry.attributes.get(label) for label in READ))
        for entry in entries
        if entry.text.startswith("{")
    ) == Counter(expected(json.loads(line)) for line in written if line.startswith("{"))
    events = Counter(entry.attributes["event"] for entry in entries if "event" in entry.attributes)
    told_here = {event.name for event in known.events if event.service == name}
    assert events == {event: count for event, count in EVENTS.items() if event in told_here}


@dataclass(frozen=True)
class Played:
    """A request to a simulated service, which leads to an outcome that was recorded."""

    service: str
    outcome: str
    method: str
    path: str
    body: object = None
    fault: Mapping[str, object] = field(default_factory=dict)
    first: Any = None
    """A body that is posted to the same path before."""

    def __str__(self) -> str:
        """Its recording."""
        return f"{self.service}/{self.outcome}"


FAILING = {"errors": 1}
REGISTRATION = {"username": USER, "email": f"{USER}@example.com", "password": PASSWORD}
BUY = {"order_type": "market_buy", "asset_id": "ETH", "quantity": 1.25}
ORDER = "/orders/order_0000aaaa_1796140901"
PLAYED = [
    Played("auth-service", "token-valid", "POST", "/internal/auth/validate", {"token": identity.token_of(USER)}),
    Played("auth-service", "token-invalid", "POST", "/internal/auth/validate", {"token": "none"}),
    Played("auth-service", "unhandled-error", "POST", "/internal/auth/validate", {}, FAILING),
    Played("insights-service", "insights", "GET", "/insights/portfolio"),
    Played("insights-service", "insights-store-failing", "GET", "/insights/portfolio", fault=FAILING),
    Played("inventory-service", "assets", "GET", "/inventory/assets"),
    Played("inventory-service", "assets-store-failing", "GET", "/inventory/assets", fault=FAILING),
    Played("inventory-service", "asset", "GET", "/inventory/assets/SOL"),
    Played("inventory-service", "asset-store-failing", "GET", "/inventory/assets/SOL", fault=FAILING),
    Played("inventory-service", "asset-unknown", "GET", "/inventory/assets/DOGE"),
    Played("order-service", "buy", "POST", "/orders/", BUY),
    Played("order-service", "sell", "POST", "/orders/", BUY | {"order_type": "market_sell"}),
    Played("order-service", "limit-order", "POST", "/orders/", BUY | {"order_type": "limit_buy", "price": 9}),
    Played("order-service", "order-beyond-balance", "POST", "/orders/", BUY | {"quantity": 2.5}),
    Played("order-service", "order-beyond-maximum", "POST", "/orders/", BUY | {"quantity": 25}),
    Played("order-service", "order-malformed", "POST", "/orders/", BUY | {"quantity": -1}),
    Played("order-service", "buy-store-failing", "POST", "/orders/", BUY, FAILING),
    Played("order-service", "orders", "GET", "/orders/"),
    Played("order-service", "orders-store-failing", "GET", "/orders/", fault=FAILING),
    Played("order-service", "order-unknown", "GET", ORDER),
    Played("order-service", "order-store-failing", "GET", ORDER, fault=FAILING),
    Played("order-service", "asset-transactions", "GET", "/assets/SOL/transactions"),
    Played("order-service", "asset-transactions-store-failing", "GET", "/assets/SOL/transactions", fault=FAILING),
    Played("user-service", "registration", "POST", "/auth/register", REGISTRATION),
    Played("user-service", "registration-taken", "POST", "/auth/register", REGISTRATION, first=REGISTRATION),
    Played("user-service", "registration-malformed", "POST", "/auth/register", {"username": USER}),
    Played("user-service", "registration-store-failing", "POST", "/auth/register", REGISTRATION, FAILING),
    Played("user-service", "login", "POST", "/auth/login", REGISTRATION),
    Played("user-service", "login-wrong-password", "POST", "/auth/login", {"username": USER, "password": "wrong"}),
    Played("user-service", "login-unknown-user", "POST", "/auth/login", {"username": "nobody_7", "password": "x"}),
    Played("user-service", "login-store-failing", "POST", "/auth/login", REGISTRATION, FAILING),
    Played("user-service", "profile", "GET", "/auth/profile"),
    Played("user-service", "logout", "POST", "/auth/logout", {}),
    Played("user-service", "balance", "GET", "/balance"),
    Played("user-service", "transactions", "GET", "/balance/transactions"),
    Played("user-service", "asset-balance", "GET", "/balance/asset/SOL"),
    Played("user-service", "asset-balance-unknown", "GET", "/balance/asset/DOGE"),
    Played("user-service", "portfolio", "GET", "/portfolio"),
    Played("user-service", "request-store-failing", "GET", "/portfolio", fault=FAILING),
    Played("user-service", "deposit", "POST", "/balance/deposit", {"amount": 20.5}),
    Played("user-service", "deposit-beyond-limit", "POST", "/balance/deposit", {"amount": 20_000}),
    Played("user-service", "deposit-malformed", "POST", "/balance/deposit", {"amount": -1}),
    Played("user-service", "withdrawal", "POST", "/balance/withdraw", {"amount": 20.5}),
    Played("user-service", "withdrawal-beyond-balance", "POST", "/balance/withdraw", {"amount": 20_000}),
    Played("user-service", "withdrawal-malformed", "POST", "/balance/withdraw", {"amount": 0}),
]


@pytest.mark.parametrize("played", PLAYED, ids=str)
def test_a_request_leaves_the_lines_and_the_status_that_were_recorded(
    played: Played, capsys: pytest.CaptureFixture[str]
) -> None:
    client = service(played.service, TODAY)
    if played.first:
        client.post(played.path, json=played.first, headers=HANDED_DOWN)
    client.post("/_fault", json=played.fault)
    capsys.readouterr()
    answer = client.send(played.method, played.path, json=played.body, headers=HANDED_DOWN)
    recorded = lines_of(played.service, played.outcome)
    assert shapes(capsys.readouterr().out.splitlines()) == shapes(without_server(recorded))
    assert f'HTTP/1.1" {answer.status_code} ' in recorded[-1]


def test_lines_are_of_the_request_and_not_of_the_recorded_one(capsys: pytest.CaptureFixture[str]) -> None:
    client = service("order-service", TODAY)
    data = client.post("/orders/", json=BUY, headers=HANDED_DOWN | {"x-forwarded-for": "203.0.113.9"}).json()["data"]
    text = capsys.readouterr().out
    for own in (data["order_id"], str(data["total_amount"]), USER, "ETH", "quantity: 1.25", "203.0.113.9"):
        assert own in text
    recorded = (DIRECTORY / "order-service" / "buy.log").read_text()
    ids = re.compile(r"req-\w+|(?:order|lock)_[0-9a-f]{8}_\w+")
    assert not set(ids.findall(recorded)) & set(ids.findall(text))
    times = [json.loads(line)["timestamp"] for line in text.splitlines()]
    assert times == sorted(times)
    assert recorded[:40] not in text


def test_values_cannot_break_the_line_they_stand_in(capsys: pytest.CaptureFixture[str]) -> None:
    client = service("user-service", TODAY)
    user = 'a"b\\c\nd'
    client.post("/auth/login", json={"username": user, "password": "x"}, headers={"user-agent": 'x"y'})
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert entries[0]["message"] == f"Login attempt for: {user}"


@dataclass(frozen=True)
class Asked:
    """A request to the simulated gateway, which leads to lines that were recorded."""

    recorded: str
    path: str
    headers: Mapping[str, str] = field(default_factory=lambda: TOKEN)
    away: str = ""
    failing: str = ""

    def __str__(self) -> str:
        """Its recording."""
        return self.recorded


ASKED = [
    Asked("request", "/api/v1/portfolio"),
    Asked("no-token", "/api/v1/portfolio", {}),
    Asked("bad-token", "/api/v1/portfolio", {"authorization": "Bearer wrong.token"}),
    Asked("backend-5xx", "/api/v1/portfolio", failing="user-service"),
    Asked("backend-away", "/api/v1/inventory/assets", {}, away="inventory-service"),
    Asked("auth-away", "/api/v1/orders", away="auth-service"),
    Asked("unknown-path", "/wp-login.php", {}),
    Asked("health", "/health", {}),
]


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_the_gateways_lines_are_those_recorded(asked: Asked, capsys: pytest.CaptureFixture[str]) -> None:
    with closed_port() as port:
        processor = Processor(TODAY, urls={asked.away: f"http://127.0.0.1:{port}"} if asked.away else {})
        if asked.failing:
            Client(processor.apps[asked.failing]).post("/_fault", json=FAILING)
        processor.client.get(asked.path, headers=asked.headers)
    written = [line for line in capsys.readouterr().out.splitlines() if "request_id" not in line]
    assert shapes(written) == shapes(lines_of("gateway", asked.recorded))


@pytest.mark.parametrize(
    ("password", "recorded"),
    [(PASSWORD, "login-without-redis"), ("wrong", "login-wrong-password-without-redis")],
)
def test_a_login_tells_that_redis_is_away_and_is_answered(
    password: str, recorded: str, capsys: pytest.CaptureFixture[str]
) -> None:
    processor = Processor(TODAY, rate_limit=0)
    processor.client.post("/_fault", json={"redis_away": 1})
    answer = processor.client.post("/api/v1/auth/login", json={"username": USER, "password": password})
    written = [line for line in capsys.readouterr().out.splitlines() if "request_id" not in line]
    # In another order: a failure is noted before the end of the request is.
    assert sorted(map(str, shapes(written))) == sorted(map(str, shapes(lines_of("gateway", recorded))))
    assert answer.status_code == (200 if password == PASSWORD else 401)
    assert processor.client.get("/health").json()["redis"] is True


def test_whatever_customers_do_leaves_only_shapes_that_were_recorded(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenario, "ORDER_REJECTED_EVERY", 5)
    monkeypatch.setattr(scenario, "LOGIN_FAILS_EVERY", 5)
    processor = Processor(TODAY)
    for name in ("order-service", "user-service"):
        Client(processor.apps[name]).post("/_fault", json={"errors": 0.2})
    counts, rng = Counts(TODAY), random.Random(7)  # noqa: S311 - a repeatable scenario

    async def steps() -> None:
        transport = httpx.ASGITransport(processor.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            customers = Scenario(Customer(client, counts, rng).call, counts, rng)
            for _ in range(150):
                await customers.step()

    asyncio.run(steps())
    known = set().union(*(recorded_shapes(name) for name in SERVICES))
    strange = [line for line in capsys.readouterr().out.splitlines() if shape(line) not in known]
    assert strange == []
    assert ("order-service", 422) in counts.responses


def test_every_process_writes_nothing_but_what_was_recorded(tmp_path: Path) -> None:
    """With the lines of the web servers, at start and end, too."""
    with running_services(TODAY, tmp_path) as services:
        url = services["gateway"].url
        for method, path in (
            ("POST", "/orders"),
            ("GET", "/orders"),
            ("GET", "/portfolio"),
            ("GET", "/inventory/assets"),
        ):
            body = BUY if method == "POST" else None
            httpx.request(method, f"{url}/api/v1{path}", json=body, headers=TOKEN, trust_env=False).raise_for_status()
    for name in SERVICES:
        lines = services[name].log.read_text().splitlines()
        known, seen = recorded_shapes(name), set(shapes(lines))
        assert [line for line in lines if shape(line) not in known] == [], name
        for outcome in ("started", "stopped"):
            if name != "gateway" or outcome == "started":
                assert seen >= set(shapes(without_server(lines_of(name, outcome)))), (name, outcome)
