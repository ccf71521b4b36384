"""auth-service: says whether a token is valid, and answers 200 either way."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulation.application import identity
from simulation.application.simulation import Simulation, json_object


def routes(simulation: Simulation) -> list[Route]:
    """Return the one route; logins are counted where they happen, in user-service."""

    async def validate(request: Request) -> Response:
        body = await json_object(request)
        user = identity.user_of(str(body.get("token", "")))
        if user is None:
            status = simulation.tell("token-invalid", request)
            failed = {"valid": False, "error": "validation_error", "message": "Token validation failed"}
            return JSONResponse(failed, status)
        status = simulation.tell("token-valid", request, user=user)
        return JSONResponse({"valid": True, "user": user, "metadata": {"role": "customer"}}, status)

    return [simulation.route("POST", "/internal/auth/validate", validate)]
