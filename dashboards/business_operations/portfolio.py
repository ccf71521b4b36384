"""What are the customers' holdings worth?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards.board import Row
from dashboards.business_operations.selectors import CUSTOMER, GAIN_OR_LOSS, business_row
from dashboards.panels import NEUTRAL, Query, stat, timeseries
from dashboards.promql import series


def row() -> Row:
    """Value, profit and loss of all holdings."""
    value = f"max({series('business_portfolio_value_usd', CUSTOMER)})"
    pnl = f"max({series('business_portfolio_pnl_usd', CUSTOMER)})"
    return business_row(
        "Portfolio performance",
        stat(
            "Portfolio value",
            Query(value, "value"),
            shows="What all customers' holdings are worth now.",
            wrong="A step that no price explains is wrong data: compare with the balances and prices below.",
            unit=units.Dollars,
            limits=NEUTRAL,
            height=5,
        ),
        stat(
            "Profit and loss",
            Query(pnl, "profit and loss"),
            shows="What the holdings have gained (green) or lost (red) since they were bought.",
            wrong="Must move with the prices; if it does not, portfolios are no longer computed: see user-service.",
            unit=units.Dollars,
            limits=GAIN_OR_LOSS,
            height=5,
        ),
        stat(
            "Return on cost",
            Query(f"{pnl} / ({value} - {pnl} > 0)", "return"),
            shows="Profit and loss as a share of what the holdings cost.",
            wrong="See profit and loss.",
            unit=units.PercentUnit,
            limits=GAIN_OR_LOSS,
            height=5,
        ),
        timeseries(
            "Portfolio value over time",
            Query(value, "value"),
            shows="What all customers' holdings were worth at each moment.",
            wrong="A gap means that no instance reported it: is user-service up?",
            unit=units.Dollars,
            width=12,
        ),
        timeseries(
            "Profit and loss over time",
            Query(pnl, "profit and loss"),
            shows="What the holdings had gained or lost at each moment since they were bought.",
            wrong="A step at constant prices is a booking: compare with trading volume.",
            unit=units.Dollars,
            signed=True,
            width=12,
        ),
    )
