"""Do the agents send what they read, and how late?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, above, timeseries


def row() -> Row:
    """Lines read, sent and lost, the queue, and what the agents use."""
    return board.row(
        "Log agent",
        timeseries(
            "Log lines read and sent",
            Query("sum(rate(instance:log_agent_lines_read:sum[$__rate_interval]))", "read"),
            Query("sum(rate(otelcol_exporter_sent_log_records[$__rate_interval]))", "sent"),
            shows="Lines a second that all agents read from files, and that Loki took from them.",
            wrong="Read and not sent: see the queue beside it. Nothing read: the path or the permissions of the files.",
            unit=units.CountsPerSecond,
        ),
        timeseries(
            "Agent queue used",
            Query("topk(10, max by (pod) (instance:log_agent_queue:ratio))", "{{pod}}"),
            shows="Share of an agent's queue that is filled, for the ten fullest.",
            wrong="Above 80 % reading stops soon, and the kubelet removes unread files: Loki is slow or down.",
            unit=units.PercentUnit,
            limits=above(0.5, 0.8),
        ),
        timeseries(
            "Lines refused and lost",
            Query("sum(increase(instance:log_agent_lines_lost:sum[$__rate_interval]))", "lost by the agents"),
            Query("sum(increase(instance:loki_lines_refused:sum[$__rate_interval]))", "refused by Loki"),
            Query("sum(increase(otelcol_receiver_refused_log_records[$__rate_interval]))", "refused for now"),
            shows="Lines dropped by agents, lines permanently refused by Loki, and lines deferred by agents short of "
            "memory.",
            wrong="Lines lost or refused by Loki cannot be recovered: see the reasons in Loki's discarded lines.",
            unit=units.Short,
            limits=above(1, 1000),
        ),
        timeseries(
            "Log lag",
            Query(
                """
                sum(rate(loki_distributor_lag_ms_total{format="otlp"}[$__rate_interval])) / 1000
                  / (sum(rate(loki_request_duration_seconds_count{route="otlp_v1_logs"}[$__rate_interval])) > 0)
                """,
                "newest line of a batch",
            ),
            shows="Age that the newest line of a batch has when Loki receives it, on average.",
            wrong="Above a few seconds the agents work off a backlog; above minutes the newest lines are missing.",
            unit=units.Seconds,
            limits=above(10, 60),
        ),
        timeseries(
            "Agent memory",
            Query("topk(10, max by (pod) (otelcol_process_memory_rss))", "{{pod}}"),
            shows="Memory of the ten largest agents. From 60 % of its limit on an agent defers lines.",
            wrong="Steady growth: long lines that are joined, or a queue that is not emptied.",
            unit=units.BytesIEC,
        ),
        timeseries(
            "Agent CPU",
            Query("topk(10, max by (pod) (rate(otelcol_process_cpu_seconds[$__rate_interval])))", "{{pod}}"),
            shows="Cores that the ten busiest agents use.",
            wrong="Grows with the lines; more for the same lines is a pattern that is expensive to match.",
            unit=units.Short,
            decimals=2,
            soft_max=0.1,
        ),
    )
