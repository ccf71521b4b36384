"""What do the assets cost, and who holds how much of them?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards.board import Row
from dashboards.business_operations.selectors import ASSET, business_row
from dashboards.panels import Query, table, timeseries
from dashboards.promql import at_start, series


def row() -> Row:
    """Price, balance and value of each asset."""
    price = f"max by (asset) ({series('business_asset_price_usd', ASSET)})"
    price_before = at_start(series("business_asset_price_usd", ASSET), "asset")
    balance = f"max by (asset) ({series('business_asset_balance', ASSET)})"
    balance_before = at_start(series("business_asset_balance", ASSET), "asset")
    return business_row(
        "Asset prices and balances",
        table(
            "Assets",
            Query(price, "Price"),
            Query(f"{price} / ({price_before} > 0) - 1", "Change"),
            Query(balance, "Balance"),
            Query(f"{balance} * {price}", "Value"),
            by=["asset"],
            units={"Change": units.PercentUnit, "Balance": units.Short},
            order=[("Value", True)],
            shows="Each asset now: its price, the price's change over the chosen time range, the balance that all "
            "customers hold and its value.",
            wrong="An asset without a price cannot be traded: check inventory-service and its price source.",
            unit=units.Dollars,
            width=12,
        ),
        timeseries(
            "Asset prices",
            Query(price, "{{asset}}"),
            shows="Price of each asset. The axis is logarithmic, so that cheap and expensive assets are both visible.",
            wrong="A flat line is a price that is no longer updated; a jump to zero stops trading in it.",
            unit=units.Dollars,
            log_scale=True,
            width=12,
        ),
        timeseries(
            "Asset price change",
            Query(f"{price} / ({price_before} > 0) - 1", "{{asset}}"),
            shows="Each asset's price against its price at the start of the chosen time range.",
            wrong="One asset apart from all the others: check its price against another source.",
            unit=units.PercentUnit,
            signed=True,
            soft_max=0.01,
            width=12,
        ),
        timeseries(
            "Asset balances",
            Query(balance, "{{asset}}"),
            shows="Amount of each asset that all customers hold, in units of the asset, on a logarithmic axis.",
            wrong="Must change only with executed orders, deposits and withdrawals; otherwise data is wrong.",
            unit=units.Short,
            log_scale=True,
            width=12,
        ),
        timeseries(
            "Asset balance change",
            Query(f"{balance} / ({balance_before} > 0) - 1", "{{asset}}"),
            shows="Each balance against its balance at the start of the chosen time range.",
            wrong="A fall without sell orders or withdrawals is a loss of data or money: act at once.",
            unit=units.PercentUnit,
            signed=True,
            soft_max=0.01,
            width=12,
        ),
        timeseries(
            "Asset balance value",
            Query(f"{balance} * {price}", "{{asset}}"),
            shows="What the balance of each asset is worth, at the price of the moment.",
            wrong="The sum must follow the portfolio value above.",
            unit=units.Dollars,
            stacked=True,
            width=12,
        ),
    )
