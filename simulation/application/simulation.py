"""What the simulated Python services have in common: faults, and the time and log lines that their work takes."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulation.application.faults import Faults
from simulation.application.telemetry import Telemetry

Handler = Callable[[Request], Awaitable[Response]]

SPREAD = 0.5  # sigma of the log-normal service time: P95 is 2.3 times the median
TAIL_SHARE, TAIL_FACTOR = 0.01, 10.0  # one request in a hundred meets something slow
CHANCES = {"cache-down": 0.0015, "throttled": 0.004, "cache-missed": 0.1}  # shares of requests that leave such a line
SAID = frozenset({"username", "email", "order_type", "asset_id", "quantity", "amount"})  # what lines repeat of a body


class InjectedError(RuntimeError):
    """What a request fails with while the fault `errors` is in force."""


class Simulation:
    """One simulated service; `median_ms` is its typical service time in milliseconds."""

    def __init__(self, median_ms: float, telemetry: Telemetry, faults: Faults, seed: int | None = None) -> None:
        self.median_ms = median_ms
        self.log = telemetry.log
        self.tell = telemetry.tell
        self.business = telemetry.business
        self.before_scrape = telemetry.before_scrape
        self.faults = faults
        self.rng = random.Random(seed)  # noqa: S311 - service times, not secrets

    def route(self, method: str, path: str, handler: Handler, failing: str = "") -> Route:
        """Return a route whose handler runs after the pretended work.

        `failing` is the outcome of a request that the store fails, in dialects that have words for it.
        """

        async def worked(request: Request) -> Response:
            request.state.values = await _values(request)
            await self.work(request)
            if self.faults.strikes(self.rng, request.url.path):
                return self.fail(request, failing)
            return await handler(request)

        return Route(path, worked, methods=[method])

    async def work(self, request: Request) -> None:
        """Take the time a request takes, and write what is written meanwhile."""
        await asyncio.sleep(self.service_seconds())
        await self.faults.delay()
        for number in range(self.faults.lines):
            self.log("INFO", "db_operation", f"Row {number} of the result, which nobody should log", logger="database")
        draw = self.rng.random()
        for outcome, share in CHANCES.items():
            if 0 <= draw < share and outcome in self.tell:
                self.tell(outcome, request)
            draw -= share

    def service_seconds(self) -> float:
        """Draw a service time in seconds: log-normal around the median, with a small slow tail."""
        milliseconds = self.median_ms * math.exp(self.rng.gauss(0, SPREAD))
        if self.rng.random() < TAIL_SHARE:
            milliseconds *= TAIL_FACTOR
        return milliseconds / 1000

    def fail(self, request: Request, outcome: str) -> Response:
        """Answer as the services do when their store fails them.

        Raises InjectedError, which leaves a traceback in the log, where the dialect has no words for that.
        """
        if outcome in self.tell:
            return self.answer(request, outcome)
        what = f"{request.method} {request.url.path}"
        self.tell("unhandled-error", request, what=what)
        try:
            raise ConnectionError("injected fault: the table did not answer")
        except ConnectionError as cause:
            raise InjectedError(f"database operation failed during {what}") from cause

    def answer(self, request: Request, outcome: str, data: object = None, **values: object) -> Response:
        """Tell what became of a request, and answer it."""
        return JSONResponse({"data": data}, self.tell(outcome, request, **values))


def user_of(request: Request) -> str | None:
    """Return the user that the gateway named, if any."""
    return request.headers.get("x-user-id")


def request_id_of(request: Request) -> str | None:
    """Return the request id that the gateway handed down, if any."""
    return request.headers.get("x-request-id")


def client_of(request: Request) -> str:
    """Return the client's address: the first one forwarded, else the peer's."""
    forwarded = request.headers.get("x-forwarded-for", "").split(",")[0].strip()
    return forwarded or (request.client.host if request.client else "unknown")


def values_of(request: Request) -> dict[str, object]:
    """What log lines repeat of a request: who sent it, from where, and what it is about."""
    values: dict[str, object] = request.state.values
    return values


async def _values(request: Request) -> dict[str, object]:
    body = await json_object(request)
    said = {name: value for name, value in body.items() if name in SAID and isinstance(value, str | int | float)}
    sender = {"user": user_of(request) or said.pop("username", None), "ip_address": client_of(request)}
    return said | request.path_params | sender | {"user_agent": request.headers.get("user-agent", "")}


async def json_object(request: Request) -> dict[str, object]:
    """Return the request's JSON object; empty when the body is none."""
    try:
        body = await request.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def number(value: object) -> float | None:
    """Return a JSON number as float, None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
