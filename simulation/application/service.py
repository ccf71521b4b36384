"""One simulated Python service: `python -m simulation.application.service --name order-service --port 8002`.

A stand-in for the FastAPI services: same routes and answers as observed, invented work (see the package).
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import click
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


@click.command(help=__doc__)
@click.option("--name", type=click.Choice(sorted(KINDS)), required=True, help="Which service to be.")
@click.option("--port", type=int, required=True, help="Port on 127.0.0.1.")
@click.option("--dialect", type=click.Choice(DIALECTS), default=DEFAULT, show_default=True, help="Of its telemetry.")
@click.option("--metrics-path", default=METRICS_PATH, show_default=True, help="Of its metrics.")
@click.option("--dependency", "dependencies", multiple=True, metavar="NAME", help="What it checks; once for each.")
@click.option("--check-seconds", default=CHECK_SECONDS, show_default=True, help="Between two checks of it.")
@click.option("--seed", type=int, help="Makes service times and chance events repeatable.")
def main(
    name: str,
    port: int,
    dialect: str,
    metrics_path: str,
    dependencies: Sequence[str],
    check_seconds: float,
    seed: int | None,
) -> None:
    """Serve until told to stop."""
    app = application(
        name,
        dialect,
        metrics_path=metrics_path,
        dependencies=dependencies,
        check_seconds=check_seconds,
        seed=seed,
    )
    serve(app, port, uvicorn_lines=True)


if __name__ == "__main__":
    main(prog_name="python -m simulation.application.service")
