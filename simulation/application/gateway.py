"""The simulated gateway: `python -m simulation.application.gateway --port 8080 --backend order-service=http://... ...`.

A stand-in for the Go gateway: same routes, refusals and headers as observed, no Go behind them.
Left out: the circuit breaker, the block of addresses after failed logins, CORS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click
from starlette.types import ASGIApp

from simulation import redis
from simulation.application.client import AsyncClient, loopback_client
from simulation.application.proxy import BACKENDS
from simulation.application.server import serve
from simulation.application.telemetry import implementation
from simulation.dialect import DEFAULT, DIALECTS, TODAY

METRICS_PATH = "/metrics"
RATE_LIMIT = 10_000  # requests per client address and minute, the application's default
BACKEND_TIMEOUT_SECONDS = 30.0


def application(
    backends: Mapping[str, str],
    client: AsyncClient,
    dialect: str = DEFAULT,
    *,
    rate_limit: int = RATE_LIMIT,
    metrics_path: str = METRICS_PATH,
    redis: bool = True,
) -> ASGIApp:
    """Return the gateway, with its metrics at `metrics_path`; without `redis` as if it had found none at its start."""
    build = implementation(dialect, "gateway").application
    built: ASGIApp = build(backends, client, rate_limit, metrics_path, redis)
    return built


def backend(text: str) -> tuple[str, str]:
    """Parse `name=URL`. Raises ValueError for anything else."""
    name, _, url = text.partition("=")
    if name not in BACKENDS or not url.startswith("http://"):
        raise ValueError(f"{text!r} is not NAME=http://HOST:PORT with NAME of {', '.join(BACKENDS)}")
    return name, url.rstrip("/")


@click.command(help=__doc__)
@click.option("--port", type=int, required=True, help="Port on 127.0.0.1.")
@click.option("--dialect", type=click.Choice(DIALECTS), default=DEFAULT, show_default=True, help="Of its telemetry.")
@click.option("--metrics-path", default=METRICS_PATH, show_default=True, help="Of its metrics.")
@click.option(
    "--backend",
    "backends",
    type=backend,
    multiple=True,
    metavar="NAME=URL",
    help="Where a service listens; once for each.",
)
@click.option("--rate-limit", default=RATE_LIMIT, show_default=True, help="Requests per client address and minute.")
@click.option(
    "--redis",
    "redis_address",
    metavar="HOST:PORT",
    help="Where Redis listens; if it does not answer now, the gateway does without.",
)
def main(
    port: int,
    dialect: str,
    metrics_path: str,
    backends: Sequence[tuple[str, str]],
    rate_limit: int,
    redis_address: str | None,
) -> None:
    """Serve until told to stop."""
    known = dict(backends)
    missing = [name for name in BACKENDS if name not in known]
    if missing:
        raise click.UsageError(
            f"no --backend for {', '.join(missing)}: add --backend {missing[0]}=http://127.0.0.1:PORT"
        )
    app = application(
        known,
        loopback_client(BACKEND_TIMEOUT_SECONDS),
        dialect,
        rate_limit=rate_limit,
        metrics_path=metrics_path,
        redis=redis_address is None or redis.answers(redis_address),
    )
    serve(app, port, uvicorn_lines=dialect != TODAY)  # today's is no Python service


if __name__ == "__main__":
    main(prog_name="python -m simulation.application.gateway")
