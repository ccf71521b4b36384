"""What does AWS cost this month, and does the budget last?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards.board import Row
from dashboards.infrastructure.aws import aws_row
from dashboards.panels import NEUTRAL, Limits, Query, stat, table, timeseries
from dashboards.promql import series

BILLED_SERVICE = 'dimension_service_name!=""'
"""The bill of one AWS service; the whole bill has no name."""

FORECAST = "(aws:month_forecast:usd or aws:month_charges:usd)"
"""The month's charges at its end. There is no forecast in its first week: then those so far."""

MONTH = "30d"
"""What the graphs show whatever time is chosen: a bill does not move within hours."""

BUDGET_NEEDED: Limits = [(None, "blue"), (0, "green"), (0.9, "orange"), (1, "red")]
"""Blue where there is no budget."""


def row() -> Row:
    """Charges so far and expected, by service and against the budget."""
    by_service = f"max by (dimension_service_name) ({series('aws_billing_estimated_charges_maximum', BILLED_SERVICE)})"
    # In a month's first hours nothing is billed yet, and nothing times any pace is nothing.
    pace = f"on () group_left () (max({FORECAST} / (aws:month_charges:usd > 0)) or vector(1))"
    return aws_row(
        "AWS costs",
        stat(
            "Charges this month",
            Query("aws:month_charges:usd", "total"),
            shows="AWS's own estimate of this month's charges so far, for the whole account. Updated every few hours.",
            wrong="See which service grew in the table beside it, then Cost Explorer for the resource.",
            unit=units.Dollars,
            limits=NEUTRAL,
            width=5,
        ),
        stat(
            "Charges at month's end",
            Query(FORECAST, "expected"),
            shows="The month's charges if the remaining days cost as much as those so far. In the first week, which "
            "is too short for a forecast, only the charges so far.",
            wrong="Compare with the budget, and with the service that grew in the table beside it.",
            unit=units.Dollars,
            limits=NEUTRAL,
            width=6,
        ),
        stat(
            "Share of the budget",
            Query(
                f"{FORECAST} / on () group_left () aws:monthly_budget:usd\nor\n"
                "(0 * aws:month_charges:usd - 1 unless on () aws:monthly_budget:usd)",
                "of the budget",
            ),
            shows="The charges expected at the month's end, in its first week those so far, as a share of the stack's "
            "monthly budget.",
            wrong="Above 100 % the budget will be exceeded: find the service that grew in the table beside it, and "
            "inform the budget's owner. Without a budget set `aws.monthlyBudgetUsd` in the stack's settings.",
            unit=units.PercentUnit,
            decimals=0,
            limits=BUDGET_NEEDED,
            words={-1: "No budget"},
            width=5,
        ),
        table(
            "Cost by service",
            Query(f"sort_desc({by_service})", "So far"),
            Query(f"{by_service} * {pace}", "At month's end"),
            by=["dimension_service_name"],
            shows="This month's charges so far by AWS service, and the forecast for its end at the same rate. In the "
            "first week both are the same.",
            wrong="A service in use by mistake: find its resources in Cost Explorer and remove them.",
            unit=units.Dollars,
        ),
        timeseries(
            "Cost against budget",
            Query(
                """
                label_replace(max(aws:month_charges:usd), "what", "so far", "", "")
                  or
                label_replace(max(aws:month_forecast:usd), "what", "expected at month's end", "", "")
                  or
                label_replace(max(aws:monthly_budget:usd), "what", "budget", "", "")
                """,
                "{{what}}",
            ),
            shows="The month's accumulated charges, the forecast at this rate (none in the first week), and the "
            "budget, if set.",
            wrong="Expected above the budget: look for a change at the time when the line turned steeper.",
            unit=units.Dollars,
            colours={"budget": "red"},
            past=MONTH,
            width=12,
        ),
        timeseries(
            "Cost by service over time",
            Query(by_service, "{{dimension_service_name}}"),
            shows="The month's accumulated charges by AWS service; back to zero on the first of the month.",
            wrong="A line that turns steeper shows when a cost began: look for a change on that day.",
            unit=units.Dollars,
            stacked=True,
            past=MONTH,
            width=12,
        ),
    )
