"""Faults on demand: part of the stand-in, so that a drill can make a service slow or failing without stopping it.

`POST /_fault {"errors": 0.3}` fails that share of requests with 500, `{"latency_ms": 800}` adds that delay to each,
`{}` clears both. The path listens on loopback like everything else, and nobody counts or logs its requests.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

FAULT_PATH = "/_fault"
LIMITS = {"errors": 1.0, "latency_ms": 60_000.0}


@dataclass
class Faults:
    """The faults in force: `errors` is a share from 0 to 1, `latency_ms` a delay in milliseconds."""

    errors: float = 0.0
    latency_ms: float = 0.0

    def replace(self, wanted: object) -> None:
        """Put exactly the wanted faults in force; anything else than known keys with numbers is a ValueError."""
        if not isinstance(wanted, dict):
            raise ValueError(f"a fault is a JSON object with the keys {', '.join(LIMITS)}, not {wanted!r}")
        for key, value in wanted.items():
            if key not in LIMITS:
                raise ValueError(f"{key}: unknown fault; known are {', '.join(LIMITS)}")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LIMITS[key]:
                raise ValueError(f"{key}: {value!r} is not a number from 0 to {LIMITS[key]:g}")
        self.errors = float(wanted.get("errors", 0))
        self.latency_ms = float(wanted.get("latency_ms", 0))

    async def delay(self) -> None:
        """Wait as long as the latency fault says."""
        if self.latency_ms:
            await asyncio.sleep(self.latency_ms / 1000)

    def strikes(self, rng: random.Random) -> bool:
        """Decide whether this request fails."""
        return rng.random() < self.errors

    async def check(self) -> bool:
        """Say whether what the service depends on can be used: less often, the more requests fail."""
        return random.random() >= self.errors  # noqa: S311 - a drill, no secret

    def controlling(self, app: ASGIApp) -> ASGIApp:
        """Return the application with the path that controls these faults before it."""

        async def control(scope: Scope, receive: Receive, send: Send) -> None:
            here = scope["type"] == "http" and (scope["method"], scope["path"]) == ("POST", FAULT_PATH)
            answer = await self._controlled(Request(scope, receive)) if here else app
            await answer(scope, receive, send)

        return control

    async def _controlled(self, request: Request) -> Response:
        try:
            self.replace(json.loads(await request.body() or b"{}"))
        except ValueError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({"errors": self.errors, "latency_ms": self.latency_ms})
