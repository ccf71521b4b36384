"""What the simulated order processor does whatever its dialect: faults and load."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict

import httpx
import pytest

from checks.waiting import eventually
from simulation.application import identity, scenario
from simulation.application.counts import Counts, series
from simulation.application.faults import Faults
from simulation.application.kinds import KINDS
from simulation.application.load import BESIDE, Customer, Pace
from simulation.application.load import application as control
from simulation.application.proxy import BACKENDS
from simulation.application.scenario import Scenario
from simulation.dialect import DIALECTS, TODAY
from tests.rehearsal.processor import (
    Client,
    Processor,
    closed_port,
    get_json,
    names,
    scraped,
    service,
    started,
    total,
)

pytestmark = pytest.mark.usefixtures("logging_as_before")


@pytest.mark.parametrize("dialect", DIALECTS)
class TestFaults:
    """Faults are exact, validated and cleared."""

    def test_latency_is_added_to_each_request_and_cleared(self, dialect: str) -> None:
        client = service("auth-service", dialect)
        client.post("/_fault", json={"latency_ms": 300})
        client.post("/internal/auth/validate", json={})
        samples = scraped(client)
        assert total(samples, "auth_request_latency_seconds_bucket", le="0.25") == 0
        assert total(samples, "auth_request_latency_seconds_sum") >= 0.3
        assert client.post("/_fault", json={}).json() == asdict(Faults())

    def test_errors_are_answered_with_500_and_faults_are_not_counted(self, dialect: str) -> None:
        client = service("auth-service", dialect)
        client.post("/_fault", json={"errors": 1})
        assert client.post("/internal/auth/validate", json={}).status_code == 500
        samples = scraped(client)
        assert total(samples, "auth_requests_total") == total(samples, "auth_errors_total", status_code="500") == 1

    @pytest.mark.parametrize(
        ("fault", "said"),
        [
            ('{"errors": 2}', "errors: 2"),
            ('{"error": 1}', "unknown fault"),
            ("[]", "JSON object"),
            ("{", "Expecting"),
            ('{"path": "orders"}', "path: 'orders'"),
        ],
    )
    def test_nonsense_is_refused_and_changes_nothing(self, fault: str, said: str, dialect: str) -> None:
        client = service("auth-service", dialect)
        answer = client.post("/_fault", content=fault)
        assert answer.status_code == 400
        assert said in answer.json()["error"]
        assert client.post("/internal/auth/validate", json={}).status_code == 200


def test_errors_of_one_path_leave_the_others_and_the_checks_alone() -> None:
    faults, rng = Faults(errors=1, path="/portfolio"), random.Random(7)  # noqa: S311 - repeatable
    assert faults.strikes(rng, "/portfolio")
    assert not faults.strikes(rng, "/balance/asset/BTC")
    assert asyncio.run(faults.check())
    assert not asyncio.run(Faults(errors=1).check())
    assert all(asyncio.run(Faults(errors=0.9).check()) for _ in range(100))


def test_each_request_writes_as_many_lines_as_the_fault_says(capsys: pytest.CaptureFixture[str]) -> None:
    client = service("auth-service", TODAY)
    client.post("/_fault", json={"lines": 3})
    client.post("/internal/auth/validate", json={})
    assert sum("of the result, which nobody should log" in line for line in capsys.readouterr().out.splitlines()) == 3


def test_errors_hit_their_share() -> None:
    faults, rng = Faults(errors=0.3), random.Random(7)  # noqa: S311 - repeatable
    struck = sum(faults.strikes(rng) for _ in range(10_000))
    assert 2800 <= struck <= 3200  # within 4 standard deviations of 3000


class TestLoad:
    """The load generator's counts are the truth about the series."""

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("faulty", [None, "order-service", "auth-service", "gateway"])
    def test_every_expected_series_has_exactly_the_expected_value(
        self, faulty: str | None, dialect: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scenario, "ORDER_REJECTED_EVERY", 5)  # often enough to happen here
        monkeypatch.setattr(scenario, "LOGIN_FAILS_EVERY", 5)
        processor = Processor(dialect)
        if faulty:
            Client({**processor.apps, "gateway": processor.app}[faulty]).post("/_fault", json={"errors": 0.5})
        counts = asyncio.run(self.steps(processor, dialect, 160))
        assert (counts.sent, counts.unanswered) == (counts.answered, 0)
        assert sum(taken.total() for taken in counts.latencies.values()) == counts.answered
        exposed = processor.metrics()
        for name in KINDS if dialect != TODAY else set(KINDS) - {"insights-service"}:
            exposed |= processor.metrics_of(name)
        for what, value in counts.expected.items():
            have = total(exposed, what.name, **dict(what.labels))
            if what.name == "gateway_requests_total":  # which today also counts the scrape above, as /metrics
                have -= total(exposed, what.name, endpoint="/metrics", **dict(what.labels))
            assert have == pytest.approx(value), what
        prefixes = "business|user|inventory|order|auth|insights|gateway_proxy|gateway_errors"
        counters = re.compile(rf"({prefixes})(_.*)?_total")
        for family in filter(counters.fullmatch, names(exposed)):  # nothing grew unexpectedly
            assert total(exposed, family) == pytest.approx(
                sum(value for what, value in counts.expected.items() if what.name == family)
            )
        seen = {label for what in counts.expected for label in what.labels}
        refused = "422" if dialect == TODAY else "400"
        assert ("status_code", "500" if faulty else refused) in seen
        if not faulty:  # else the few rejections may all be struck
            assert (("event", "rejected") in seen) == (dialect != TODAY)

    @staticmethod
    async def steps(processor: Processor, dialect: str, number: int) -> Counts:
        counts, rng = Counts(dialect), random.Random(7)  # noqa: S311 - a repeatable scenario
        transport = httpx.ASGITransport(processor.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            customers = Scenario(Customer(client, counts, rng).call, counts, rng)
            for _ in range(number // 20):
                await asyncio.gather(*(customers.step() for _ in range(20)))
        return counts

    def test_nobody_cancels_or_waits_where_the_application_knows_neither(self) -> None:
        """Else every such order would be refused, and nearly a third of all orders with them."""
        counts = asyncio.run(self.steps(Processor(TODAY), TODAY, 400))
        assert counts.responses["order-service", 201] > 20
        assert counts.responses["order-service", 422] <= 1

    def test_counts_are_served_and_an_absent_gateway_is_counted_not_fatal(self) -> None:
        with (
            closed_port() as nobody,
            started("load", "--gateway", f"http://127.0.0.1:{nobody}", "--rate", "50") as load,
        ):
            counts = eventually(lambda: get_json(load.url + "/counts", lambda body: body["unanswered"] > 0))
            assert counts["answered"] == 0
            assert load.stop() == 0

    def test_latencies_are_what_the_client_waited(self) -> None:
        processor = Processor("package")
        Client(processor.apps["order-service"]).post("/_fault", json={"latency_ms": 120})
        counts = asyncio.run(self.steps(processor, "package", 60))
        assert min(counts.latencies["order-service"]) > 120
        assert min(counts.latencies["inventory-service"]) < min(counts.latencies["order-service"])
        assert counts.as_json()["latency_ms"] == counts.latencies

    def test_the_rate_can_be_changed_and_0_pauses(self) -> None:
        with closed_port() as nobody, started("load", "--gateway", f"http://127.0.0.1:{nobody}") as load:
            counts = f"{load.url}/counts"
            eventually(lambda: get_json(counts))
            assert post(f"{load.url}/rate/200") == (200, {"rate": 200.0})
            eventually(lambda: get_json(counts, lambda body: body["sent"] > 50))
            assert post(f"{load.url}/rate/0")[0] == 200
            sent = eventually(lambda: get_json(counts, lambda body: body["in_flight"] == 0))["sent"]
            time.sleep(0.3)  # in which 60 steps would be taken
            assert get_json(counts)["sent"] == sent
            assert post(f"{load.url}/rate/200")[0] == 200
            eventually(lambda: get_json(counts, lambda body: body["sent"] > sent + 20))
            for beside in BESIDE:
                assert post(f"{load.url}/{beside}/2") == (200, {"rate": 2.0})

    @pytest.mark.parametrize("nonsense", ["fast", "-1", "nan", "inf"])
    def test_a_rate_that_is_no_number_from_0_is_refused(self, nonsense: str) -> None:
        pace = Pace(6)
        answer = Client(control(Counts(), {"rate": pace})).post(f"/rate/{nonsense}")
        assert answer.status_code == 400
        assert nonsense in answer.json()["error"]
        assert pace.rate == 6

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "/other"), ("POST", "/counts"), ("POST", "/logins/2"), ("GET", "/rate/2"), ("POST", "/rate/")],
    )
    def test_what_is_not_served_is_named_with_what_is(self, method: str, path: str) -> None:
        answer = Client(control(Counts(), {"rate": Pace(6), "visits": Pace(0)})).send(method, path)
        served = "GET /counts and POST /rate/<number per second> and POST /visits/<number per second>"
        assert (answer.status_code, answer.json()) == (404, {"error": f"only {served} are served"})

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_stopped_load_has_counted_what_was_still_open(self, number: int) -> None:
        with closed_port() as nobody, started("gateway", *backends(nobody)) as slow:
            eventually(lambda: get_json(slow.url + "/health"))
            assert httpx.post(slow.url + "/_fault", json={"latency_ms": 300}, trust_env=False).is_success
            with (
                started("load", "--gateway", slow.url, "--rate", "50") as load,
                httpx.Client(base_url=load.url, trust_env=False) as watcher,  # whose connection stays open
            ):
                eventually(lambda: get_json(load.url + "/counts", lambda body: body["answered"] > 0))
                assert watcher.get("/counts").json()["in_flight"] > 0
                assert load.stop(number) == 0
        said = re.fullmatch(r"sent (\d+), answered (\d+), unanswered 0\n", load.output)
        assert said, load.output
        assert said[1] == said[2]

    def test_it_may_begin_without_customers(self) -> None:
        with closed_port() as nobody, started("load", "--gateway", f"http://127.0.0.1:{nobody}", "--rate", "0") as load:
            assert eventually(lambda: get_json(f"{load.url}/counts"))["sent"] == 0
            assert post(f"{load.url}/visits/200")[0] == 200
            eventually(lambda: get_json(f"{load.url}/counts", lambda body: body["sent"] > 20))

    def test_who_visits_looks_at_the_inventory_and_has_no_account(self) -> None:
        customers, sent = self.recorded(200)

        async def visits() -> None:
            for _ in range(20):
                await customers.visit()

        asyncio.run(visits())
        assert {(method, service, token) for method, _, service, token, _ in sent} == {
            ("GET", "inventory-service", None)
        }

    def test_a_guess_is_a_login_with_a_wrong_password(self) -> None:
        customers, sent = self.recorded(401)
        asyncio.run(customers.guess())
        assert sent == []  # nobody has registered yet
        customers.users = ["alice"]
        for _ in range(20):
            asyncio.run(customers.guess())
        assert {call[:4] for call in sent} == {("POST", "/auth/login", "user-service", None)}
        bodies = [body for *_, body in sent if isinstance(body, dict)]
        assert {body["password"] for body in bodies} == {"wrong"}
        assert {identity.known(body["username"]) for body in bodies} == {True, False}
        assert customers.counts.expected == {series("business_logins_total", result="failed"): 20}

    def test_strangers_ask_for_what_no_customer_does(self) -> None:
        customers, sent = self.recorded(404)
        customers.users = ["alice"]
        for step in (customers.statement, *[customers.wander] * 50):
            asyncio.run(step())
        assert sent[0] == ("GET", "/balance/transactions", "user-service", identity.token_of("alice"), None)
        assert {(method, service) for method, _, service, _, _ in sent[1:]} == {("GET", "gateway")}
        assert len({path for _, path, _, _, _ in sent}) == 51, "each path once"

    @staticmethod
    def recorded(status: int) -> tuple[Scenario, list[tuple[str, str, str, str | None, object]]]:
        """Customers whose requests are all answered with this status, and what they send."""
        sent: list[tuple[str, str, str, str | None, object]] = []

        async def call(
            method: str, path: str, service: str, *, token: str | None = None, json: object = None
        ) -> scenario.Reply:
            sent.append((method, path, service, token, json))
            return scenario.Reply(status, {})

        return Scenario(call, Counts(), random.Random(7)), sent  # noqa: S311 - repeatable


def backends(port: int) -> Iterator[str]:
    """The options of a gateway that looks for every service at this port."""
    for name in BACKENDS:
        yield from ("--backend", f"{name}=http://127.0.0.1:{port}")


def post(url: str) -> tuple[int, object]:
    """Status and document of the answer."""
    answer = httpx.post(url, trust_env=False)
    return answer.status_code, answer.json()
