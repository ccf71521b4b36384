"""Are the rules evaluated, all of them and in time?"""

from __future__ import annotations

from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.monitoring.selectors import PROMETHEUS
from dashboards.panels import NEUTRAL, Query, above, bars, timeseries
from dashboards.promql import series


def row() -> Row:
    """Evaluations by group: their time, their failures and their samples."""
    return board.row(
        "Rules",
        _by_group(
            timeseries(
                "Rule evaluation time of the interval",
                Query(
                    f"""
                    topk(10, max by (rule_group) (
                      {series("prometheus_rule_group_last_duration_seconds", PROMETHEUS)}
                      / {series("prometheus_rule_group_interval_seconds", PROMETHEUS)}
                    ))
                    """,
                    "{{rule_group}}",
                ),
                shows="Share of its interval that a group of rules needs, for the ten groups that need most.",
                wrong="At 100 % evaluations are skipped and alerts come late: record what the group's rules share.",
                unit=units.PercentUnit,
                limits=above(0.5, 0.9),
            )
        ),
        timeseries(
            "Rule evaluations missed and failed",
            Query(
                "sum by (pod) "
                f"(increase({series('prometheus_rule_group_iterations_missed_total', PROMETHEUS)}[$__rate_interval]))",
                "{{pod}} groups missed",
            ),
            Query(
                "sum by (pod) "
                f"(increase({series('prometheus_rule_evaluation_failures_total', PROMETHEUS)}[$__rate_interval]))",
                "{{pod}} rules failed",
            ),
            shows="Skipped evaluations of groups, and failed evaluations of single rules.",
            wrong="Missed: too slow, see beside it. Failed: Prometheus' page of rules shows the error.",
            unit=units.Short,
            limits=above(1, 10),
        ),
        _by_group(
            bars(
                "Samples by rule group",
                Query(
                    "sort_desc(topk(10, max by (rule_group) "
                    f"({series('prometheus_rule_group_last_evaluation_samples', PROMETHEUS)})))",
                    "{{rule_group}}",
                ),
                shows="Samples that the last evaluation of a group gave: recorded series and active alerts.",
                wrong="A group that grows by itself records a label without bounds.",
                unit=units.Short,
                limits=NEUTRAL,
            )
        ),
    )


def _by_group(panel: model.Panel) -> model.Panel:
    """Name series by the rule group alone: its label starts with the path of a file."""
    rename = {"regex": ".*;(.*)", "renamePattern": "$1"}
    panel.transformations = [model.DataTransformerConfig("renameByRegex", options=rename)]
    return panel
