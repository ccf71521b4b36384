"""Which series the rows read: those of the namespace and assets chosen; and what they say where they have none."""

from __future__ import annotations

import re

from grafana_foundation_sdk.models import dashboard as model

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Limits, where_there_is
from dashboards.promql import series

ASSET = 'namespace=~"$namespace", asset=~"$asset"'

CUSTOMER = 'namespace=~"$namespace"'

OF_THE_PACKAGE = re.compile("(?<!:)business_")
"""Series that a service exports with the package alone."""

COUNTED = "Counted up to the last scrape, so up to half a minute late."

BY_LINES = "Where the services do not use the instrumentation package, log lines are counted"

GAIN_OR_LOSS: Limits = [(None, "red"), (0, "green")]


def event_counter(event: str, bound: str = CUSTOMER) -> str:
    """The counters of one kind of event; a pattern names several."""
    operator = "=" if event.replace("_", "").isalpha() else "=~"
    return series("pod:business_events:sum", bound, f'event{operator}"{event}"')


def business_row(title: str, *panels: model.Panel) -> Row:
    """A row, whose panels of amounts, assets and levels say what they need where they have no data."""
    needing = [panel for panel in panels if any(map(OF_THE_PACKAGE.search, _expressions(panel)))]
    where_there_is("the instrumentation package (setting instrumentedServices)", *needing)
    return board.row(title, *panels)


def _expressions(panel: model.Panel) -> list[str]:
    return [getattr(target, "expr", "") for target in panel.targets or []]
