"""System Health: are the services up, fast and free of errors, and have they room left?"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue
from dashboards import board
from dashboards.stack import EVERYTHING, Stack
from dashboards.system_health import alerts, errors, objectives, probes, resources, response_times, status


def build(catalogue: Catalogue, stack: Stack = EVERYTHING) -> Dashboard:
    """The dashboard; the catalogue gives the application's namespace, the stack where alerts lead.

    A service without metrics is shown with all the others and cannot be chosen alone: only its status is known.
    """
    return board.dashboard(
        "system-health",
        "System Health",
        "Status, alerts, error budgets, response times, errors and saturation of the order processor's services.",
        variables=[
            board.datasource(),
            board.loki_datasource(),
            board.choice("service", "Service", "label_values(service:up:ratio, service)"),
            board.choice(
                "namespace",
                "Namespace",
                "label_values(instance:http_requests:sum, namespace)",
                catalogue.namespace,
            ),
        ],
        rows=[
            status.row(),
            alerts.row(stack),
            probes.row(),
            objectives.row(),
            response_times.row(),
            errors.row(),
            resources.row(),
        ],
        annotated='severity=~"critical|warning", service=~"$service|"',
    )
