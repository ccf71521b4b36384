"""The simulated gateway: `python -m rehearsal.application.gateway --port 8080 --backend order-service=http://... ...`.

A stand-in for the Go gateway: same routes, counting rules, headers and log lines as observed, no Go behind them.
Left out: the circuit breaker, the block of addresses after failed logins, CORS.
"""

from __future__ import annotations

import argparse
import random
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as CounterMetric
from prometheus_client.process_collector import ProcessCollector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rehearsal.application import metrics
from rehearsal.application.client import AsyncClient, HTTPError, loopback_client
from rehearsal.application.client import Response as BackendResponse
from rehearsal.application.faults import Faults
from rehearsal.application.goruntime import GoRuntime
from rehearsal.application.logs import access_line, emit, gateway_line
from rehearsal.application.server import serve
from rehearsal.application.simulation import client_of

API = "/api/v1"
BACKENDS = ("auth-service", "insights-service", "inventory-service", "order-service", "user-service")
# method, path below the API, backend, whether a valid token is required
ROUTES = (
    ("POST", r"/auth/(login|register)", "user-service", False),
    ("GET|PUT", r"/auth/profile", "user-service", True),
    ("POST", r"/auth/logout", "user-service", True),
    ("GET", r"/inventory/assets(/[^/]+)?", "inventory-service", False),
    ("GET|POST", r"/orders", "order-service", True),
    ("GET", r"/orders/[^/]+", "order-service", True),
    ("POST", r"/orders/[^/]+/cancel", "order-service", True),
    ("GET", r"/assets/[^/]+/transactions", "order-service", True),
    ("GET", r"/portfolio", "user-service", True),
    ("GET", r"/balance(/transactions|/asset/[^/]+)?", "user-service", True),
    ("POST", r"/balance/(deposit|withdraw)", "user-service", True),
    ("GET", r"/insights/portfolio", "insights-service", True),
)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
RATE_LIMIT = 10_000  # requests per client address and minute, the application's default
BACKEND_TIMEOUT_SECONDS = 30.0
NOT_PASSED_ON = frozenset({"host", "content-length", "connection", "transfer-encoding", "x-request-id"})
NOT_PASSED_BACK = frozenset({"content-length", "connection", "transfer-encoding", "date", "server"})


