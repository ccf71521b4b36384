"""insights-service: a text about the user's portfolio. Today its metrics code is not mounted, so it exports nothing."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulation.application.simulation import Simulation


def routes(simulation: Simulation) -> list[Route]:
    """Return the one route."""

    async def portfolio(request: Request) -> Response:
        return simulation.answer(request, "insights", {"summary": "Holdings are spread over four assets."})

    return [simulation.route("GET", "/insights/portfolio", portfolio, "insights-store-failing")]
