"""How the gateway is observable with the instrumentation package, whose contract it then keeps."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import structlog
from order_processor_observability import identify_user, observe, propagate_async
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from simulation.application.client import AsyncClient
from simulation.application.package.spans import tracer_provider
from simulation.application.proxy import API, ROUTES, Gateway, RefusedError, error_response


def application(
    backends: Mapping[str, str], client: AsyncClient, rate_limit: int, metrics_path: str, redis: bool
) -> ASGIApp:
    """Return the gateway; all calls of `client` then carry the ids of the request that makes them."""
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a Go gateway has no lines of its HTTP client
    client.event_hooks = {"request": [propagate_async]}
    app = Starlette()
    spans = tracer_provider("gateway")
    watch = observe(app, "gateway", version="rehearsal", metrics_path=metrics_path, tracer_provider=spans)
    limit = rate_limit if redis else None
    gateway = Gateway(backends, client, limit, registry=watch.registry, log=_log, ids=lambda _: {})

    async def handle(request: Request, _error: Exception | None = None) -> Response:
        try:
            user = await gateway.admit(request)
        except RefusedError as refusal:
            return error_response(refusal.status, str(refusal))
        if user:
            identify_user(user)
        return await gateway.answer(request, user)

    app.router.redirect_slashes = False
    app.routes.extend(Route(API + each.template, handle, methods=list(each.methods)) for each in ROUTES)
    # What no route matches is let in, or refused, like all else.
    app.add_exception_handler(404, handle)
    app.add_exception_handler(405, handle)
    return gateway.faults.controlling(app)


def _log(level: str, action: str, message: str, extra: Mapping[str, object]) -> None:
    write = getattr(structlog.get_logger("gateway"), level.lower())
    write(message, operation=action, context=extra)
