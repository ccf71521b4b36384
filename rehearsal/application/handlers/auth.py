"""auth-service: says whether a token is valid, and answers 200 either way."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rehearsal.application import identity
from rehearsal.application.business import Registry
from rehearsal.application.logs import random_request_id
from rehearsal.application.simulation import Simulation, json_object


def routes(simulation: Simulation, _registry: Registry) -> list[Route]:
    """Return the one route; logins are counted where they happen, in user-service."""

    async def validate(request: Request) -> Response:
        body = await json_object(request)
        user = identity.user_of(str(body.get("token", "")))
        context = {"request_id": random_request_id()}
        if user is None:
            message = "Token is invalid"
            simulation.log.log("WARN", "auth_failed", message, extra={**context, "error": "bad signature"})
            return JSONResponse({"valid": False, "error": "token_invalid", "message": message, **context})
        message = f"User authenticated via JWT: {user}"
        simulation.log.log("INFO", "auth_success", message, user=user, extra=context)
        return JSONResponse({"valid": True, "user": user, "metadata": {"role": "customer"}, **context})

    return [simulation.route("POST", "/internal/auth/validate", validate)]
