"""The simulated gateway: `python -m simulation.application.gateway --port 8080 --backend order-service=http://... ...`.

A stand-in for the Go gateway: same routes, refusals and headers as observed, no Go behind them.
Left out: the circuit breaker, the block of addresses after failed logins, CORS.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

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
    """Parse `name=URL`."""
    name, _, url = text.partition("=")
    if name not in BACKENDS or not url.startswith("http://"):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=http://HOST:PORT with NAME of {', '.join(BACKENDS)}")
    return name, url.rstrip("/")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(prog="python -m simulation.application.gateway", description=__doc__)
    result.add_argument("--port", required=True, type=int, help="port on 127.0.0.1")
    result.add_argument("--dialect", choices=DIALECTS, default=DEFAULT, help="of its telemetry (default %(default)s)")
    result.add_argument("--metrics-path", default=METRICS_PATH, help="of its metrics (default %(default)s)")
    result.add_argument(
        "--backend",
        action="append",
        default=[],
        type=backend,
        metavar="NAME=URL",
        help="where a service listens; once for each",
    )
    result.add_argument(
        "--rate-limit",
        type=int,
        default=RATE_LIMIT,
        help=f"requests per client address and minute (default {RATE_LIMIT})",
    )
    result.add_argument(
        "--redis",
        metavar="HOST:PORT",
        help="where Redis listens; if it does not answer now, the gateway does without",
    )
    return result


def main() -> None:
    """Serve until told to stop."""
    options = parser()
    arguments = options.parse_args()
    backends = dict(arguments.backend)
    missing = [name for name in BACKENDS if name not in backends]
    if missing:
        options.error(f"no --backend for {', '.join(missing)}: add --backend {missing[0]}=http://127.0.0.1:PORT")
    app = application(
        backends,
        loopback_client(BACKEND_TIMEOUT_SECONDS),
        arguments.dialect,
        rate_limit=arguments.rate_limit,
        metrics_path=arguments.metrics_path,
        redis=arguments.redis is None or redis.answers(arguments.redis),
    )
    serve(app, arguments.port, uvicorn_lines=arguments.dialect != TODAY)  # today's is no Python service


if __name__ == "__main__":
    main()