@dataclass
class RateLimit:
    """At most `per_minute` requests from one address within one minute of the clock."""

    per_minute: int
    minute: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def allows(self, address: str) -> bool:
        """Count a request from this address and say whether it is within the limit."""
        minute = int(time.time() // 60)
        if minute != self.minute:
            self.minute = minute
            self.seen.clear()
        self.seen[address] += 1
        return self.seen[address] <= self.per_minute


@dataclass(frozen=True)
class Target:
    """Where a request goes."""

    backend: str
    path: str
    needs_token: bool


def target_of(method: str, path: str) -> Target | None:
    """Return where the gateway sends a request, None for a path that it does not know."""
    if not path.startswith(API):
        return None
    below = path.removeprefix(API)
    for methods, pattern, backend, needs_token in ROUTES:
        if method in methods.split("|") and re.fullmatch(pattern, below):
            return Target(backend, below, needs_token)
    return None


class RefusedError(Exception):
    """A request that is answered before it is counted: 401 for a bad token, 429 above the rate limit."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Gateway:
    """The gateway's request handling: `backends` maps service names to base URLs."""

    def __init__(self, backends: Mapping[str, str], client: AsyncClient, rate_limit: int = RATE_LIMIT) -> None:
        self.backends = backends
        self.client = client
        self.limit = RateLimit(rate_limit)
        self.faults = Faults()
        self.rng = random.Random()  # noqa: S311 - decides which requests an injected fault hits
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(GoRuntime())
        self.exposed = metrics.GoStyle(registry)
        self.requests = metrics.RequestMetrics("gateway", registry, metrics.GO_BUCKETS)
        self.proxy_errors = CounterMetric(
            "gateway_proxy_errors_total",
            "Proxy/backend failures: request_failed or the backend's 5xx code.",
            ["target_service", "error_type"],
            registry=registry,
        )

    def application(self) -> Starlette:
        """Return the gateway as an ASGI application."""
        return Starlette(
            routes=[self.faults.route(), Route("/{path:path}", self.handle, methods=METHODS)],
        )

    async def handle(self, request: Request) -> Response:
        """Answer one request and write its access line. Only requests that pass the token and the limit count."""
        start = time.perf_counter()
        path = request.scope["path"]
        try:
            user = await self._user(request)
            if not self.limit.allows(client_of(request)):
                raise RefusedError(429, "Rate limit exceeded")
        except RefusedError as refusal:
            response = error_response(refusal.status, str(refusal))
        else:
            counted_from = time.perf_counter()
            response = await self._answer(request, user)
            self.requests.record(path, response.status_code, time.perf_counter() - counted_from)
        seconds = time.perf_counter() - start
        emit(access_line(response.status_code, seconds, client_of(request), request.method, path))
        return response

    async def _user(self, request: Request) -> str | None:
        """Return the user that auth-service names for the token, None without a token; RefusedError for a bad one."""
        header = request.headers.get("authorization")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        try:
            if scheme != "Bearer" or not token:
                raise ValueError("Invalid authorization header format")
            return await self._validated(token)
        except (ValueError, HTTPError) as error:
            message = f"Token validation failed: {error}"
            extra = {"path": request.scope["path"], "method": request.method, "message": message}
            emit(gateway_line("ERROR", "auth_failure", "Authentication/authorization error", extra))
            raise RefusedError(401, message) from error

    async def _validated(self, token: str) -> str:
        url = self.backends["auth-service"] + "/internal/auth/validate"
        answer = await self.client.post(url, json={"token": token}, headers={"x-source": "gateway"})
        if answer.status_code != 200:
            raise ValueError(f"auth service returned status {answer.status_code}")
        body = answer.json()
        if not body["valid"]:
            raise ValueError(f"token validation failed: {body['message']}")
        return str(body["user"])

    async def _answer(self, request: Request, user: str | None) -> Response:
        path = request.scope["path"]
        if path == "/health":
            return JSONResponse({"status": "healthy", "service": "gateway", "redis": True})
        if path == "/metrics":
            return metrics.exposition(self.exposed)
        target = target_of(request.method, path)
        if target is None:
            return error_response(404, "Route not found")
        if target.needs_token and user is None:
            extra = {"path": path}
            emit(gateway_line("ERROR", "auth_failure", "Authentication required but no user role", extra))
            return error_response(401, "Authentication required")
        await self.faults.delay()
        if self.faults.strikes(self.rng):
            return error_response(500, "Failed to read response body")  # the one 5xx that is the gateway's own fault
        return await self._proxy(request, target, user)

    async def _proxy(self, request: Request, target: Target, user: str | None) -> Response:
        path = request.scope["path"]
        label = target.backend.replace("-", "_")  # as the Go code names its backends
        try:
            answer = await self._forward(request, target, user)
        except HTTPError as error:
            self.proxy_errors.labels(label, "request_failed").inc()
            extra = {"target_service": label, "path": path, "error": f"backend service request failed: {error}"}
            emit(gateway_line("ERROR", "proxy_failure", "Proxy request failed", extra))
            return error_response(503, f"Backend service error: {error}")
        status = {"target_service": label, "status_code": answer.status_code}
        if answer.status_code >= 500:
            self.proxy_errors.labels(label, str(answer.status_code)).inc()
            emit(gateway_line("ERROR", "backend_5xx", "Backend returned 5xx", {**status, "path": path}))
        emit(gateway_line("INFO", "request_end", f"{request.method} {path} -> {answer.status_code}", status))
        headers = {name: value for name, value in answer.headers.items() if name not in NOT_PASSED_BACK}
        return Response(answer.content, answer.status_code, headers)

    async def _forward(self, request: Request, target: Target, user: str | None) -> BackendResponse:
        """Send the request on, following redirects as Go's client does; the client's request id is replaced."""
        headers = {name: value for name, value in request.headers.items() if name not in NOT_PASSED_ON}
        headers["x-request-id"] = f"req-{time.time_ns()}"
        headers["x-source"] = "gateway"
        if user is not None:
            headers["x-user-id"] = user
        return await self.client.request(
            request.method,
            self.backends[target.backend] + target.path,
            params=request.query_params,
            headers=headers,
            content=await request.body(),
            follow_redirects=True,
        )


def error_response(status: int, message: str) -> Response:
    """Return an error that the gateway itself answers."""
    return JSONResponse({"error": status, "message": message}, status_code=status)


def backend(text: str) -> tuple[str, str]:
    """Parse `name=URL`."""
    name, _, url = text.partition("=")
    if name not in BACKENDS or not url.startswith("http://"):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=http://HOST:PORT with NAME of {', '.join(BACKENDS)}")
    return name, url.rstrip("/")


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(prog="python -m rehearsal.application.gateway", description=__doc__)
    result.add_argument("--port", required=True, type=int, help="port on 127.0.0.1")
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
    return result


def main() -> None:
    """Serve until told to stop."""
    options = parser()
    arguments = options.parse_args()
    backends = dict(arguments.backend)
    missing = [name for name in BACKENDS if name not in backends]
    if missing:
        options.error(f"no --backend for {', '.join(missing)}: add --backend {missing[0]}=http://127.0.0.1:PORT")
    app = Gateway(backends, loopback_client(BACKEND_TIMEOUT_SECONDS), arguments.rate_limit).application()
    serve(app, arguments.port, uvicorn_lines=False)


if __name__ == "__main__":
    main()
