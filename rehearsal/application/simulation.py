"""What the simulated Python services have in common: faults, and the time and log lines that their work takes."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rehearsal.application.faults import Faults
from rehearsal.application.telemetry import Telemetry

Handler = Callable[[Request], Awaitable[Response]]

SPREAD = 0.5  # sigma of the log-normal service time: P95 is 2.3 times the median
TAIL_SHARE, TAIL_FACTOR = 0.01, 10.0  # one request in a hundred meets something slow
CACHE_MISS, THROTTLED, CACHE_DOWN = 0.1, 0.004, 0.0015  # shares of requests that leave a DEBUG, WARN, ERROR line


class InjectedError(RuntimeError):
    """What a request fails with while the fault `errors` is in force."""


class Simulation:
    """One simulated service; `median_ms` is its typical service time in milliseconds."""

    def __init__(self, median_ms: float, telemetry: Telemetry, faults: Faults, seed: int | None = None) -> None:
        self.median_ms = median_ms
        self.log = telemetry.log
        self.business = telemetry.business
        self.before_scrape = telemetry.before_scrape
        self.faults = faults
        self.rng = random.Random(seed)  # noqa: S311 - service times, not secrets

    def route(self, method: str, path: str, handler: Handler) -> Route:
        """Return a route whose handler runs after the pretended work."""

        async def worked(request: Request) -> Response:
            await self.work(request)
            return await handler(request)

        return Route(path, worked, methods=[method])

    async def work(self, request: Request) -> None:
        """Take the time a request takes; raise InjectedError when the fault `errors` strikes."""
        await asyncio.sleep(self.service_seconds())
        await self.faults.delay()
        self._chatter()
        if self.faults.strikes(self.rng, request.url.path):
            self.fail(request)

    def service_seconds(self) -> float:
        """Draw a service time in seconds: log-normal around the median, with a small slow tail."""
        milliseconds = self.median_ms * math.exp(self.rng.gauss(0, SPREAD))
        if self.rng.random() < TAIL_SHARE:
            milliseconds *= TAIL_FACTOR
        return milliseconds / 1000

    def fail(self, request: Request) -> None:
        """Log the failure as the services do and raise it, which leaves a traceback in the log as well."""
        what = f"{request.method} {request.url.path}"
        self._tell(request, "ERROR", "error", f"Unexpected error during {what}: database operation failed")
        try:
            raise ConnectionError("injected fault: the table did not answer")
        except ConnectionError as cause:
            raise InjectedError(f"database operation failed during {what}") from cause

    def _chatter(self) -> None:
        for number in range(self.faults.lines):
            self.log("INFO", "db_operation", f"Row {number} of the result, which nobody should log", logger="database")
        draw = self.rng.random()
        if draw < CACHE_DOWN:
            self.log("ERROR", "error", "Redis operation error: timed out, reading from the database", logger="cache")
        elif draw < CACHE_DOWN + THROTTLED:
            self.log("WARN", "db_operation", "Request throttled by DynamoDB, retry 1 of 3", logger="database")
        elif draw < CACHE_DOWN + THROTTLED + CACHE_MISS:
            self.log("DEBUG", "cache_operation", "Cache miss, reading from the database", logger="cache")

    def start(self, request: Request, message: str) -> None:
        """Log the start of a request."""
        self._tell(request, "INFO", "request_start", message)

    def end(self, request: Request, message: str, action: str = "request_end", **extra: object) -> None:
        """Log the successful end of a request."""
        self._tell(request, "INFO", action, message, extra)

    def refuse(
        self, request: Request, status: int, message: str, action: str = "validation_error", data: object = None
    ) -> Response:
        """Log why a request is refused and return the 4xx answer."""
        self._tell(request, "WARN", action, message)
        return JSONResponse({"detail": message, "data": data}, status_code=status)

    def stored(self, message: str) -> None:
        """Log a database operation, in a layer that knows nothing of the request."""
        self.log("INFO", "db_operation", message, logger="database")

    def _tell(
        self, request: Request, level: str, action: str, message: str, extra: Mapping[str, object] | None = None
    ) -> None:
        self.log(level, action, message, user=user_of(request), request_id=request_id_of(request), extra=extra)


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
