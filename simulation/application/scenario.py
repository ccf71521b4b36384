"""What the simulated customers do: single steps through the gateway, drawn by weight.

Failures that the application's targets speak of come at fixed intervals, not by chance, so that a healthy rehearsal
stays within them: one login in 100 fails (target below 2 %), one order in 200 is rejected (target below 1 %).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from simulation.application import identity
from simulation.application.counts import GATEWAY, Counts
from simulation.application.market import ASSETS
from simulation.dialect import TODAY

USERS, MIN_USERS = 40, 4
KEPT = 20  # orders remembered: few enough that the service still has them
LOGIN_FAILS_EVERY, ORDER_REJECTED_EVERY = 100, 200
ORDER_QUANTITIES = {"BTC": 0.02, "ETH": 0.5, "SOL": 8.0, "ADA": 2_500.0}  # each about 1,200 US dollars
TOO_MANY = 6.0  # times an ordinary order: beyond any balance, and within what one order may be worth today
SCANNED = ("/wp-login.php", "/.env", "/phpmyadmin/index.php", "/api/v1/admin/config")

Step = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Reply:
    """An answered request: its status and its `data` object, empty if it has none."""

    status: int
    data: dict[str, Any]


class Call(Protocol):
    """Sends one request through the gateway; None when no answer came. `service` is where the path leads."""

    async def __call__(
        self, method: str, path: str, service: str, *, token: str | None = None, json: object = None
    ) -> Reply | None:
        """Send it."""


class Scenario:
    """The customers: who is logged in, which orders wait, and the steps they take."""

    def __init__(self, call: Call, counts: Counts, rng: random.Random) -> None:
        self.call, self.counts, self.rng = call, counts, rng
        self.users: list[str] = []
        self.waiting: list[str] = []  # limit orders, which can be cancelled
        self.known: list[str] = []  # orders to look at
        self._logins, self._orders = itertools.count(1), itertools.count(1)
        # Nobody waits for an order or cancels one where the application has neither.
        waits = counts.dialect != TODAY
        self._steps: dict[Step, int] = {
            self.list_assets: 20,
            self.get_asset: 13,
            self.register: 3,
            self.log_in: 9,
            self.market_order: 12 if waits else 16,
            self.limit_order: 4 if waits else 0,
            self.cancel_order: 3 if waits else 0,
            self.get_order: 3,
            self.list_orders: 5,
            self.deposit: 5,
            self.withdraw: 2,
            self.balance: 5,
            self.portfolio: 8,
            self.insights: 2,
            self.profile: 3,
            self.scan: 1,
            self.unknown_asset: 1,
            self.bad_token: 1,
        }

    async def step(self) -> None:
        """Take one step; as long as hardly anybody is there, somebody new arrives."""
        if len(self.users) < MIN_USERS:
            await self.register()
            return
        chosen = self.rng.choices(list(self._steps), list(self._steps.values()))[0]
        await chosen()

    async def register(self) -> None:
        """Register a new user."""
        user = f"user_{self.rng.randrange(16**8):08x}"
        body = {"username": user, "email": f"{user}@example.com", "password": identity.password_of(user)}
        answer = await self.call("POST", "/auth/register", "user-service", json=body)
        if answer and answer.status == 201:
            self.counts.business("business_registrations_total")
            self.users.append(user)
            del self.users[:-USERS]

    async def log_in(self) -> None:
        """Log in, now and then with a wrong password."""
        await self._log_in(self.rng.choice(self.users), fails=next(self._logins) % LOGIN_FAILS_EVERY == 0)

    async def guess(self) -> None:
        """Try a wrong password, of somebody or of nobody, as whoever attacks accounts does."""
        if self.users:
            nobody = f"{identity.NOBODY}_{self.rng.randrange(10**6)}"
            await self._log_in(self.rng.choice((self.rng.choice(self.users), nobody)), fails=True)

    async def browse(self) -> None:
        """Look at something, and order nothing."""
        looks = (self.list_assets, self.get_asset, self.list_orders, self.balance, self.portfolio, self.profile)
        if self.users:
            await self.rng.choice(looks)()

    async def statement(self) -> None:
        """Look at what has happened on an account."""
        if self.users:
            await self._private("GET", "/balance/transactions", "user-service")

    async def wander(self) -> None:
        """Ask for a path that leads nowhere, and that nobody has asked for before."""
        await self.call("GET", f"/{self.rng.randrange(16**12):012x}", GATEWAY)

    async def _log_in(self, user: str, *, fails: bool) -> None:
        body = {"username": user, "password": "wrong" if fails else identity.password_of(user)}
        answer = await self.call("POST", "/auth/login", "user-service", json=body)
        if answer and answer.status in (200, 401):
            result = "ok" if answer.status == 200 else "failed"
            self.counts.business("business_logins_total", result=result)

    async def market_order(self) -> None:
        """Order at the market price, now and then more than anybody can pay."""
        await self._order("market")

    async def limit_order(self) -> None:
        """Place an order that waits."""
        await self._order("limit")

    async def _order(self, kind: str) -> None:
        asset, side = self.rng.choice(ASSETS), self.rng.choice(("buy", "sell"))
        rejected = next(self._orders) % ORDER_REJECTED_EVERY == 0
        if rejected and self.counts.dialect == TODAY:
            side = "buy"  # whether anybody has what is sold is not asked
        quantity = ORDER_QUANTITIES[asset] * (TOO_MANY if rejected else self.rng.uniform(0.2, 2.0))
        body = {"order_type": f"{kind}_{side}", "asset_id": asset, "quantity": round(quantity, 6)}
        answer = await self._private("POST", "/orders", "order-service", json=body)
        if answer and answer.status == 400:
            self._count_order("rejected", answer.data)
        if not answer or answer.status != 201:
            return
        self._count_order("created", answer.data)
        if answer.data["status"] == "completed":
            self._count_order("executed", answer.data)
        else:
            self.waiting = [*self.waiting[-KEPT:], answer.data["order_id"]]
        self.known = [*self.known[-KEPT:], answer.data["order_id"]]

    async def cancel_order(self) -> None:
        """Cancel the order that has waited longest."""
        if not self.waiting:
            await self.limit_order()
            return
        path = f"/orders/{self.waiting.pop(0)}/cancel"
        answer = await self._private("POST", path, "order-service")
        if answer and answer.status == 200:
            self._count_order("cancelled", answer.data)

    def _count_order(self, event: str, order: dict[str, Any]) -> None:
        labels = {"event": event, "side": order["order_type"].partition("_")[2], "asset": order["asset_id"]}
        self.counts.business("business_orders_total", **labels)
        self.counts.business("business_order_value_usd_total", order["total_amount"], **labels)

    async def get_order(self) -> None:
        """Look at one of the latest orders."""
        if self.known:
            await self._private("GET", f"/orders/{self.rng.choice(self.known)}", "order-service")
        else:
            await self.list_orders()

    async def deposit(self) -> None:
        """Pay money in."""
        await self._transact("deposit", "/balance/deposit")

    async def withdraw(self) -> None:
        """Take money out."""
        await self._transact("withdrawal", "/balance/withdraw")

    async def _transact(self, kind: str, path: str) -> None:
        amount = round(self.rng.uniform(20, 2000), 2)
        answer = await self._private("POST", path, "user-service", json={"amount": amount})
        if answer and answer.status == 201:
            self.counts.business("business_transactions_total", type=kind)
            self.counts.business("business_transaction_value_usd_total", amount, type=kind)

    async def visit(self) -> None:
        """Look around, without an account."""
        await self.rng.choice((self.list_assets, self.get_asset))()

    async def list_assets(self) -> None:
        """Browse the inventory."""
        await self.call("GET", "/inventory/assets", "inventory-service")

    async def get_asset(self) -> None:
        """Look at one asset."""
        await self.call("GET", f"/inventory/assets/{self.rng.choice(ASSETS)}", "inventory-service")

    async def list_orders(self) -> None:
        """Look at the orders."""
        await self._private("GET", "/orders", "order-service")

    async def balance(self) -> None:
        """Look at the balance of an asset."""
        await self._private("GET", f"/balance/asset/{self.rng.choice(ASSETS)}", "user-service")

    async def portfolio(self) -> None:
        """Look at the portfolio."""
        await self._private("GET", "/portfolio", "user-service")

    async def insights(self) -> None:
        """Ask for insights."""
        await self._private("GET", "/insights/portfolio", "insights-service")

    async def profile(self) -> None:
        """Look at the profile."""
        await self._private("GET", "/auth/profile", "user-service")

    async def unknown_asset(self) -> None:
        """Ask for an asset that does not exist."""
        await self.call("GET", "/inventory/assets/DOGE", "inventory-service")

    async def bad_token(self) -> None:
        """Use a token that is none."""
        await self.call("GET", "/portfolio", "user-service", token="expired.0000")  # noqa: S106

    async def scan(self) -> None:
        """Ask for what vulnerability scanners ask for: paths that lead nowhere."""
        await self.call("GET", self.rng.choice(SCANNED), GATEWAY)

    async def _private(self, method: str, path: str, service: str, json: object = None) -> Reply | None:
        token = identity.token_of(self.rng.choice(self.users))
        return await self.call(method, path, service, token=token, json=json)
