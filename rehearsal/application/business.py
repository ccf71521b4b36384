"""The business series: the contract of the instrumentation, simulated ahead of it.

The application of today exports none of them; `--no-business` leaves them out and speaks today's dialect (the objects
below then count into no registry). Every known label set starts at 0, so that the first event already shows in a rate.
Prices and holdings come from `market` and are plausible curves only.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from rehearsal.application import market

ORDER_EVENTS = ("created", "executed", "cancelled", "rejected")
SIDES = ("buy", "sell")
LOGIN_RESULTS = ("ok", "failed")
TRANSACTION_TYPES = ("deposit", "withdrawal")
ACTIVE_SECONDS = 300  # a user counts as active for this long after the last request

Registry = CollectorRegistry | None  # None: count, but export nowhere


class OrderSeries:
    """What the order service exports: orders and their value in US dollars, by event, side and asset."""

    def __init__(self, registry: Registry) -> None:
        labels = ["event", "side", "asset"]
        self.orders = Counter("business_orders_total", "Order events.", labels, registry=registry)
        self.value = Counter(
            "business_order_value_usd_total", "Value of orders in US dollars.", labels, registry=registry
        )
        for event in ORDER_EVENTS:
            for side in SIDES:
                for asset in market.ASSETS:
                    self.orders.labels(event, side, asset)
                    self.value.labels(event, side, asset)

    def record(self, event: str, side: str, asset: str, value_usd: float) -> None:
        """Count one event of an order worth `value_usd`."""
        self.orders.labels(event, side, asset).inc()
        self.value.labels(event, side, asset).inc(value_usd)


class UserSeries:
    """What the user service exports: registrations, logins, money in and out, active users, holdings."""

    def __init__(self, registry: Registry) -> None:
        self.registrations = Counter("business_registrations_total", "Registrations.", registry=registry)
        self.logins = Counter("business_logins_total", "Logins.", ["result"], registry=registry)
        self.transactions = Counter("business_transactions_total", "Transactions.", ["type"], registry=registry)
        self.value = Counter(
            "business_transaction_value_usd_total",
            "Value of transactions in US dollars.",
            ["type"],
            registry=registry,
        )
        for result in LOGIN_RESULTS:
            self.logins.labels(result)
        for kind in TRANSACTION_TYPES:
            self.transactions.labels(kind)
            self.value.labels(kind)
        self._seen: dict[str, float] = {}
        _user_gauges(registry, self.active_users)

    def transaction(self, kind: str, amount_usd: float) -> None:
        """Count one deposit or withdrawal of `amount_usd`."""
        self.transactions.labels(kind).inc()
        self.value.labels(kind).inc(amount_usd)

    def saw(self, user: str) -> None:
        """Note that a user did something now."""
        self._seen[user] = time.monotonic()

    def active_users(self) -> int:
        """Return how many users did something within the last `ACTIVE_SECONDS`, forgetting the others."""
        since = time.monotonic() - ACTIVE_SECONDS
        self._seen = {user: seen for user, seen in self._seen.items() if seen >= since}
        return len(self._seen)


def _user_gauges(registry: Registry, active_users: Callable[[], int]) -> None:
    gauges: dict[tuple[str, str], Callable[[], float]] = {
        ("business_active_users", "Users with a request in the last 5 minutes."): active_users,
        ("business_portfolio_value_usd", "Value of all holdings in US dollars."): _now(market.portfolio_value_usd),
        ("business_portfolio_pnl_usd", "Profit or loss in US dollars."): _now(market.portfolio_pnl_usd),
    }
    for (name, documentation), value in gauges.items():
        Gauge(name, documentation, registry=registry).set_function(value)
    by_asset("business_asset_balance", "Units of an asset held by all users.", market.holding, registry)


def price_series(registry: Registry) -> None:
    """Export `business_asset_price_usd`, as the inventory service does."""
    by_asset("business_asset_price_usd", "Price of an asset in US dollars.", market.price_usd, registry)


def by_asset(name: str, documentation: str, curve: Callable[[str, float], float], registry: Registry) -> None:
    """Export a gauge per asset that reads `curve(asset, Unix time)` at each scrape."""
    gauge = Gauge(name, documentation, ["asset"], registry=registry)

    def read(asset: str) -> float:
        return curve(asset, time.time())

    for asset in market.ASSETS:
        gauge.labels(asset).set_function(partial(read, asset))


def _now(curve: Callable[[float], float]) -> Callable[[], float]:
    return lambda: curve(time.time())
