"""How a Python service is observable today."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime

from order_processor_observability import Business
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulation import CHECK_SECONDS
from simulation.application import market
from simulation.application.faults import Faults
from simulation.application.kinds import KINDS
from simulation.application.simulation import Handler
from simulation.application.telemetry import Telemetry
from simulation.application.today import metrics
from simulation.application.today.logs import python_log
from simulation.application.today.recorded import Recorded, recordings

SYNC_SECONDS = 300.0
"""How often inventory-service fetches prices."""
PRICES_PATH = "/prices"
"""What the fault `errors` calls that; it is no path of the service."""


def make_observable(
    app: Starlette, name: str, metrics_path: str, _dependencies: Sequence[str], faults: Faults, check_seconds: float
) -> Telemetry:
    """Give a service today's metrics, a static `/health`, and today's log lines; nothing checks dependencies."""
    kind = KINDS[name]
    app.routes.append(Route("/health", _health(name)))
    if kind.mounts_metrics:
        registry = metrics.python_registry()
        app.routes.append(Route(metrics_path, _metrics(registry)))
        counted = metrics.RequestMetrics(kind.logger, registry, metrics.PYTHON_BUCKETS)
        app.add_middleware(metrics.CountRequests, metrics=counted, metrics_path=metrics_path)
    app.router.lifespan_context = _lifespan(name, faults, SYNC_SECONDS * check_seconds / CHECK_SECONDS)
    # Today's code tells nothing of its business: what is told here is exposed nowhere.
    untold = Business(kind.business, market.ASSETS, CollectorRegistry())
    return Telemetry(python_log(kind.logger), Recorded(name), untold, before_scrape=lambda _update: None)


def _lifespan(
    name: str, faults: Faults, sync_seconds: float
) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """What a service does beside its requests: its lines at start and end, and fetching prices, where it does."""
    recorded, rng = recordings(name), random.Random()  # noqa: S311 - decides what a fault hits

    async def fetch_prices() -> None:
        for cycle in itertools.count(1):
            outcome = "prices-without-redis" if faults.redis_away else "prices-updated"
            if faults.path == PRICES_PATH and faults.strikes(rng, PRICES_PATH):
                outcome = "prices-failing"
            recorded[outcome].replay({"cycle": f"#{cycle}"})
            await asyncio.sleep(sync_seconds)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        recorded["started"].replay({})
        fetching = asyncio.create_task(fetch_prices()) if "prices-updated" in recorded else None
        yield
        if fetching:
            fetching.cancel()
        recorded["stopped"].replay({})

    return lifespan


def _health(name: str) -> Handler:
    async def health(_request: Request) -> Response:
        checks = {"api": "ok", "service": "running"}
        now = datetime.now(UTC).isoformat()
        said = {"version": "1.0.0", "timestamp": now, "environment": "production", "checks": checks}
        return JSONResponse({"status": "healthy", "service": name} | said)

    return health


def _metrics(registry: CollectorRegistry) -> Handler:
    async def scrape(_request: Request) -> Response:
        return metrics.exposition(registry)

    return scrape
