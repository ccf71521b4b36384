"""What the simulated services' lines tell of the business is what happened, each event once, in either dialect."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import Any

import httpx
import pytest

import catalogue
from facts import ROOT
from simulation.application import scenario
from simulation.application.counts import Counts
from simulation.application.load import Customer
from simulation.application.scenario import Scenario
from simulation.dialect import DIALECTS
from tests.rehearsal.processor import Processor

pytestmark = pytest.mark.usefixtures("logging_as_before")

EVENTS = catalogue.load(ROOT / "services.yaml").events
HAPPENED = {
    ("/orders", 400): "order_rejected",
    ("/orders", 422): "order_rejected",
    ("/auth/login", 200): "login_succeeded",
    ("/auth/login", 401): "login_failed",
    ("/auth/login", 404): "login_failed",
    ("/auth/register", 201): "registration",
    ("/balance/deposit", 201): "deposit",
    ("/balance/withdraw", 201): "withdrawal",
}
"""What an answer to a POST says."""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_each_event_is_told_once(
    dialect: str, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scenario, "ORDER_REJECTED_EVERY", 5)
    monkeypatch.setattr(scenario, "LOGIN_FAILS_EVERY", 5)
    processor, happened = Processor(dialect), Counter[str]()
    counts, rng = Counts(dialect), random.Random(7)  # noqa: S311 - a repeatable scenario

    async def note(answer: httpx.Response) -> None:
        path = answer.request.url.path.removeprefix("/api/v1")
        if answer.request.method == "POST" and (path, answer.status_code) in HAPPENED:
            happened[HAPPENED[path, answer.status_code]] += 1
        if (answer.request.method, path, answer.status_code) == ("POST", "/orders", 201):
            await answer.aread()
            happened["order_created"] += 1
            happened["order_executed"] += answer.json()["data"]["status"] == "completed"

    async def steps() -> None:
        transport, hooks = httpx.ASGITransport(processor.app), {"response": [note]}
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway", event_hooks=hooks) as client:
            customers = Scenario(Customer(client, counts, rng).call, counts, rng)
            for _ in range(160):
                await customers.step()
            for _ in range(6):
                await customers.guess()

    asyncio.run(steps())
    told = Counter(event for line in capfdbinary.readouterr().out.splitlines() for event in told_by(line))
    assert told == happened
    customers_cause = {event.name for event in EVENTS if event.told_by and event.service != "inventory-service"}
    assert set(told) == customers_cause


def told_by(line: bytes) -> list[str]:
    """The events that a line tells."""
    if not line.startswith(b"{"):
        return []
    entry: dict[str, Any] = json.loads(line)
    logger = entry.get("logger", entry["service"])
    action = entry["action"] if "action" in entry else entry["context"].get("operation")
    return [
        event.name
        for event in EVENTS
        for telling in event.told_by
        if (logger, action) == (telling.logger, telling.action) and entry["message"].startswith(telling.message)
    ]
