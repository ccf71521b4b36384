"""What does the service log, and which of its traces are slow or failed?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Panel

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, logs, timeseries, to_logs, traces
from dashboards.stack import Stack
from facts import SLOW_MILLISECONDS
from screen import GRID_COLUMNS

LINES = '{service_name=~"$service", k8s_namespace_name=~"$namespace"}'


def row(stack: Stack) -> Row:
    """Log lines by level, the traces of a stack that keeps them, and the lines themselves."""
    return board.row(
        "Logs and traces" if stack.traces else "Logs",
        timeseries(
            "Log lines by level",
            Query(
                """
                60 * sum by (service_name, severity) (
                  rate(log_records_total{service_name=~"$service", k8s_namespace_name=~"$namespace"}[$__rate_interval])
                )
                """,
                "{{service_name}} {{severity}}",
            ),
            shows="Log lines per minute by level, as the log agents count them.",
            wrong="Errors without 5xx answers are often refused logins or retries. No line at all: see Logs.",
            unit=units.EventsPerMinute,
            stacked=True,
            drill=to_logs("service_name"),
            width=12 if stack.traces else GRID_COLUMNS,
        ),
        *([_traces()] if stack.traces else []),
        logs(
            "Error logs",
            f'{LINES} | detected_level=~"error|critical|fatal"',
            shows="The newest log lines of level ERROR or above.",
            wrong="Open a line: its `request_id` leads to all lines of the request"
            + (", its `trace_id` to the trace." if stack.traces else "."),
            empty="No line of an error was found; do all lines arrive?",
            width=12,
        ),
        logs(
            "All logs",
            LINES,
            shows="The newest log lines of the service.",
            wrong="No line while requests are answered: see Logs for the agents. To search, open Logs.",
            width=12,
        ),
    )


def _traces() -> Panel:
    return traces(
        "Slow or failed traces",
        f'{{resource.service.name=~"$service" && (duration > {SLOW_MILLISECONDS}ms || status = error)}}',
        shows="Traces of the chosen time range with a span of the service that took longer than "
        f"{SLOW_MILLISECONDS} ms or failed. "
        "Needs services that send spans.",
        wrong="Open a trace: its longest span is where the time was spent.",
        width=12,
    )
