"""How the gateway is observable today: what it counts, hides and logs."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp

from simulation.application.client import AsyncClient
from simulation.application.proxy import API, CANCELLATION, ROUTES, Gateway, RefusedError, error_response
from simulation.application.simulation import client_of
from simulation.application.today import metrics
from simulation.application.today.goruntime import GoRuntime
from simulation.application.today.logs import Extra, access_line, emit, gateway_line, own_access_line
from simulation.application.today.recorded import recordings

KNOWN_ROUTES = tuple(route for route in ROUTES if route.template != CANCELLATION)
LOGIN = f"{API}/auth/login"
PASSED_THROUGH = ("x-correlation-id", "traceparent", "tracestate")


def application(
    backends: Mapping[str, str], client: AsyncClient, rate_limit: int, metrics_path: str, redis: bool
) -> ASGIApp:
    """Return the gateway; one that has not found Redis when it started limits no rate, for ever."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(GoRuntime())
    gateway = Gateway(
        backends, client, rate_limit if redis else None, registry=registry, log=_log, ids=_ids, routes=KNOWN_ROUTES
    )
    front = _Front(gateway, registry, metrics_path, redis)
    # No route matches every path: one with a line feed would be answered elsewhere.
    app = Starlette(exception_handlers={404: front.handle}, lifespan=front.lifespan)
    return gateway.faults.controlling(app)


class _Front:
    """Counts requests by their raw paths, but only those that are let in, metrics and health among them."""

    def __init__(self, gateway: Gateway, registry: CollectorRegistry, metrics_path: str, redis: bool) -> None:
        self.gateway, self.metrics_path, self.redis = gateway, metrics_path, redis
        self.exposed = metrics.GoStyle(registry)
        self.requests = metrics.RequestMetrics("gateway", registry, metrics.GO_BUCKETS)

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        """Write what the gateway writes when it starts; at its end it writes nothing."""
        recordings("gateway")["started" if self.redis else "started-without-redis"].replay({})
        yield

    async def handle(self, request: Request, _no_route: Exception) -> Response:
        """Answer one request and write its access lines."""
        start = time.perf_counter()
        path = request.scope["path"]
        try:
            user = await self.gateway.admit(request)
        except RefusedError as refusal:
            response = error_response(refusal.status, str(refusal))
        else:
            counted_from = time.perf_counter()
            response = await self._answer(request, user)
            self.requests.record(path, response.status_code, time.perf_counter() - counted_from)
        seconds = time.perf_counter() - start
        asked = f"{path}?{request.url.query}" if request.url.query else path
        seen = (response.status_code, seconds, client_of(request), request.method, asked)
        emit(own_access_line(*seen, request.headers.get("user-agent", "")))
        emit(access_line(*seen))
        return response

    async def _answer(self, request: Request, user: str | None) -> Response:
        path = request.scope["path"]
        if path == "/health":
            status = "healthy" if self.redis else "degraded (no Redis)"
            return JSONResponse({"redis": self.redis, "service": "gateway", "status": status})
        if path == self.metrics_path:
            return metrics.exposition(self.exposed)
        if self.gateway.route_of(request.method, path) is None:
            return PlainTextResponse("404 page not found", 404)
        if path != LOGIN or not self.redis or not self.gateway.faults.redis_away:
            return await self.gateway.answer(request, user)
        # Only logins tell that Redis is away: it says whose address is blocked.
        unanswered = {"client_ip": client_of(request), "error": "dial tcp 10.0.5.9:6379: connect: connection refused"}
        _log("INFO", "request_start", "IP block check failed, allowing request", unanswered)
        response = await self.gateway.answer(request, user)
        if response.status_code == 401:
            _log("ERROR", "auth_failure", "RecordFailedLogin failed", unanswered)
        return response


def _log(level: str, action: str, message: str, extra: Extra) -> None:
    emit(gateway_line(level, action, message, extra))


def _ids(request: Request) -> dict[str, str]:
    """The client's request id is replaced; whatever else it sent is passed through."""
    passed = {name: request.headers[name] for name in PASSED_THROUGH if name in request.headers}
    return {**passed, "x-request-id": f"req-{time.time_ns()}"}
