"""How much money is paid in and out?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards.board import Row
from dashboards.business_operations.selectors import COUNTED, CUSTOMER, GAIN_OR_LOSS, business_row, event_counter
from dashboards.panels import NEUTRAL, Query, stat, timeseries
from dashboards.promql import growth, series


def row() -> Row:
    """Deposits and withdrawals, and their value."""
    transactions = {kind: event_counter(kind) for kind in ("deposit", "withdrawal")}
    value = series("business_transaction_value_usd_total", CUSTOMER)
    return business_row(
        "Deposits and withdrawals",
        stat(
            "Transactions",
            *(Query(growth(counter), kind) for kind, counter in transactions.items()),
            shows=f"Deposits and withdrawals in the chosen time range. {COUNTED}",
            wrong="None of one kind while customers trade: try one yourself, then read user-service's error logs.",
            unit=units.LocaleFormat,
            decimals=0,
            limits=NEUTRAL,
            height=6,
        ),
        stat(
            "Transaction value",
            Query(growth(value, "type"), "{{type}}"),
            shows=f"Value of deposits and withdrawals in the chosen time range. {COUNTED}",
            wrong="A sum out of proportion to the number of transactions is one large one: look it up in the logs.",
            unit=units.Dollars,
            limits=NEUTRAL,
            height=6,
        ),
        stat(
            "Net deposits",
            Query(
                growth(series("business_transaction_value_usd_total", CUSTOMER, type="deposit"))
                + "\n-\n"
                + growth(series("business_transaction_value_usd_total", CUSTOMER, type="withdrawal")),
                "net",
            ),
            shows="Deposits minus withdrawals in the chosen time range: money that came in (green) or left (red).",
            wrong="Much money leaving: see who withdraws, in user-service's logs, and whether something scared them.",
            unit=units.Dollars,
            limits=GAIN_OR_LOSS,
            height=6,
        ),
        timeseries(
            "Transactions per minute",
            *(Query(f"60 * sum(rate({counter}[$__rate_interval]))", kind) for kind, counter in transactions.items()),
            shows="Deposits and withdrawals per minute.",
            wrong="Withdrawals far above deposits: check for an abuse or a loss of trust before anything else.",
            unit=units.EventsPerMinute,
            width=12,
        ),
        timeseries(
            "Transaction value per minute",
            Query(f"60 * sum by (type) (rate({value}[$__rate_interval]))", "{{type}}"),
            shows="Value of deposits and withdrawals, in USD per minute.",
            wrong="A spike of withdrawals: see who and why in user-service's logs.",
            unit=units.Dollars,
            width=12,
        ),
    )
