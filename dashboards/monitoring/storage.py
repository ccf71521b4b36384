"""How far back does the history go, and when is a volume full?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.monitoring.selectors import OURS, PROMETHEUS, SAMPLES
from dashboards.panels import NEUTRAL, Query, above, bars, below, stat, timeseries
from dashboards.promql import series

SAMPLE_BYTES = 2
"""Bytes that a stored sample takes with its share of the index: the upper end of 1 to 2 in Prometheus' own guide."""

# What counts against the size limit: the blocks, the write-ahead logs and the head's chunks.
STORED = f"""
(
  {series("prometheus_tsdb_storage_blocks_bytes", PROMETHEUS)}
    + {series("prometheus_tsdb_wal_storage_size_bytes", PROMETHEUS)}
    + {series("prometheus_tsdb_out_of_order_wbl_storage_size_bytes", PROMETHEUS)}
    + {series("prometheus_tsdb_head_chunks_storage_size_bytes", PROMETHEUS)}
)
"""

SIZE_LIMIT = f"max by (pod) ({series('prometheus_tsdb_retention_limit_bytes', PROMETHEUS)} > 0)"
TIME_LIMIT = f"max by (pod) ({series('prometheus_tsdb_retention_limit_seconds', PROMETHEUS)})"


def row() -> Row:
    """Days and bytes kept against those wanted, failures of storage, and the volumes."""
    return board.row(
        "Storage, retention and forecast",
        stat(
            "History kept",
            Query(
                f"(time() - min by (pod) ({series('prometheus_tsdb_lowest_timestamp_seconds', PROMETHEUS)})) / 86400",
                "{{pod}}",
            ),
            Query(f"max({TIME_LIMIT}) / 86400", "wanted"),
            Query(f"min({SIZE_LIMIT} / ({SAMPLES} * {SAMPLE_BYTES} > 0)) / 86400", "fit"),
            shows=f"""
                Days back to the oldest sample, days that are to be kept, and days that fit into the size limit at
                today's rate, at {SAMPLE_BYTES} bytes a sample. Without a size limit the last has no value.
            """,
            wrong="If fewer fit than are wanted, the oldest are deleted early: enlarge the volume, or drop series.",
            unit=units.Days,
            decimals=1,
            limits=NEUTRAL,
        ),
        timeseries(
            "Size against the limit",
            Query(f"max by (pod) ({STORED}) / {SIZE_LIMIT}", "{{pod}} now"),
            Query(f"{SAMPLES} * {SAMPLE_BYTES} * {TIME_LIMIT} / {SIZE_LIMIT}", "{{pod}} when all days are kept"),
            shows=f"""
                Stored bytes as a share of the size limit, now and as they will be after all days of the retention at
                this rate, at {SAMPLE_BYTES} bytes a sample.
            """,
            wrong="A forecast above 100 % means that the oldest days are deleted early: enlarge the volume or drop "
            "series.",
            unit=units.PercentUnit,
            limits=above(0.85, 1),
        ),
        timeseries(
            "Storage by part",
            *(
                Query(f"max by (pod) ({series(name, PROMETHEUS)})", "{{pod}} " + legend)
                for name, legend in (
                    ("prometheus_tsdb_storage_blocks_bytes", "blocks"),
                    ("prometheus_tsdb_wal_storage_size_bytes", "write-ahead log"),
                    ("prometheus_tsdb_head_chunks_storage_size_bytes", "head chunks"),
                )
            ),
            shows="Bytes on disk: finished blocks, the log of what is not in blocks yet, and the head's chunks.",
            wrong="A write-ahead log that only grows: blocks cannot be written; see the failures of storage.",
            unit=units.BytesIEC,
            stacked=True,
        ),
        timeseries(
            "Compactions and storage failures",
            Query(
                f"sum by (pod) (increase({series('prometheus_tsdb_compactions_total', PROMETHEUS)}[$__rate_interval]))",
                "{{pod}} compactions",
            ),
            Query(
                "sum by (pod) (increase(instance:prometheus_tsdb_failures:sum[$__rate_interval]))", "{{pod}} failures"
            ),
            shows="Blocks that were written or merged, and all storage failures.",
            wrong="Any failure: the volume is full, read-only or damaged; Prometheus' log names the file.",
            unit=units.Short,
            limits=above(100, 1000),
        ),
        bars(
            "Volumes used",
            Query(
                f"max by (persistentvolumeclaim) ({series('persistentvolumeclaim:kubelet_volume_used:ratio', OURS)})",
                "{{persistentvolumeclaim}}",
            ),
            shows="Share of each of the monitoring's own volumes that is used.",
            wrong="Prometheus stays below 90 % by itself. Above 95 % VolumeFilling warns: shorten Loki's retention.",
            unit=units.PercentUnit,
            limits=above(0.9, 0.95),
            maximum=1,
        ),
        bars(
            "Days until a volume is full",
            Query(
                # A volume that does not grow, or less than a byte a second, lasts for ever.
                f"""
                clamp_max(
                  min by (persistentvolumeclaim) (
                    {series("kubelet_volume_stats_available_bytes", OURS)}
                    / clamp_min(deriv({series("kubelet_volume_stats_used_bytes", OURS)}[6h]), 1)
                  ) / 86400,
                  365
                )
                """,
                "{{persistentvolumeclaim}}",
            ),
            shows="Days until each volume is full if it keeps growing as in the last 6 hours; capped at a year.",
            wrong="A few days: something writes more than before. Retention evens it out only where it is set by size.",
            unit=units.Days,
            decimals=0,
            limits=below(14, 4),
        ),
    )
