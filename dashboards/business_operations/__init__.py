"""Business Operations: are customers coming, trading and served, and what are their portfolios worth?"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue
from dashboards import board
from dashboards.business_operations import assets, money, portfolio, trading, users
from dashboards.stack import EVERYTHING, Stack


def build(catalogue: Catalogue, stack: Stack = EVERYTHING) -> Dashboard:
    """The dashboard; the catalogue gives the application's namespace.

    Totals of the whole business (portfolio, balances, active users) are gauges that every instance reports alike, so
    the highest is taken; events are counted where they happen, so they are summed.
    """
    del stack  # it shows the same whatever a stack has
    return board.dashboard(
        "business-operations",
        "Business Operations",
        "Trading, user activity, money in and out, portfolio performance and asset prices of the order processor. "
        "Services with the instrumentation package report these as metrics. Without it, log lines are counted, "
        "which contain orders, logins, registrations and transactions, but neither amounts nor assets.",
        variables=[
            board.datasource(),
            board.choice(
                "namespace",
                "Namespace",
                "label_values(pod:business_events:sum, namespace)",
                catalogue.namespace,
            ),
            board.choice("asset", "Asset", "label_values(business_asset_price_usd, asset)"),
        ],
        rows=[trading.row(), users.row(), money.row(), portfolio.row(), assets.row()],
        since="now-6h",
        annotated='severity="critical"',
    )
