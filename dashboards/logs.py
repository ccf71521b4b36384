"""Logs: who said what about which request, which errors repeat, and are all lines there?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units
from grafana_foundation_sdk.models.dashboard import Dashboard

import parts
from catalogue import Catalogue
from dashboards import board
from dashboards.board import Row, row
from dashboards.panels import LogQuery, Query, above, logs, stat, table, timeseries, to_service
from dashboards.promql import series
from dashboards.stack import EVERYTHING, Stack

# A text that was not given finds everything: an empty pattern also matches a line without the label. The level is as
# Loki detected it, which every line has, or as the line spells it. What is typed is a text and no pattern: Grafana
# escapes it, with single backslashes, so that it stands within backticks.
IDS = ("request_id", "correlation_id", "trace_id")
REQUEST = "| " + " or ".join(f"{name}=~`${{request:regex}}.*`" for name in IDS)
FILTERS = f"""|~ `(?i)${{text:regex}}`
| detected_level=~"(?i)$level" or severity=~"$level"
| user=~`(?i)${{user:regex}}.*`
{REQUEST}"""
NAMESPACE = 'k8s_namespace_name=~"$namespace"'
FOUND = series("", 'service_name=~"$service"', NAMESPACE) + f" {FILTERS}"
# Without an id the pattern is `^.*`, which every name matches, so that no stream is searched. With one it matches none,
# as no name begins after an id.
CHOSEN_REQUEST = "service_name!~`${request:regex}^.*`"
ONE_REQUEST = "One request, by the id typed above"
"""Title of the panel that the links of log lines open."""
ERRORS = f'{FOUND}\n| detected_level=~"error|critical|fatal"'

# Messages that differ in an id or a long number are one; status codes stay. A line that is no JSON is its own message.
MESSAGE = (
    '| json message="message" | drop __error__, __error_details__ '
    "| label_format message=`{{ if .message }}{{ .message }}{{ else }}{{ __line__ }}{{ end }}` "
    '| label_format message=`{{ regexReplaceAll "[0-9a-f]{8}[0-9a-f-]*|[0-9]+[.][0-9]+|[0-9]{4,}" .message "…" }}` '
    "| label_format message=`{{ trunc 160 .message }}`"
)

# What happens to the cluster's objects comes from an agent of its own, which collects nobody's lines.
OF_LINES = f'job!="{parts.KUBERNETES_EVENTS.job}"'
QUEUE = series("otelcol_exporter_queue_size", 'data_type="logs"', OF_LINES)
SENT = series("otelcol_exporter_sent_log_records", OF_LINES)


def build(catalogue: Catalogue, stack: Stack = EVERYTHING) -> Dashboard:
    """The dashboard; the catalogue gives the application's namespace."""
    del stack  # lines are looked for alike in every stack
    return board.dashboard(
        "logs",
        "Logs",
        "Search of all log lines by service, level, user, text and request; their volume; the errors that repeat.",
        variables=[
            board.datasource(),
            board.loki_datasource(),
            board.choice("service", "Service", "label_values(log_records_total, service_name)"),
            board.logging_namespace(catalogue.namespace),
            board.choice("level", "Level", "label_values(log_records_total, severity)"),
            board.text("text", "Text"),
            board.text("user", "User"),
            board.text("request", "Request, correlation or trace id"),
        ],
        rows=[_volume(), _errors(), _lines(), _agents()],
        annotated='severity=~"critical|warning", service=~"$service|"',
    )


def _volume() -> Row:
    return row(
        "Volume of what is found",
        timeseries(
            "Lines by service",
            LogQuery(f"sum by (service_name) (count_over_time({FOUND} [$__auto]))", "{{service_name}}"),
            shows="Log lines that the search finds, of each service, counted at each point since the one before.",
            wrong="A service that falls silent while it answers requests: see the agents at the end.",
            unit=units.Short,
            stacked=True,
            drill=to_service("service_name"),
            width=12,
        ),
        timeseries(
            "Lines by level",
            LogQuery(f"sum by (detected_level) (count_over_time({FOUND} [$__auto]))", "{{detected_level}}"),
            shows="Log lines that the search finds, of each level, counted at each point since the one before.",
            wrong="More errors than before: the messages that repeat are below.",
            unit=units.Short,
            stacked=True,
            width=12,
        ),
    )


