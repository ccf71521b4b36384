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


def build(catalogue: Catalogue) -> Dashboard:
    """The dashboard; it is about the monitoring alone, so the catalogue is not used."""
    del catalogue
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
