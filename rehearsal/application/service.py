"""One simulated Python service: `python -m rehearsal.application.service --name order-service --port 8002`.

A stand-in for the FastAPI services: same routes, metrics and logs as observed, invented work (see the package).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rehearsal.application import metrics
from rehearsal.application.server import serve
from rehearsal.application.simulation import Handler, Simulation

METRICS_PATH = "/internal/metrics"


@dataclass(frozen=True)
class Kind:
    """What tells one service from another besides its handlers."""

    logger: str  # its main logger's name, which is also the metrics' prefix
    handlers: str  # the module with its routes
    median_ms: float  # typical service time in milliseconds
    mounts_metrics: bool = True


KINDS = {
    "user-service": Kind("user", "users", median_ms=6),
    "inventory-service": Kind("inventory", "inventory", median_ms=4),
    "order-service": Kind("order", "orders", median_ms=9),
    "auth-service": Kind("auth", "auth", median_ms=1.5),
    "insights-service": Kind("insights", "insights", median_ms=40, mounts_metrics=False),
}


def application(name: str, *, business: bool = True, seed: int | None = None) -> Starlette:
    """Return the service called `name`; without `business` it exports what the application exports today."""
    kind = KINDS[name]
    simulation = Simulation(kind.logger, kind.median_ms, seed)
    registry = metrics.python_registry()
    handlers = import_module(f"rehearsal.application.handlers.{kind.handlers}")
    routes = [
        Route("/health", _health(name)),
        simulation.faults.route(),
        *handlers.routes(simulation, registry if business else None),
    ]
    middleware = []
    if kind.mounts_metrics:
        routes.append(Route(METRICS_PATH, _metrics(registry)))
        counted = metrics.RequestMetrics(kind.logger, registry, metrics.PYTHON_BUCKETS)
        middleware.append(Middleware(metrics.CountRequests, metrics=counted))
    return Starlette(routes=routes, middleware=middleware)


def _health(name: str) -> Handler:
    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "healthy", "service": name})

    return health


def _metrics(registry: CollectorRegistry) -> Handler:
    async def scrape(_request: Request) -> Response:
        return metrics.exposition(registry)

    return scrape


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(prog="python -m rehearsal.application.service", description=__doc__)
    result.add_argument("--name", required=True, choices=sorted(KINDS), help="which service to be")
    result.add_argument("--port", required=True, type=int, help="port on 127.0.0.1")
    result.add_argument("--no-business", action="store_true", help="leave out the business series, as today's code")
    result.add_argument("--seed", type=int, help="makes service times and chance events repeatable")
    return result


def main() -> None:
    """Serve until told to stop."""
    arguments = parser().parse_args()
    app = application(arguments.name, business=not arguments.no_business, seed=arguments.seed)
    serve(app, arguments.port, uvicorn_lines=True)


if __name__ == "__main__":
    main()
