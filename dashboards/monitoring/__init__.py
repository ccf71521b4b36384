"""Monitoring itself: does it see everything, does what it sees arrive, and how long will its room last?"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue
from dashboards import board
from dashboards.monitoring import (
    ingestion,
    log_agent,
    loki,
    notifications,
    queries,
    resources,
    rules,
    scraping,
    storage,
    summary,
    tools,
)
from dashboards.stack import EVERYTHING, Stack


def build(catalogue: Catalogue, stack: Stack = EVERYTHING) -> Dashboard:
    """The dashboard; it is about the monitoring alone, so neither the catalogue nor the stack is used."""
    del catalogue, stack
    return board.dashboard(
        "monitoring",
        "Monitoring itself",
        "Scraping, rules, queries, storage, notifications and logs: whether the monitoring works.",
        variables=[board.datasource(), board.choice("job", "Scrape job", "label_values(up, job)")],
        rows=[
            summary.row(),
            ingestion.row(),
            scraping.row(),
            rules.row(),
            queries.row(),
            storage.row(),
            resources.row(),
            notifications.row(),
            log_agent.row(),
            loki.row(),
            tools.row(),
        ],
        since="now-3h",
    )
