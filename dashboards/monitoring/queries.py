"""How quickly does Prometheus answer, and what do the answers cost?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.monitoring.selectors import PROMETHEUS
from dashboards.panels import Query, above, timeseries
from dashboards.promql import quantile, series

API = PROMETHEUS + ', handler=~"/api/v1/.+"'
P99_OF_PHASES = 'quantile="0.99", slice=~"inner_eval|prepare_time|queue_time"'


def row() -> Row:
    """Times of queries and of the API, queries at a time, samples read."""
    return board.row(
        "Queries",
        timeseries(
            "Query duration P99 by phase",
            Query(
                "max by (slice) "
                f"({series('prometheus_engine_query_duration_seconds', PROMETHEUS, P99_OF_PHASES)}) >= 0",
                "{{slice}}",
            ),
            shows="99th percentile of the time that queries, including those of rules, wait, select series and "
            "calculate.",
            wrong="Waiting: too many at a time. Calculating: a query over many series; the query log names it.",
            unit=units.Seconds,
            limits=above(1, 5),
            width=6,
        ),
        timeseries(
            "API latency P99 by endpoint",
            Query(
                "topk(8, "
                + quantile(0.99, series("prometheus_http_request_duration_seconds_bucket", API), by="handler")
                + ")",
                "{{handler}}",
            ),
            shows="Time within which Prometheus answers 99 % of the requests to its API, for the eight slowest.",
            wrong="query and query_range: a dashboard that costs too much. otlp: the log agents' counters come late.",
            unit=units.Seconds,
            limits=above(2, 10),
            width=6,
        ),
        timeseries(
            "Queries at a time",
            Query(
                f"""
                max by (pod) ({series("prometheus_engine_queries", PROMETHEUS)})
                  / max by (pod) ({series("prometheus_engine_queries_concurrent_max", PROMETHEUS)})
                """,
                "{{pod}}",
            ),
            shows="Queries that run or wait, as a share of those that Prometheus runs at a time.",
            wrong="Above 100 % queries wait, those of rules too: close dashboards that refresh, or add a replica.",
            unit=units.PercentUnit,
            limits=above(0.8, 1),
            width=6,
        ),
        timeseries(
            "Samples read by queries",
            Query(
                f"sum by (pod) (rate({series('prometheus_engine_query_samples_total', PROMETHEUS)}[$__rate_interval]))",
                "{{pod}}",
            ),
            shows="Samples that queries and rules load each second: what they cost.",
            wrong="A step up is a new rule or a dashboard left open; compare with the samples ingested.",
            unit=units.CountsPerSecond,
            width=6,
        ),
    )
