"""What happens in the business, as metrics. A service names the groups that it exports.

Labels are bounded: what is none of the known values becomes `other`, and is counted. Nothing here raises for what a
request brought along: a wrong label or value must not fail an order.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal, NoReturn, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

Group = Literal["orders", "users", "portfolio", "prices"]
Side = Literal["buy", "sell"]
OTHER = "other"

_EVENTS = ("created", "executed", "cancelled", "rejected")
_RESULTS = ("ok", "failed")
_TRANSACTIONS = ("deposit", "withdrawal")


class Labels:
    """Keeps label values to the known ones, and counts the others in `business_unexpected_labels_total{label}`.

    The label `value` stands for amounts that cannot be taken: infinite, no numbers, or negative where they are counted.
    """

    def __init__(self, assets: Collection[str], registry: CollectorRegistry) -> None:
        self.assets = tuple(dict.fromkeys(assets))
        self._unexpected = Counter(
            "business_unexpected_labels_total", "Label values that became `other`.", ["label"], registry=registry
        )
        for label in ("asset", "side", "value"):
            self._unexpected.labels(label)

    def one_of(self, label: str, value: str, known: Collection[str]) -> str:
        """The value if it is known, else `other`."""
        if value in known:
            return value
        self._unexpected.labels(label).inc()
        return OTHER

    def amount(self, value: float) -> float:
        """The amount as a counter can take it, else 0."""
        return self.number(value, lowest=0) or 0.0

    def number(self, value: float, lowest: float = -math.inf) -> float | None:
        """The value if it is a finite number and not below the lowest, else None."""
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if number >= lowest and math.isfinite(number):
            return number
        self._unexpected.labels("value").inc()
        return None


class Orders:
    """Orders by what happened to them; `value` is in US dollars."""

    def __init__(self, labels: Labels, registry: CollectorRegistry) -> None:
        names = ["event", "side", "asset"]
        self._labels = labels
        self._orders = Counter("business_orders_total", "Order events.", names, registry=registry)
        self._value = Counter(
            "business_order_value_usd_total", "Value of orders in US dollars.", names, registry=registry
        )
        for event in _EVENTS:
            for side in get_args(Side):
                for asset in labels.assets:
                    self._orders.labels(event, side, asset)
                    self._value.labels(event, side, asset)

    def created(self, *, side: Side, asset: str, value: float) -> None:
        """An order was accepted."""
        self._count("created", side, asset, value)

    def executed(self, *, side: Side, asset: str, value: float) -> None:
        """An order was carried out."""
        self._count("executed", side, asset, value)

    def cancelled(self, *, side: Side, asset: str, value: float) -> None:
        """An order was withdrawn by its user."""
        self._count("cancelled", side, asset, value)

    def rejected(self, *, side: Side, asset: str, value: float) -> None:
        """An order was refused, such as for want of money."""
        self._count("rejected", side, asset, value)

    def _count(self, event: str, side: str, asset: str, value: float) -> None:
        side = self._labels.one_of("side", side, get_args(Side))
        asset = self._labels.one_of("asset", asset, self._labels.assets)
        self._orders.labels(event, side, asset).inc()
        self._value.labels(event, side, asset).inc(self._labels.amount(value))


class Users:
    """Registrations, logins, money in and out."""

    def __init__(self, labels: Labels, registry: CollectorRegistry) -> None:
        self._labels = labels
        self._registrations = Counter("business_registrations_total", "Registrations.", registry=registry)
        self._logins = Counter("business_logins_total", "Logins.", ["result"], registry=registry)
        self._transactions = Counter("business_transactions_total", "Transactions.", ["type"], registry=registry)
        self._value = Counter(
            "business_transaction_value_usd_total",
            "Value of transactions in US dollars.",
            ["type"],
            registry=registry,
        )
        self._active = _Level("business_active_users", "Users with a request in the last 5 minutes.", labels, registry)
        for result in _RESULTS:
            self._logins.labels(result)
        for kind in _TRANSACTIONS:
            self._transactions.labels(kind)
            self._value.labels(kind)

    def registered(self) -> None:
        """Somebody became a user."""
        self._registrations.inc()

    def login_succeeded(self) -> None:
        """A user logged in."""
        self._logins.labels("ok").inc()

    def login_failed(self) -> None:
        """Somebody was not let in, as name and password did not fit. A login that broke down is no such thing."""
        self._logins.labels("failed").inc()

    def deposited(self, value: float) -> None:
        """Money came in, in US dollars."""
        self._transact("deposit", value)

    def withdrew(self, value: float) -> None:
        """Money went out, in US dollars."""
        self._transact("withdrawal", value)

    def active(self, users: int) -> None:
        """How many users had a request in the last 5 minutes."""
        self._active.set(users)

    def _transact(self, kind: str, value: float) -> None:
        self._transactions.labels(kind).inc()
        self._value.labels(kind).inc(self._labels.amount(value))


class Portfolio:
    """What all users together hold."""

    def __init__(self, labels: Labels, registry: CollectorRegistry) -> None:
        self._value = _Level("business_portfolio_value_usd", "Value of all holdings in US dollars.", labels, registry)
        self._pnl = _Level("business_portfolio_pnl_usd", "Profit or loss in US dollars.", labels, registry)
        self._balance = _by_asset("business_asset_balance", "Units of an asset held by all users.", registry)
        self._labels = labels

    def value(self, usd: float) -> None:
        """The value of all holdings in US dollars."""
        self._value.set(usd)

    def pnl(self, usd: float) -> None:
        """Profit, or loss if negative, in US dollars."""
        self._pnl.set(usd)

    def balance(self, asset: str, units: float) -> None:
        """How many units of an asset all users hold."""
        _set_by_asset(self._balance, self._labels, asset, units)


class Prices:
    """What assets cost."""

    def __init__(self, labels: Labels, registry: CollectorRegistry) -> None:
        self._price = _by_asset("business_asset_price_usd", "Price of an asset in US dollars.", registry)
        self._labels = labels

    def set(self, asset: str, usd: float) -> None:
        """The price of one unit of an asset in US dollars."""
        _set_by_asset(self._price, self._labels, asset, usd)


class Business:
    """The business metrics of one service: the groups that it named, with every counter at 0."""

    def __init__(self, groups: Collection[Group], assets: Collection[str], registry: CollectorRegistry) -> None:
        unknown = sorted(set(groups) - set(get_args(Group)))
        if unknown:
            raise ValueError(f"business: unknown groups {unknown}; choose of {', '.join(get_args(Group))}")
        if not assets and set(groups) - {"users"}:
            raise ValueError("assets: name the assets that this service knows, such as assets=['BTC']")
        labels = Labels(assets, registry) if groups else None
        self._orders = Orders(labels, registry) if labels and "orders" in groups else None
        self._users = Users(labels, registry) if labels and "users" in groups else None
        self._portfolio = Portfolio(labels, registry) if labels and "portfolio" in groups else None
        self._prices = Prices(labels, registry) if labels and "prices" in groups else None

    @property
    def orders(self) -> Orders:
        """Orders. Raises LookupError if the service did not name the group, as all groups do."""
        return self._orders or _not_named("orders")

    @property
    def users(self) -> Users:
        """Registrations, logins, transactions, active users."""
        return self._users or _not_named("users")

    @property
    def portfolio(self) -> Portfolio:
        """Holdings, profit and loss."""
        return self._portfolio or _not_named("portfolio")

    @property
    def prices(self) -> Prices:
        """Prices of assets."""
        return self._prices or _not_named("prices")


class _Level:
    """A gauge without labels that does not exist before it was set: 0 dollars would be a statement."""

    def __init__(self, name: str, documentation: str, labels: Labels, registry: CollectorRegistry) -> None:
        self._name, self._documentation, self._labels, self._registry = name, documentation, labels, registry
        self._gauge: Gauge | None = None

    def set(self, value: float) -> None:
        number = self._labels.number(value)
        if number is None:
            return
        if self._gauge is None:
            self._gauge = Gauge(
                self._name, self._documentation, registry=self._registry, multiprocess_mode="mostrecent"
            )
        self._gauge.set(number)


def _by_asset(name: str, documentation: str, registry: CollectorRegistry) -> Gauge:
    return Gauge(name, documentation, ["asset"], registry=registry, multiprocess_mode="mostrecent")


def _set_by_asset(gauge: Gauge, labels: Labels, asset: str, value: float) -> None:
    """Set an asset's gauge. Of an unknown asset there is none: values of different assets cannot share `other`."""
    number = labels.number(value)
    if labels.one_of("asset", asset, labels.assets) != OTHER and number is not None:
        gauge.labels(asset).set(number)


def _not_named(group: Group) -> NoReturn:
    raise LookupError(f"business: this service does not export {group!r}; name it in observe(business=[…])")
