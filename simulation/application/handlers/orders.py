"""order-service: market orders execute at once, limit orders wait until they are cancelled.

The application of today refuses limit orders and cannot cancel: in its dialect there are no words for either. What is
sold nobody checks there. `POST /orders/{id}/cancel` is the stand-in's own.
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
from starlette.responses import Response
from starlette.routing import Route

from simulation.application import market
from simulation.application.simulation import Simulation, json_object, number

ORDER_TYPES = ("market_buy", "market_sell", "limit_buy", "limit_sell")
MAXIMUM_USD = 10_000.0  # of one order, today
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
    def waits(self) -> bool:
        """Whether it is executed later, if ever."""
        return self.order_type.startswith("limit")

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
        """Create an order, unless it makes no sense or is refused."""
        order = _parse(await json_object(request))
        if order is None:
            return self.simulation.answer(request, "order-malformed")
        refusal = self._refusal(order)
        if refusal:
            _tell(self.told.rejected, order)
            return self._answer(request, refusal, order)
        self._keep(order)
        _tell(self.told.created, order)
        if order.waits:
            return self._answer(request, "order-waiting", order)
        order.status = "completed"
        _tell(self.told.executed, order)
        return self._answer(request, order.side, order)

    def _refusal(self, order: Order) -> str | None:
        """The outcome of an order that is refused."""
        today = "order-beyond-maximum" in self.simulation.tell
        if order.waits and "order-waiting" not in self.simulation.tell:
            return "limit-order"
        if today and order.total_amount > MAXIMUM_USD:
            return "order-beyond-maximum"
        if order.total_amount > market.BALANCE_USD and not (today and order.side == "sell"):
            return "order-beyond-balance"
        return None

    async def cancel(self, request: Request) -> Response:
        """Cancel a waiting order, unless it is unknown or waits no longer."""
        order = self.orders.get(request.path_params["order_id"])
        if order is None:
            return self.simulation.answer(request, "order-unknown")
        if order.status != "queued":
            return self.simulation.answer(request, "order-not-waiting", status=order.status)
        order.status = "cancelled"
        _tell(self.told.cancelled, order)
        return self._answer(request, "order-cancelled", order)

    async def get(self, request: Request) -> Response:
        """Return one order."""
        order = self.orders.get(request.path_params["order_id"])
        return self._answer(request, "order", order) if order else self.simulation.answer(request, "order-unknown")

    async def newest(self, request: Request) -> Response:
        """Return the ten newest orders."""
        newest = list(self.orders.values())[-10:]
        return self.simulation.answer(request, "orders", [asdict(order) for order in newest], count=len(newest))

    async def transactions(self, request: Request) -> Response:
        """Return an asset's transactions: none, the stand-in keeps no books."""
        return self.simulation.answer(request, "asset-transactions", [])

    def _answer(self, request: Request, outcome: str, order: Order) -> Response:
        return self.simulation.answer(request, outcome, asdict(order), amount=order.total_amount, **asdict(order))

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
    found = [
        simulation.route("POST", "/orders/", desk.create, "buy-store-failing"),
        simulation.route("GET", "/orders/", desk.newest, "orders-store-failing"),
        simulation.route("GET", "/orders/{order_id}", desk.get, "order-store-failing"),
        simulation.route(
            "GET", "/assets/{asset_id}/transactions", desk.transactions, "asset-transactions-store-failing"
        ),
    ]
    if "order-cancelled" in simulation.tell:
        found.append(simulation.route("POST", "/orders/{order_id}/cancel", desk.cancel))
    return found
