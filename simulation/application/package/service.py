"""How a Python service is observable with the instrumentation package."""

from __future__ import annotations

from collections.abc import Sequence

from order_processor_observability import identify_user, observe
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from simulation.application import market
from simulation.application.faults import Faults
from simulation.application.kinds import KINDS
from simulation.application.package.logs import structured_log
from simulation.application.package.spans import tracer_provider
from simulation.application.package.words import Words
from simulation.application.telemetry import Telemetry


def make_observable(
    app: Starlette, name: str, metrics_path: str, dependencies: Sequence[str], faults: Faults, check_seconds: float
) -> Telemetry:
    """Have the package observe a service; its dependencies answer their checks as often as faults let requests pass.

    Each is checked every `check_seconds`.
    """
    kind = KINDS[name]
    app.add_middleware(IdentifyUser)
    watch = observe(
        app,
        name,
        version="rehearsal",
        metrics_path=metrics_path,
        business=kind.business,
        assets=market.ASSETS,
        tracer_provider=tracer_provider(name),
    )
    for dependency in dependencies:
        watch.health.register(dependency, faults.check, cache=check_seconds)
    log = structured_log(kind.logger)
    return Telemetry(log, Words(log), watch.business, watch.exposition.before_scrape)


class IdentifyUser:
    """Middleware: the user of a request is the one that the gateway names."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Say whose request this is, and pass it on."""
        user = Headers(scope=scope).get("x-user-id") if scope["type"] == "http" else None
        if user:
            identify_user(user)
        await self.app(scope, receive, send)
