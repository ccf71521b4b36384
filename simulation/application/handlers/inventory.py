"""inventory-service: the assets and their prices, public."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from simulation.application import market
from simulation.application.simulation import Simulation


def routes(simulation: Simulation) -> list[Route]:
    """Return the routes; tell the prices."""

    def tell_prices() -> None:
        for asset in market.ASSETS:
            simulation.business.prices.set(asset, market.price_usd(asset, time.time()))

    simulation.before_scrape(tell_prices)

    async def list_assets(request: Request) -> Response:
        assets = [_asset(asset) for asset in market.ASSETS]
        return simulation.answer(request, "assets", assets, count=len(assets))

    async def get_asset(request: Request) -> Response:
        asset = request.path_params["asset_id"]
        if asset not in market.ASSETS:
            return simulation.answer(request, "asset-unknown")
        return simulation.answer(request, "asset", _asset(asset), asset_name=market.ASSET_NAMES[asset])

    return [
        simulation.route("GET", "/inventory/assets", list_assets, "assets-store-failing"),
        simulation.route("GET", "/inventory/assets/{asset_id}", get_asset, "asset-store-failing"),
    ]


def _asset(asset: str) -> dict[str, object]:
    return {"asset_id": asset, "price_usd": market.price_usd(asset, time.time())}
