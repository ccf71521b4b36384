"""One simulated Python service: `python -m simulation.application.service --name order-service --port 8002`.

A stand-in for the FastAPI services: same routes and answers as observed, invented work (see the package).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from starlette.applications import Starlette
from starlette.types import ASGIApp

from simulation import CHECK_SECONDS
from simulation.application.faults import Faults
from simulation.application.kinds import KINDS, METRICS_PATH
from simulation.application.server import serve
from simulation.application.simulation import Simulation
from simulation.application.telemetry import Telemetry, implementation
from simulation.dialect import DEFAULT, DIALECTS


def application(
    name: str,
    dialect: str = DEFAULT,
    *,
    metrics_path: str = METRICS_PATH,
    dependencies: Sequence[str] = (),
    check_seconds: float = CHECK_SECONDS,
    seed: int | None = None,
) -> ASGIApp:
    """Return the service called `name`, with its metrics at `metrics_path`, checking its dependencies."""
    app, faults, kind = Starlette(), Faults(), KINDS[name]
    speak = implementation(dialect, "service").make_observable
    telemetry: Telemetry = speak(app, name, metrics_path, dependencies, faults, check_seconds)
    simulation = Simulation(kind.median_ms, telemetry, faults, seed)
    app.routes.extend(import_module(f"simulation.application.handlers.{kind.handlers}").routes(simulation))
    return faults.controlling(app)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(prog="python -m simulation.application.service", description=__doc__)
    result.add_argument("--name", required=True, choices=sorted(KINDS), help="which service to be")
    result.add_argument("--port", required=True, type=int, help="port on 127.0.0.1")
    result.add_argument("--dialect", choices=DIALECTS, default=DEFAULT, help="of its telemetry (default %(default)s)")
    result.add_argument("--metrics-path", default=METRICS_PATH, help="of its metrics (default %(default)s)")
    result.add_argument(
        "--dependency", action="append", default=[], metavar="NAME", help="what it checks; once for each"
    )
    result.add_argument(
        "--check-seconds", type=float, default=CHECK_SECONDS, help="between two checks of it (default %(default)g)"
    )
    result.add_argument("--seed", type=int, help="makes service times and chance events repeatable")
    return result


def main() -> None:
    """Serve until told to stop."""
    arguments = parser().parse_args()
    app = application(
        arguments.name,
        arguments.dialect,
        metrics_path=arguments.metrics_path,
        dependencies=arguments.dependency,
        check_seconds=arguments.check_seconds,
        seed=arguments.seed,
    )
    serve(app, arguments.port, uvicorn_lines=True)


if __name__ == "__main__":
    main()
