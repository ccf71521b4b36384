"""Whose series the rows read: those of the services chosen, under the prefix of each."""

from __future__ import annotations

from collections.abc import Sequence

from catalogue import Service
from dashboards.promql import union

SERVICE = 'service=~"$service"'

DOTS = " A dot is one request: its trace is behind it."
"""What a panel says of exemplars."""


def each(measured: Sequence[Service], vector: str) -> str:
    """A vector of every service: `<prefix>` stands for what its metrics are named after.

    `<endpoints>` and `<statuses>` stand for matchers that leave out what counts as no request: what the monitoring
    itself asks for, and redirects.
    """
    return union([_of(service, vector) for service in measured])


def _of(service: Service, vector: str) -> str:
    endpoints = "|".join((service.health_path, service.metrics_path, *service.ignored_endpoints))
    vector = vector.replace("<endpoints>", f'endpoint!~"{endpoints}"')
    vector = vector.replace("<statuses>", f'status_code!~"{"|".join(service.ignored_statuses)}"')
    return vector.replace("<prefix>", str(service.prefix))
