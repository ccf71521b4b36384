"""Does the monitoring work? The rows below say why a number is wrong."""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.monitoring.selectors import ALERTMANAGER, CHANNEL, JOB, PROMETHEUS
from dashboards.panels import Limits, Query, above, stat
from dashboards.promql import series

HEARTBEAT = ALERTMANAGER + ', integration="webhook"'
HEARTBEAT_SECONDS: Limits = [(None, "blue"), (0, "green"), (120, "orange"), (180, "red")]
"""Blue where there is none."""


def row() -> Row:
    """What is down, failed or lost, and the last heartbeat."""
    return board.row(
        "Does it work?",
        stat(
            "Targets down",
            Query(f"count({series('up', JOB)} == 0) or vector(0)", "down"),
            shows="Targets whose last scrape failed.",
            wrong="See in the table of scrapes below which job they belong to, then its pod's log.",
            unit=units.Short,
            limits=above(1, 3),
            width=4,
            height=5,
        ),
        stat(
            "Jobs missing",
            Query(
                f"count({series('monitoring:expected_job:info', JOB)} unless on (job) {series('up', JOB)})"
                " or vector(0)",
                "missing",
            ),
            shows="Infrastructure jobs that should be scraped but have no target.",
            wrong="TargetMissing names the job: its ServiceMonitor is gone, or selects no Service.",
            unit=units.Short,
            limits=above(1, 1),
            width=4,
            height=5,
        ),
        stat(
            "Rules failed",
            Query(
                "max(sum by (pod) "
                f"(increase({series('prometheus_rule_evaluation_failures_total', PROMETHEUS)}[$__range])))",
                "failed",
            ),
            shows="Failed rule evaluations in the chosen time range, of the Prometheus with the most. Their alerts "
            "could not fire there.",
            wrong="Prometheus' page of rules has the error of each: often two series where one is expected.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 10),
            width=4,
            height=5,
        ),
        stat(
            "Alerts lost",
            Query(
                f"""
                sum(increase({series("alertmanager_notifications_failed_total", ALERTMANAGER, CHANNEL)}[$__range]))
                  +
                max(increase({series("prometheus_notifications_dropped_total", PROMETHEUS)}[$__range]))
                """,
                "lost",
            ),
            shows="Notifications that Alertmanager gave up, and alerts dropped by the Prometheus that dropped most, in "
            "the time range.",
            wrong="The notification graphs below show which channel failed. Until it works again, watch the alerts "
            "directly.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 10),
            width=4,
            height=5,
        ),
        stat(
            "Log lines lost",
            Query(
                """
                sum(increase(instance:log_agent_lines_lost:sum[$__range]))
                  +
                sum(increase(instance:loki_lines_refused:sum[$__range]))
                """,
                "lost",
            ),
            shows="Lines that the agents dropped and lines that Loki permanently refused. Lines in both are counted "
            "twice.",
            wrong="See the lines discarded by reason below: a limit of Loki's, or lines that are too old or too long.",
            unit=units.Short,
            decimals=0,
            limits=above(1, 1000),
            width=4,
            height=5,
        ),
        stat(
            "Last heartbeat",
            Query(
                # A window of 2 m holds two of them. Where none went out for an hour there is no series; where none was
                # tried for a day, there is nothing to call.
                f"""
                time() - max_over_time(
                  timestamp(
                    sum(increase({series("alertmanager_notifications_total", HEARTBEAT)}[2m]))
                    - sum(increase({series("alertmanager_notifications_failed_total", HEARTBEAT)}[2m]))
                    > 0
                  )[1h:30s]
                )
                or
                vector(3600) and (sum(increase({series("alertmanager_notifications_total", HEARTBEAT)}[1d])) > 0)
                or
                vector(-1)
                """,
                "ago",
            ),
            shows="""
                Time since Alertmanager last reached the dead man's switch, minus 2 minutes; capped at an hour.
                None: no webhook was called for a day, as in a stack without such a switch.
            """,
            wrong="The switch alarms when this shows 3 minutes (actual age: 5 minutes): see the failed notifications "
            "of the webhook below.",
            unit=units.Seconds,
            decimals=0,
            limits=HEARTBEAT_SECONDS,
            words={-1: "None"},
            width=4,
            height=5,
        ),
    )