def _errors() -> Row:
    return row(
        "Errors that repeat",
        table(
            "Messages of errors",
            LogQuery(
                f"topk(20, sum by (service_name, message) (count_over_time({ERRORS}\n{MESSAGE} [$__auto])))",
                "Lines",
            ),
            by=["service_name", "message"],
            shows="The 20 most frequent messages of level ERROR or above that the search finds in the chosen time "
            "range. Ids and long numbers are left out, so that messages that differ in them count as one.",
            wrong="Put a part of the message into the field *Text* to read its lines.",
            unit=units.Short,
            decimals=0,
            empty="No line of an error was found; do all lines arrive?",
            width=12,
            height=10,
        ),
        timeseries(
            "Errors by action",
            LogQuery(
                f"topk(10, sum by (service_name, action) (count_over_time({ERRORS} [$__auto])))",
                "{{service_name}} {{action}}",
            ),
            shows="Lines of level ERROR or above that the search finds, by what the service was doing; the ten most "
            "frequent at each point.",
            wrong="Compare the start with the deployments and alerts that are marked.",
            unit=units.Short,
            empty="No line of an error was found; do all lines arrive?",
            stacked=True,
            drill=to_service("service_name"),
            width=12,
            height=10,
        ),
        logs(
            "Newest errors",
            ERRORS,
            shows="The newest lines of level ERROR or above that the search finds.",
            wrong="Open a line: the link *All lines of this request* shows what else its request did.",
            empty="No line of an error was found; do all lines arrive?",
        ),
    )


def _lines() -> Row:
    return row(
        "Lines",
        logs(
            "Lines found",
            FOUND,
            shows="The newest lines that the search finds.",
            wrong="None: widen the time range, or empty one field after the other. A field takes no backtick.",
            height=14,
        ),
        logs(
            ONE_REQUEST,
            series("", CHOSEN_REQUEST, NAMESPACE) + f" {REQUEST}",
            shows="All lines of the request, correlation or trace id above, of every service and level, oldest first. "
            "Without an id it shows nothing.",
            empty="no id is typed above, or no line of this time has it; the link *All lines of this request* of a "
            "line fills it in",
            wrong="Lines of one service are missing: the request did not reach it, or it does not pass the id on.",
            oldest_first=True,
            height=14,
        ),
    )


def _agents() -> Row:
    return row(
        "Are all lines there?",
        timeseries(
            "Lines read and sent by the agents",
            Query("sum(rate(instance:log_agent_lines_read:sum[$__rate_interval]))", "read"),
            Query(f"sum(rate({SENT}[$__rate_interval]))", "sent"),
            Query("sum(rate(instance:log_agent_lines_lost:sum[$__rate_interval]))", "lost"),
            shows="Log lines per second that the log agents read from files, sent to Loki and dropped.",
            wrong="Less sent than read: lines wait, and the searches above lag behind. Lost: see the alert's runbook.",
            unit=units.EventsPerSecond,
            colours={"lost": "red"},
            width=12,
        ),
        timeseries(
            "Lines waiting in the agents",
            Query(f"sum by (pod) ({QUEUE})", "{{pod}}"),
            shows="Log lines that an agent has read and Loki has not yet taken.",
            wrong="A steady climb means that Loki refuses or is slow: see Monitoring itself.",
            unit=units.Short,
            width=6,
        ),
        stat(
            "Delay of the newest lines",
            Query(
                f"""
                clamp_max(
                  max(
                    sum by (pod) ({QUEUE})
                      /
                    clamp_min(sum by (pod) (rate({SENT}[$__rate_interval])) or 0 * sum by (pod) ({QUEUE}), 0.001)
                  ),
                  86400
                )
                """,
                "delay",
            ),
            shows="How long the slowest agent needs to send its backlog at the current rate. Capped at a day, which "
            "an agent that sends nothing shows too.",
            wrong="The newest lines may be missing above. Loki is slow or down: see Monitoring itself.",
            unit=units.Seconds,
            limits=above(30, 120),
            width=6,
        ),
    )
