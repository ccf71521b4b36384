"""Are orders created and executed, and what are they worth?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards.board import Row
from dashboards.business_operations.selectors import ASSET, BY_LINES, COUNTED, business_row, event_counter
from dashboards.panels import NEUTRAL, Query, above, bars, below, stat, table, timeseries
from dashboards.promql import growth, series

EVENTS = ("created", "executed", "cancelled", "rejected")
EVENT_COLOURS = {"created": "blue", "executed": "green", "cancelled": "orange", "rejected": "red"}

SIDE_COLOURS = {"buy": "green", "sell": "red"}


def _order(event: str) -> str:
    # What lines tell has no asset, and counts whichever is chosen.
    return event_counter(f"order_{event}", 'namespace=~"$namespace", asset=~"$asset|"')


def row() -> Row:
    """Orders by outcome, side and asset, and their value."""
    return business_row(
        "Trading volume and orders",
        stat(
            "Orders",
            *(Query(growth(_order(event)), event) for event in EVENTS),
            shows=f"Orders created, executed, cancelled and rejected in the chosen time range. {COUNTED} {BY_LINES}: "
            "they contain no asset, so all count whichever is chosen, and no cancellation: where `cancelled` has a "
            "number, the package counted it.",
            wrong="Many rejected: look for validation errors in order-service's logs. None created: is the gateway up?",
            unit=units.LocaleFormat,
            decimals=0,
            limits=NEUTRAL,
            colours=EVENT_COLOURS,
            width=12,
            height=5,
        ),
        stat(
            "Trading volume",
            Query(growth(_value("executed")), "executed"),
            shows=f"Value of the orders executed in the chosen time range. {COUNTED}",
            wrong="Lower than orders suggest: one asset may have stopped trading, see the orders by asset.",
            unit=units.Dollars,
            limits=NEUTRAL,
            width=6,
            height=5,
        ),
        stat(
            "Order success rate",
            Query(f"{growth(_order('executed'))}\n/\n({growth(_order('(executed|rejected)'))} > 0)", "executed"),
            shows="Share of decided orders, executed or rejected, that were executed. Target: above 99 %. "
            "Requests that failed decided nothing, so an outage does not show here.",
            wrong="See which asset and side is rejected, then order-service's error logs.",
            unit=units.PercentUnit,
            decimals=2,
            limits=below(0.99, 0.95),
            width=6,
            height=5,
        ),
        timeseries(
            "Orders per minute",
            *(Query(f"60 * sum(rate({_order(event)}[$__rate_interval]))", event) for event in EVENTS),
            shows="Orders created, executed, cancelled and rejected per minute.",
            wrong="Created without executed: orders are stuck, see order-service in Service detail.",
            unit=units.EventsPerMinute,
            colours=EVENT_COLOURS,
        ),
        timeseries(
            "Executed orders by side",
            Query(f"60 * sum by (side) (rate({_orders('executed')}[$__rate_interval]))", "{{side}}"),
            shows="Buy and sell orders executed per minute.",
            wrong="One side at zero points at a rule or a balance check that refuses it.",
            unit=units.EventsPerMinute,
            colours=SIDE_COLOURS,
        ),
        timeseries(
            "Executed orders by asset",
            Query(f"60 * sum by (asset) (rate({_orders('executed')}[$__rate_interval]))", "{{asset}}"),
            shows="Orders executed per minute for each asset.",
            wrong="One asset at zero: check its price below and inventory-service.",
            unit=units.EventsPerMinute,
            stacked=True,
        ),
        table(
            "Orders by side",
            *_statistics("side"),
            by=["side"],
            units={"Volume": units.Dollars},
            shows="Buy and sell orders of the chosen time range by outcome, and the value of the executed ones. "
            f"{COUNTED}",
            wrong="One side rejected far more often: a balance check, or customers without money or holdings.",
            unit=units.LocaleFormat,
            decimals=0,
            width=12,
            height=5,
        ),
        table(
            "Orders by asset",
            *_statistics("asset"),
            by=["asset"],
            units={"Volume": units.Dollars},
            shows="Each asset's orders of the chosen time range by outcome, and the value of the executed ones. "
            f"{COUNTED}",
            wrong="An asset with orders created and none executed: check its price below and inventory-service.",
            unit=units.LocaleFormat,
            decimals=0,
            width=12,
            height=5,
        ),
        timeseries(
            "Trading volume by side",
            Query(f"60 * sum by (side) (rate({_value('executed')}[$__rate_interval]))", "{{side}}"),
            shows="Value of the buy and sell orders executed, in USD per minute.",
            wrong="A spike without more orders is one large order: check its price for an error.",
            unit=units.Dollars,
            colours=SIDE_COLOURS,
        ),
        timeseries(
            "Trading volume by asset",
            Query(f"60 * sum by (asset) (rate({_value('executed')}[$__rate_interval]))", "{{asset}}"),
            shows="Value of the orders executed for each asset, in USD per minute.",
            wrong="Compare with the asset's price: volume that follows a false price must be reversed.",
            unit=units.Dollars,
            stacked=True,
        ),
        bars(
            "Rejected orders",
            Query(f"sort_desc({growth(_orders('rejected'), 'asset, side')})", "{{asset}} {{side}}"),
            shows=f"Orders rejected in the chosen time range, by asset and side. {COUNTED}",
            wrong="One asset: its balance or price. All of them: the order service or its table.",
            unit=units.LocaleFormat,
            decimals=0,
            limits=above(1, 100),
        ),
    )


def _orders(event: str) -> str:
    return series("business_orders_total", ASSET, event=event)


def _value(event: str) -> str:
    return series("business_order_value_usd_total", ASSET, event=event)


def _statistics(label: str) -> list[Query]:
    return [
        *(Query(growth(_orders(event), label), event.capitalize()) for event in EVENTS),
        Query(growth(_value("executed"), label), "Volume"),
    ]
