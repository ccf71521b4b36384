"""What the simulated gateway does with requests: lets them in or not, and sends them on."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry
from prometheus_client import Counter as CounterMetric
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import compile_path

from simulation.application.client import AsyncClient, HTTPError
from simulation.application.client import Response as BackendResponse
from simulation.application.faults import Faults
from simulation.application.simulation import client_of

API = "/api/v1"
BACKENDS = ("auth-service", "insights-service", "inventory-service", "order-service", "user-service")


CANCELLATION = "/orders/{order_id}/cancel"
"""Which the application does not have yet."""


@dataclass(frozen=True)
class ApiRoute:
    """What the gateway knows of a path below the API."""

    methods: tuple[str, ...]
    template: str
    backend: str
    needs_token: bool


ROUTES = (
    ApiRoute(("POST",), "/auth/login", "user-service", False),
    ApiRoute(("POST",), "/auth/register", "user-service", False),
    ApiRoute(("GET", "PUT"), "/auth/profile", "user-service", True),
    ApiRoute(("POST",), "/auth/logout", "user-service", True),
    ApiRoute(("GET",), "/inventory/assets", "inventory-service", False),
    ApiRoute(("GET",), "/inventory/assets/{asset_id}", "inventory-service", False),
    ApiRoute(("GET", "POST"), "/orders", "order-service", True),
    ApiRoute(("GET",), "/orders/{order_id}", "order-service", True),
    ApiRoute(("POST",), CANCELLATION, "order-service", True),
    ApiRoute(("GET",), "/assets/{asset_id}/transactions", "order-service", True),
    ApiRoute(("GET",), "/portfolio", "user-service", True),
    ApiRoute(("GET",), "/balance", "user-service", True),
    ApiRoute(("GET",), "/balance/transactions", "user-service", True),
    ApiRoute(("GET",), "/balance/asset/{asset_id}", "user-service", True),
    ApiRoute(("POST",), "/balance/deposit", "user-service", True),
    ApiRoute(("POST",), "/balance/withdraw", "user-service", True),
    ApiRoute(("GET",), "/insights/portfolio", "insights-service", True),
)
IDS = frozenset({"x-request-id", "x-correlation-id", "traceparent", "tracestate"})
NOT_PASSED_ON = frozenset({"host", "content-length", "connection", "transfer-encoding"}) | IDS
NOT_PASSED_BACK = frozenset({"content-length", "connection", "transfer-encoding", "date", "server"})

Log = Callable[[str, str, str, Mapping[str, object]], None]
"""Writes one event: level, action, message, and what else there is to say."""
Ids = Callable[[Request], dict[str, str]]
"""The headers with the ids of a request, as they are sent on to the backend."""


@dataclass
class RateLimit:
    """At most `per_minute` requests from one address within one minute of the clock; no limit where that is None."""

    per_minute: int | None
    minute: int = 0
    seen: Counter[str] = field(default_factory=Counter)

    def allows(self, address: str) -> bool:
        """Count a request from this address and say whether it is within the limit."""
        if self.per_minute is None:
            return True
        minute = int(time.time() // 60)
        if minute != self.minute:
            self.minute = minute
            self.seen.clear()
        self.seen[address] += 1
        return self.seen[address] <= self.per_minute


class RefusedError(Exception):
    """A request that is not let in: 401 for a bad token, 429 above the rate limit."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Gateway:
    """What the gateway does with requests: `backends` maps service names to base URLs."""

    def __init__(
        self,
        backends: Mapping[str, str],
        client: AsyncClient,
        rate_limit: int | None,
        *,
        registry: CollectorRegistry,
        log: Log,
        ids: Ids,
        routes: Sequence[ApiRoute] = ROUTES,
    ) -> None:
        self.backends, self.client = backends, client
        self.patterns = tuple((compile_path(route.template)[0], route) for route in routes)
        self.log, self.ids = log, ids
        self.limit = RateLimit(rate_limit)
        self.faults = Faults()
        self.rng = random.Random()  # noqa: S311 - decides which requests an injected fault hits
        self.proxy_errors = CounterMetric(
            "gateway_proxy_errors_total",
            "Proxy/backend failures: request_failed or the backend's 5xx code.",
            ["target_service", "error_type"],
            registry=registry,
        )

    async def admit(self, request: Request) -> str | None:
        """Return the user that auth-service names for the token, None without a token.

        Raises RefusedError for a bad token, and above the rate limit, which Redis keeps.
        """
        user = await self._user(request)
        if not self.faults.redis_away and not self.limit.allows(client_of(request)):
            raise RefusedError(429, "Rate limit exceeded")
        return user

    def route_of(self, method: str, path: str) -> ApiRoute | None:
        """Return where a request is sent, None for a path that is not known."""
        if not path.startswith(API):
            return None
        below = path.removeprefix(API)
        matching = (route for pattern, route in self.patterns if method in route.methods and pattern.match(below))
        return next(matching, None)

    async def answer(self, request: Request, user: str | None) -> Response:
        """Answer a request that was let in."""
        path = request.scope["path"]
        route = self.route_of(request.method, path)
        if route is None:
            return error_response(404, "Route not found")
        if route.needs_token and user is None:
            self.log("ERROR", "auth_failure", "Authentication required but no user role", {"path": path})
            return error_response(401, "Authentication required")
        await self.faults.delay()
        if self.faults.strikes(self.rng, path):
            return error_response(500, "Failed to read response body")  # the one 5xx that is the gateway's own fault
        return await self._proxy(request, route.backend, user)

    async def _user(self, request: Request) -> str | None:
        header = request.headers.get("authorization")
        if header is None:
            return None
        scheme, _, token = header.partition(" ")
        try:
            if scheme != "Bearer" or not token:
                raise ValueError("Invalid authorization header format")
            return await self._validated(token)
        except ValueError as error:
            message = f"Token validation failed: {error}"
            asked = {"path": request.scope["path"], "method": request.method}
            extra = {"error_code": "AUTH_001", "message": message} | asked
            self.log("ERROR", "auth_failure", "Authentication/authorization error", extra)
            raise RefusedError(401, message) from error

    async def _validated(self, token: str) -> str:
        url = self.backends["auth-service"] + "/internal/auth/validate"
        try:
            answer = await self.client.post(url, json={"token": token}, headers={"x-source": "gateway"})
        except HTTPError as error:
            raise ValueError(f'auth service request failed: Post "{url}": {error}') from error
        if answer.status_code != 200:
            raise ValueError(f"auth service returned status {answer.status_code}: {answer.text}")
        body = answer.json()
        if not body["valid"]:
            raise ValueError(f"token validation failed: {body['message']}")
        return str(body["user"])

    async def _proxy(self, request: Request, backend: str, user: str | None) -> Response:
        path = request.scope["path"]
        label = backend.replace("-", "_")  # as the Go code names its backends
        try:
            answer = await self._forward(request, backend, user)
        except HTTPError as error:
            self.proxy_errors.labels(label, "request_failed").inc()
            asked = f'{request.method.capitalize()} "{self.backends[backend]}{path.removeprefix(API)}"'
            failed = f"backend service request failed: {asked}: {error}"
            self.log(
                "ERROR",
                "proxy_failure",
                "Proxy request failed",
                {"target_service": label, "path": path, "error": failed},
            )
            return error_response(503, f"Backend service error: {failed}")
        status = {"target_service": label, "status_code": answer.status_code}
        if answer.status_code >= 500:
            self.proxy_errors.labels(label, str(answer.status_code)).inc()
            self.log("ERROR", "backend_5xx", "Backend returned 5xx", {**status, "path": path})
        self.log("INFO", "request_end", f"{request.method} {path} -> {answer.status_code}", status)
        headers = {name: value for name, value in answer.headers.items() if name not in NOT_PASSED_BACK}
        return Response(answer.content, answer.status_code, headers)

    async def _forward(self, request: Request, backend: str, user: str | None) -> BackendResponse:
        """Send the request on, following redirects as Go's client does."""
        headers = {name: value for name, value in request.headers.items() if name not in NOT_PASSED_ON}
        headers |= self.ids(request) | {"x-source": "gateway"}
        if user is not None:
            headers["x-user-id"] = user
        return await self.client.request(
            request.method,
            self.backends[backend] + request.scope["path"].removeprefix(API),
            params=request.query_params,
            headers=headers,
            content=await request.body(),
            follow_redirects=True,
        )


def error_response(status: int, message: str) -> Response:
    """Return an error that the gateway itself answers."""
    return JSONResponse({"error": status, "message": message}, status_code=status)
