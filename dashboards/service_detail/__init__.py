"""Service detail: everything about one service, by endpoint, with its dependencies, processes, logs and traces."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from catalogue import Catalogue
from dashboards import board
from dashboards.service_detail import dependencies, endpoints, logs_and_traces, processes, promises, requests
from dashboards.stack import EVERYTHING, Stack


def build(catalogue: Catalogue, stack: Stack = EVERYTHING) -> Dashboard:
    """The dashboard; the catalogue gives the application's namespace and the services' metric names.

    Nothing of it asks for traces in a stack that keeps none: Grafana would mark the whole dashboard with an error.

    Raises ValueError if no service exposes metrics.
    """
    measured = catalogue.measured
    if not measured:
        raise ValueError(
            "services.yaml: no service exposes metrics, Service detail needs one: give a service a `prefix`"
        )
    return board.dashboard(
        "service-detail",
        "Service detail",
        "One service: its promises, requests by endpoint, dependencies, processes, alerts and logs"
        f"{', and its traces' if stack.traces else ''}. Services that expose no metrics are on System Health and Logs "
        "only.",
        variables=[
            board.datasource(),
            board.loki_datasource(),
            *([board.tempo_datasource()] if stack.traces else []),
            board.choice("service", "Service", "label_values(service:slo_objective:ratio, service)", measured[0].name),
            board.logging_namespace(catalogue.namespace),
        ],
        rows=[
            promises.row(stack),
            requests.row(measured, stack),
            endpoints.row(measured, stack),
            dependencies.row(measured, len(catalogue.services)),
            processes.row(),
            logs_and_traces.row(stack),
        ],
        annotated='severity=~"critical|warning", service=~"$service|"',
    )
