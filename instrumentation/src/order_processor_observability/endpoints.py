"""What the monitoring asks a service for: its metrics and its health.

Answered before any other middleware: neither a rate limit nor an authentication may hide a service from its monitoring.
Such requests are not counted and not logged, as they are nobody's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from order_processor_observability import logs
from order_processor_observability.health import Health
from order_processor_observability.metrics import Exposition
from order_processor_observability.routes import path_of


class Endpoints:
    """The metrics path, `/health`, `/health/live` and `/health/ready`."""

    def __init__(self, metrics_path: str, exposition: Exposition, health: Health) -> None:
        self._exposition = exposition
        self._health = health
        self._answers: dict[str, Callable[[Scope], Response]] = {
            metrics_path: self._metrics,
            "/health": self._summary,
            "/health/live": self._live,
            "/health/ready": self._ready,
        }

    def of(self, scope: Scope, path: str) -> ASGIApp | None:
        """What answers the request of this path, if it is one of the monitoring's."""
        return self._serve if path in self._answers and scope["method"] in ("GET", "HEAD") else None

    async def lifespan(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on the application's start and end, and check its dependencies in between."""

        async def send_and_act(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                logs.silence_access_lines()
                self._health.start()
            elif message["type"].startswith("lifespan.shutdown"):
                await self._health.stop()
            await send(message)

        await app(scope, receive, send_and_act)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._health.start()  # for servers that run no lifespan
        response = self._answers[path_of(scope)](scope)
        await response(scope, receive, send)

    def _metrics(self, scope: Scope) -> Response:
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
        body, content_type = self._exposition.expose(accept.decode("latin-1"))
        return Response(body, headers={"content-type": content_type})

    def _summary(self, _scope: Scope) -> Response:
        # 200 also if a dependency is down: this service answers, and that it does is what probes ask here.
        return _uncached(self._health.report())

    def _live(self, _scope: Scope) -> Response:
        return _uncached({"status": "alive"})

    def _ready(self, _scope: Scope) -> Response:
        return _uncached(self._health.report(), 200 if self._health.ready else 503)


def _uncached(content: Any, status: int = 200) -> Response:
    return JSONResponse(content, status, headers={"cache-control": "no-store"})
