"""Does Loki take, store and find all lines, and delete the old ones?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, above, stat, timeseries
from dashboards.promql import quantile, series
from facts import LOKI_MEGABYTES_A_SECOND, LOKI_STREAMS

LOKI_ROUTE = 'route=~"loki_api_v1_.+|otlp_v1_logs"'
"""Loki's routes for writing and reading logs, as the recorded series of its requests have them."""

LOKI_BYTES = LOKI_MEGABYTES_A_SECOND * 2**20


def row() -> Row:
    """Lines taken and refused, chunks, requests and the last retention sweep."""
    return board.row(
        "Loki",
        timeseries(
            "Log bytes ingested",
            Query("sum(rate(loki_distributor_bytes_received_total[$__rate_interval]))", "bytes"),
            shows="Uncompressed bytes of log lines a second that Loki is given. "
            f"Its limit is {LOKI_MEGABYTES_A_SECOND} MiB a second.",
            wrong="Near the limit the agents must wait: find the service that grew beside it.",
            unit=units.BytesPerSecondIEC,
            limits=above(0.75 * LOKI_BYTES, LOKI_BYTES),
        ),
        timeseries(
            "Log lines by service",
            Query("topk(12, sum by (service_name) (rate(log_records_total[$__rate_interval])))", "{{service_name}}"),
            Query("sum(rate(loki_distributor_lines_received_total[$__rate_interval]))", "all, as Loki counts"),
            shows="Lines a second of the twelve services with most, counted by the agents, and Loki's own count.",
            wrong="One service far above the rest: a level left at DEBUG, or an error in a loop. See it in the logs.",
            unit=units.CountsPerSecond,
        ),
        timeseries(
            "Streams and chunks in memory",
            Query("sum(loki_ingester_memory_streams)", "streams"),
            Query("sum(loki_ingester_memory_chunks)", "chunks"),
            shows=f"Streams that are being written, at most {LOKI_STREAMS:,}, and their chunks not stored yet.",
            wrong="Streams grow with label values: an id has become a label. Chunks only grow: they cannot be stored.",
            unit=units.Short,
            limits=above(0.8 * LOKI_STREAMS, LOKI_STREAMS),
        ),
        timeseries(
            "Chunk flushes",
            Query("sum(rate(loki_ingester_chunks_flush_requests_total[$__rate_interval]))", "flushes"),
            Query("sum(rate(loki_ingester_chunks_flush_failures_total[$__rate_interval]))", "failed"),
            Query("sum(rate(loki_ingester_chunks_created_total[$__rate_interval]))", "chunks begun"),
            shows="Chunks begun, and flushes of chunks to storage, those that failed apart.",
            wrong="Failures: the bucket's rights or the volume's room. What is not flushed is in the write-ahead log.",
            unit=units.OpsPerSecond,
            colours={"failed": "red"},
        ),
        timeseries(
            "Loki latency P99 by route",
            Query(
                quantile(0.99, series("loki_request_duration_seconds_bucket", LOKI_ROUTE), by="route"),
                "{{route}}",
            ),
            shows="Time within which Loki answers 99 % of the requests of each kind; otlp_v1_logs is writing.",
            wrong="Writing above a second delays the agents. Reading: a search over too long a time or all streams.",
            unit=units.Seconds,
            limits=above(1, 10),
        ),
        timeseries(
            "Loki requests failed",
            Query("sum by (route) (rate(instance:loki_requests_failed:sum[$__rate_interval]))", "{{route}}"),
            shows="Requests a second that Loki answered with a 5xx status, by kind.",
            wrong="Writing: lines wait in the agents. Reading: its log has the reason, often a limit or the bucket.",
            unit=units.RequestsPerSecond,
        ),
        timeseries(
            "Lines discarded by reason",
            Query(
                """
                sum by (reason) (increase(loki_discarded_samples_total[$__rate_interval]))
                or label_replace(vector(0), "reason", "none", "", "")
                """,
                "{{reason}}",
            ),
            shows="""
                Lines that Loki did not accept. Agents retry rate_limited lines; all others are lost.
            """,
            wrong="Too old, too long or too many streams: correct the service that writes them, or Loki's limit.",
            unit=units.Short,
            limits=above(1, 1000),
            width=16,
        ),
        stat(
            "Last retention sweep",
            Query(
                # In the first minutes after a start there has been none yet, and its time is 0.
                """
                time() - max(
                  loki_compactor_apply_retention_last_successful_run_timestamp_seconds > 0
                  or on (pod)
                  process_start_time_seconds
                  and on (pod)
                  loki_compactor_apply_retention_last_successful_run_timestamp_seconds
                )
                """,
                "ago",
            ),
            shows="Time since Loki last deleted the logs beyond their retention, or since it started.",
            wrong="It does so every 10 minutes. Beyond an hour LokiRetentionNotApplied warns: the volume will fill.",
            unit=units.Seconds,
            limits=above(1800, 3600),
        ),
    )
