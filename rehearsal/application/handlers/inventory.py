"""inventory-service: the assets and their prices, public."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rehearsal.application import market
from rehearsal.application.simulation import Simulation


def routes(simulation: Simulation) -> list[Route]:
    """Return the routes; tell the prices."""

    def tell_prices() -> None:
        for asset in market.ASSETS:
            simulation.business.prices.set(asset, market.price_usd(asset, time.time()))

    simulation.before_scrape(tell_prices)

    async def list_assets(request: Request) -> Response:
        simulation.start(request, "Assets list requested - active_only: True, limit: 50")
        simulation.end(request, f"Retrieved {len(market.ASSETS)} assets (total: {len(market.ASSETS)})")
        return JSONResponse({"data": [_asset(asset) for asset in market.ASSETS]})

    async def get_asset(request: Request) -> Response:
        asset = request.path_params["asset_id"]
        simulation.start(request, f"Asset details requested for: {asset}")
        if asset not in market.ASSETS:
            return simulation.refuse(request, 404, f"Asset '{asset}' not found", "not_found")
        simulation.end(request, f"Asset found: {asset}")
        return JSONResponse({"data": _asset(asset)})

    return [
        simulation.route("GET", "/inventory/assets", list_assets),
        simulation.route("GET", "/inventory/assets/{asset_id}", get_asset),
    ]


def _asset(asset: str) -> dict[str, object]:
    return {"asset_id": asset, "price_usd": market.price_usd(asset, time.time())}
