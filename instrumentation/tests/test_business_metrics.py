"""Business metrics: names, zeros, and labels that stay bounded whatever a request brings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from starlette.applications import Starlette

from order_processor_observability import Business, observe

ASSETS = ["BTC", "ETH"]


def exporting(*groups: Any) -> tuple[Business, Any]:
    handle = observe(Starlette(), "order-service", business=groups, assets=ASSETS)

    def value(name: str, **labels: str) -> float | None:
        return handle.registry.get_sample_value(name, labels)

    return handle.business, value


def families(*groups: Any) -> set[str]:
    handle = observe(Starlette(), "order-service", business=groups, assets=ASSETS)
    return {family.name for family in handle.registry.collect() if family.name.startswith("business_")}


def test_a_service_exports_the_groups_that_it_names() -> None:
    assert families() == set()
    assert families("prices") == {"business_asset_price_usd", "business_unexpected_labels"}
    assert families("orders") == {"business_orders", "business_order_value_usd", "business_unexpected_labels"}
    business, _ = exporting("prices")
    with pytest.raises(LookupError, match=r"'orders'.*observe"):
        _ = business.orders


def test_orders_start_at_zero_and_count_number_and_value() -> None:
    business, value = exporting("orders")
    for event in ("created", "executed", "cancelled", "rejected"):
        for side in ("buy", "sell"):
            for asset in ASSETS:
                labels = {"event": event, "side": side, "asset": asset}
                assert value("business_orders_total", **labels) == 0
                assert value("business_order_value_usd_total", **labels) == 0
                getattr(business.orders, event)(side=side, asset=asset, value=Decimal("2.5"))
                assert value("business_orders_total", **labels) == 1
                assert value("business_order_value_usd_total", **labels) == 2.5
    assert value("business_unexpected_labels_total", label="asset") == 0


def test_unknown_labels_become_other_and_are_counted() -> None:
    business, value = exporting("orders")
    for number in range(100):
        business.orders.created(side="hold", asset=f"COIN{number}", value=1)  # type: ignore[arg-type]
    assert value("business_orders_total", event="created", side="other", asset="other") == 100
    assert value("business_unexpected_labels_total", label="asset") == 100
    assert value("business_unexpected_labels_total", label="side") == 100
    business.orders.created(side="buy", asset="other", value=1)
    assert value("business_unexpected_labels_total", label="asset") == 101


@pytest.mark.parametrize("amount", [-1, float("nan"), float("inf"), "ten", None, 10**400])
def test_an_impossible_value_does_not_spoil_the_sum_and_is_counted(amount: Any) -> None:
    business, value = exporting("orders", "users")
    business.orders.created(side="buy", asset="BTC", value=amount)
    business.users.deposited(amount)
    labels = {"event": "created", "side": "buy", "asset": "BTC"}
    assert value("business_orders_total", **labels) == 1, "the order happened nevertheless"
    assert value("business_order_value_usd_total", **labels) == 0
    assert value("business_transaction_value_usd_total", type="deposit") == 0
    assert value("business_unexpected_labels_total", label="value") == 2


def test_users() -> None:
    business, value = exporting("users")
    names = ["business_registrations_total", "business_logins_total", "business_transactions_total"]
    assert [value(names[0]), value(names[1], result="ok"), value(names[1], result="failed")] == [0, 0, 0]
    assert value(names[2], type="deposit") == value(names[2], type="withdrawal") == 0
    assert value("business_active_users") is None, "unknown is not 0"
    business.users.registered()
    business.users.login_succeeded()
    business.users.login_failed()
    business.users.login_failed()
    business.users.deposited(10)
    business.users.withdrew(4)
    business.users.active(3)
    assert [value(names[0]), value(names[1], result="ok"), value(names[1], result="failed")] == [1, 1, 2]
    assert value("business_transaction_value_usd_total", type="deposit") == 10
    assert value("business_transaction_value_usd_total", type="withdrawal") == 4
    assert value("business_active_users") == 3


def test_portfolio_and_prices() -> None:
    business, value = exporting("portfolio", "prices")
    assert value("business_portfolio_value_usd") is None
    business.portfolio.value(100)
    business.portfolio.pnl(-5)
    business.portfolio.balance("BTC", 2)
    business.prices.set("ETH", 3000)
    business.prices.set("DOGE", 1)
    assert value("business_portfolio_value_usd") == 100
    assert value("business_portfolio_pnl_usd") == -5
    assert value("business_asset_balance", asset="BTC") == 2
    assert value("business_asset_price_usd", asset="ETH") == 3000
    assert value("business_asset_price_usd", asset="other") is None, "prices of different assets do not share a series"
    assert value("business_unexpected_labels_total", label="asset") == 1


@pytest.mark.parametrize("amount", [float("nan"), float("-inf"), "ten", None])
def test_a_gauge_keeps_what_it_knew_when_it_is_told_no_number(amount: Any) -> None:
    business, value = exporting("portfolio", "prices", "users")
    business.portfolio.pnl(-5)
    business.prices.set("BTC", 40_000)
    business.portfolio.pnl(amount)
    business.prices.set("BTC", amount)
    business.users.active(amount)
    assert value("business_portfolio_pnl_usd") == -5
    assert value("business_asset_price_usd", asset="BTC") == 40_000
    assert value("business_active_users") is None
    assert value("business_unexpected_labels_total", label="value") == 3
