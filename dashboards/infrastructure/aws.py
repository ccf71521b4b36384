"""What all rows about AWS share: how old and how complete CloudWatch's figures are, and what to say without AWS."""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model

from dashboards import board
from dashboards.board import Row
from dashboards.panels import where_there_is

CLOUDWATCH_PERIOD = 300
"""Seconds that one CloudWatch sum covers; dividing by it gives a rate."""
CLOUDWATCH_DELAY = 120
"""Seconds after which such a sum is complete; the exporter asks again in each period."""
NAMED_LATE = f"Up to {2 * CLOUDWATCH_PERIOD // 60} minutes late."
NAMED_SUM = (
    f"{NAMED_LATE} Too low by up to {100 * CLOUDWATCH_DELAY // CLOUDWATCH_PERIOD} %: the last minutes come later."
)
"""Figures of tables and the cluster, which are asked for up to now, whether they are complete or not."""
FOUND_LATE = f"{CLOUDWATCH_DELAY // 60} to {(CLOUDWATCH_DELAY + 2 * CLOUDWATCH_PERIOD) // 60} minutes late."
"""Figures of what is found by its tags, which are asked for once they are complete."""


def aws_row(title: str, *panels: model.Panel) -> Row:
    """A row whose panels say that they need a stack with AWS where they have no data."""
    return board.row(title, *where_there_is("a stack with AWS", *panels))
