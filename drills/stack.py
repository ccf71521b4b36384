"""What drills deploy: the dev stack, with what it lacks for some of them."""

from __future__ import annotations

from typing import Any

from rehearsal.deployment import Deployment, Say
from rehearsal.lifecycle import Rehearsal
from simulation.exporters import cloudwatch

SETTINGS: dict[str, Any] = {
    "platform": "eks",
    "aws": {
        "region": cloudwatch.REGION,
        "clusterName": cloudwatch.CLUSTER,
        "tables": list(cloudwatch.TABLES),
        "tags": {"Project": "^order-processor$"},
        "monthlyBudgetUsd": 600,
    },
    "businessHours": {"timeZone": "America/New_York", "holidays": ["2026-12-25"]},
}
"""An AWS account with a budget, as the stand-in of its exporter has it; and a holiday."""


def deployment(rehearsal: Rehearsal, say: Say = lambda _: None) -> Deployment:
    """That stack in one rehearsal."""
    return Deployment(rehearsal, say, SETTINGS)
