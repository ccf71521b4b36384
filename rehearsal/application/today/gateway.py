"""How the gateway is observable today: what it counts, hides and logs."""

from __future__ import annotations

import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.process_collector import ProcessCollector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from rehearsal.application.client import AsyncClient
from rehearsal.application.proxy import Gateway, RefusedError, error_response
from rehearsal.application.simulation import client_of
from rehearsal.application.today import metrics
from rehearsal.application.today.goruntime import GoRuntime
from rehearsal.application.today.logs import Extra, access_line, emit, gateway_line

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
PASSED_THROUGH = ("x-correlation-id", "traceparent", "tracestate")


def application(backends: Mapping[str, str], client: AsyncClient, rate_limit: int, metrics_path: str) -> ASGIApp:
    """Return the gateway."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(GoRuntime())
    gateway = Gateway(backends, client, rate_limit, registry=registry, log=_log, ids=_ids)
    front = _Front(gateway, registry, metrics_path)
    return gateway.faults.controlling(Starlette(routes=[Route("/{path:path}", front.handle, methods=METHODS)]))


class _Front:
    """Counts requests by their raw paths, but only those that are let in, metrics and health among them."""

    def __init__(self, gateway: Gateway, registry: CollectorRegistry, metrics_path: str) -> None:
        self.gateway, self.metrics_path = gateway, metrics_path
        self.exposed = metrics.GoStyle(registry)
        self.requests = metrics.RequestMetrics("gateway", registry, metrics.GO_BUCKETS)

    async def handle(self, request: Request) -> Response:
        """Answer one request and write its access line."""
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
        emit(access_line(response.status_code, seconds, client_of(request), request.method, path))
        return response

    async def _answer(self, request: Request, user: str | None) -> Response:
        path = request.scope["path"]
        if path == "/health":
            return JSONResponse({"status": "healthy", "service": "gateway", "redis": True})
        if path == self.metrics_path:
            return metrics.exposition(self.exposed)
        return await self.gateway.answer(request, user)


def _log(level: str, action: str, message: str, extra: Extra) -> None:
    emit(gateway_line(level, action, message, extra))


def _ids(request: Request) -> dict[str, str]:
    """The client's request id is replaced; whatever else it sent is passed through."""
    passed = {name: request.headers[name] for name in PASSED_THROUGH if name in request.headers}
    return {**passed, "x-request-id": f"req-{time.time_ns()}"}
