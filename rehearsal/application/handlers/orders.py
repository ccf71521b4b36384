"""order-service: market orders execute at once, limit orders wait until they are cancelled.

The application has no route to cancel an order yet; `POST /orders/{id}/cancel` is the stand-in's.
Orders live in memory, the newest thousand of them: after a restart an older id is answered with 404.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from uuid import uuid4

from order_processor_observability.business import Side
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rehearsal.application import market
from rehearsal.application.simulation import Simulation, client_of, json_object, number, user_of

ORDER_TYPES = ("market_buy", "market_sell", "limit_buy", "limit_sell")
VALUE_LIMIT_USD = 100_000.0  # an order above it is refused for lack of balance
ORDERS_KEPT = 1000


@dataclass
class Order:
    """An order as it is answered."""

    order_id: str
    order_type: str
    asset_id: str
    quantity: float
    total_amount: float  # US dollars
    status: str

    @property
    def side(self) -> Side:
        """`buy` or `sell`."""
        return "buy" if self.order_type.endswith("buy") else "sell"


class OrderDesk:
    """The order service's handlers and their memory."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.told = simulation.business.orders
        self.orders: OrderedDict[str, Order] = OrderedDict()

    async def create(self, request: Request) -> Response:
        """Create an order: 201, 422 when it makes no sense, 400 (rejected) above the limit."""
        order = _parse(await json_object(request))
        if order is None:
            return self.simulation.refuse(request, 422, "Order validation failed: type, asset or quantity")
        what = f"type: {order.order_type}, asset: {order.asset_id}, quantity: {order.quantity}"
        user = user_of(request)
        self.simulation.start(request, f"Order creation attempt from {client_of(request)} for user {user}, {what}")
        if order.total_amount > VALUE_LIMIT_USD:
            _tell(self.told.rejected, order)
            message = f"Insufficient balance for order: {what}"
            return self.simulation.refuse(request, 400, message, data=asdict(order))
        self._keep(order)
        _tell(self.told.created, order)
        self.simulation.stored(f"Order created: id={order.order_id}, user={user}, asset={order.asset_id}")
        if order.order_type.startswith("market"):
            order.status = "completed"
            _tell(self.told.executed, order)
            message = f"Order executed successfully: order_id={order.order_id}, {what}"
            self.simulation.end(request, message, amount=order.total_amount)
        return JSONResponse({"data": asdict(order)}, status_code=201)

    async def cancel(self, request: Request) -> Response:
        """Cancel a waiting order: 200, 404 for an unknown id, 409 for an order that is no longer waiting."""
        order = self.orders.get(request.path_params["order_id"])
        if order is None:
            return self._not_found(request)
        if order.status != "queued":
            return self.simulation.refuse(request, 409, f"Order {order.order_id} is {order.status}")
        order.status = "cancelled"
        _tell(self.told.cancelled, order)
        self.simulation.stored(f"Order status updated: id={order.order_id}, status=cancelled")
        self.simulation.end(request, f"Order cancelled: order_id={order.order_id}")
        return JSONResponse({"data": asdict(order)})

    async def get(self, request: Request) -> Response:
        """Return one order: 200 or 404."""
        order = self.orders.get(request.path_params["order_id"])
        if order is None:
            return self._not_found(request)
        self.simulation.end(request, f"Order retrieved: order_id={order.order_id}")
        return JSONResponse({"data": asdict(order)})

    async def newest(self, request: Request) -> Response:
        """Return the ten newest orders."""
        newest = list(self.orders.values())[-10:]
        self.simulation.stored(f"Orders for user {user_of(request)}: {len(newest)} items")
        return JSONResponse({"data": [asdict(order) for order in newest]})

    async def transactions(self, request: Request) -> Response:
        """Return an asset's transactions: none, the stand-in keeps no books."""
        self.simulation.end(request, f"Asset transactions retrieved: asset={request.path_params['asset_id']}")
        return JSONResponse({"data": []})

    def _not_found(self, request: Request) -> Response:
        message = f"Order '{request.path_params['order_id']}' not found"
        return self.simulation.refuse(request, 404, message, "not_found")

    def _keep(self, order: Order) -> None:
        self.orders[order.order_id] = order
        if len(self.orders) > ORDERS_KEPT:
            self.orders.popitem(last=False)


def _tell(event: Callable[..., None], order: Order) -> None:
    event(side=order.side, asset=order.asset_id, value=order.total_amount)


def _parse(body: dict[str, object]) -> Order | None:
    kind, asset, quantity = body.get("order_type"), body.get("asset_id"), number(body.get("quantity"))
    if kind not in ORDER_TYPES or asset not in market.ASSETS or quantity is None or quantity <= 0:
        return None
    now = time.time()
    order_id = f"order_{uuid4().hex[:8]}_{int(now)}"
    value = round(quantity * market.price_usd(str(asset), now), 2)
    return Order(order_id, str(kind), str(asset), quantity, value, status="queued")


def routes(simulation: Simulation) -> list[Route]:
    """Return the routes. `/orders` itself is none of them: it is redirected (307) to `/orders/`."""
    desk = OrderDesk(simulation)
    return [
        simulation.route("POST", "/orders/", desk.create),
        simulation.route("GET", "/orders/", desk.newest),
        simulation.route("GET", "/orders/{order_id}", desk.get),
        simulation.route("POST", "/orders/{order_id}/cancel", desk.cancel),
        simulation.route("GET", "/assets/{asset_id}/transactions", desk.transactions),
    ]
