"""How a Python service is observable today."""

from __future__ import annotations

from collections.abc import Sequence

from order_processor_observability import Business
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rehearsal.application import market
from rehearsal.application.faults import Faults
from rehearsal.application.kinds import KINDS
from rehearsal.application.simulation import Handler
from rehearsal.application.telemetry import Telemetry
from rehearsal.application.today import metrics
from rehearsal.application.today.logs import python_log


def make_observable(
    app: Starlette, name: str, metrics_path: str, _dependencies: Sequence[str], _faults: Faults, _check_seconds: float
) -> Telemetry:
    """Give a service today's metrics, a static `/health`, and today's log lines; nothing checks dependencies."""
    kind = KINDS[name]
    app.routes.append(Route("/health", _health(name)))
    if kind.mounts_metrics:
        registry = metrics.python_registry()
        app.routes.append(Route(metrics_path, _metrics(registry)))
        counted = metrics.RequestMetrics(kind.logger, registry, metrics.PYTHON_BUCKETS)
        app.add_middleware(metrics.CountRequests, metrics=counted, metrics_path=metrics_path)
    # Today's code tells nothing of its business: what is told here is exposed nowhere.
    untold = Business(kind.business, market.ASSETS, CollectorRegistry())
    return Telemetry(python_log(kind.logger), untold, before_scrape=lambda _update: None)


def _health(name: str) -> Handler:
    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "healthy", "service": name})

    return health


def _metrics(registry: CollectorRegistry) -> Handler:
    async def scrape(_request: Request) -> Response:
        return metrics.exposition(registry)

    return scrape
