"""Faults on demand: part of the stand-in, so that a drill can make a service slow or failing without stopping it.

`POST /_fault {"errors": 0.3}` fails that share of requests with 500, with `"path": "/orders"` only of those to paths
that begin so; `{"latency_ms": 800}` adds that delay to each, with `"latency_share": 0.3` to that share of them;
`{"lines": 500}` has each write so many log lines more, `{"redis_away": 1}` takes Redis from those who use it,
`{"stalls": "/internal/metrics"}` lets requests for that path wait for ever, `{}` clears all. Today's services answer a
failing store as they do, with 422 for a new order. The path listens on loopback like everything else, and nobody counts
or logs its requests.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import asdict, dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

FAULT_PATH = "/_fault"
LIMITS = {"errors": 1.0, "latency_ms": 60_000.0, "latency_share": 1.0, "lines": 10_000.0, "redis_away": 1.0}
KNOWN = (*LIMITS, "path", "stalls")
FOR_EVER_SECONDS = 3600


@dataclass
class Faults:
    """The faults in force: `errors` is a share from 0 to 1 below `path`, `latency_ms` a delay in milliseconds of
    the share `latency_share`; who asks for `stalls` gets no answer."""

    errors: float = 0.0
    latency_ms: float = 0.0
    latency_share: float = 1.0
    lines: int = 0
    redis_away: bool = False
    path: str = "/"
    stalls: str | None = None

    def replace(self, wanted: object) -> None:
        """Put exactly the wanted faults in force; anything else than known keys with numbers is a ValueError."""
        if not isinstance(wanted, dict):
            raise ValueError(f"a fault is a JSON object with the keys {', '.join(KNOWN)}, not {wanted!r}")
        path, stalls = wanted.get("path", "/"), wanted.get("stalls")
        for key, value in (("path", path), ("stalls", stalls or "/")):
            if not isinstance(value, str) or not value.startswith("/"):
                raise ValueError(f"{key}: {value!r} is not a path, which begins with /")
        for key, value in wanted.items():
            if key not in KNOWN:
                raise ValueError(f"{key}: unknown fault; known are {', '.join(KNOWN)}")
            if key in ("path", "stalls"):
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LIMITS[key]:
                raise ValueError(f"{key}: {value!r} is not a number from 0 to {LIMITS[key]:g}")
        self.errors = float(wanted.get("errors", 0))
        self.latency_ms = float(wanted.get("latency_ms", 0))
        self.latency_share = float(wanted.get("latency_share", 1))
        self.lines = int(wanted.get("lines", 0))
        self.redis_away = bool(wanted.get("redis_away", 0))
        self.path = path
        self.stalls = stalls

    async def delay(self) -> None:
        """Wait as long as the latency fault says."""
        if self.latency_ms and random.random() < self.latency_share:  # noqa: S311 - a drill, no secret
            await asyncio.sleep(self.latency_ms / 1000)

    def strikes(self, rng: random.Random, path: str = "/") -> bool:
        """Decide whether a request to this path fails."""
        return path.startswith(self.path) and rng.random() < self.errors

    async def check(self) -> bool:
        """Say whether what the service depends on can be used: always, unless every request fails.

        By chance, a service of which a third of the requests fail would fail five probes running, and be down.
        """
        return self.path != "/" or self.errors < 1

    def controlling(self, app: ASGIApp) -> ASGIApp:
        """Return the application with the path that controls these faults before it."""

        async def control(scope: Scope, receive: Receive, send: Send) -> None:
            here = scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", FAULT_PATH)
            if self.stalls and scope.get("path") == self.stalls:
                await asyncio.sleep(FOR_EVER_SECONDS)
            answer = await self._controlled(Request(scope, receive)) if here else app
            await answer(scope, receive, send)

        return control

    async def _controlled(self, request: Request) -> Response:
        try:
            self.replace(json.loads(await request.body() or b"{}"))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse(asdict(self))
