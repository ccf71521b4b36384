"""Do the persistent volumes have room left?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.panels import Query, above, bars, timeseries


def row() -> Row:
    """Bytes and files used of each persistent volume."""
    used = "persistentvolumeclaim:kubelet_volume_used:ratio"  # few, and most are the monitoring's: all are shown
    return board.row(
        "Volumes",
        bars(
            "Persistent volumes",
            Query(used, "{{persistentvolumeclaim}}"),
            shows="Share of each persistent volume that is used.",
            wrong="Prometheus keeps itself below 90 %. Others near full: shorten the retention or grow the claim "
            "before it stops writing.",
            unit=units.PercentUnit,
            limits=above(0.9, 0.95),
            maximum=1,
        ),
        timeseries(
            "Persistent volumes over time",
            Query(used, "{{persistentvolumeclaim}}"),
            shows="Share of each persistent volume that was used.",
            wrong="A line steeper than before: more series or more logs; the one that grew names the cause.",
            unit=units.PercentUnit,
            limits=above(0.9, 0.95),
            maximum=1,
        ),
        timeseries(
            "Files on persistent volumes",
            Query(
                """
                max by (namespace, persistentvolumeclaim) (
                  1 - kubelet_volume_stats_inodes_free / (kubelet_volume_stats_inodes > 0)
                )
                """,
                "{{persistentvolumeclaim}}",
            ),
            shows="Share of the files (inodes) that each persistent volume can hold. Without free ones it is full, "
            "whatever its bytes.",
            wrong="Very many small files: delete what is not needed; a volume's number of files cannot be raised.",
            unit=units.PercentUnit,
            limits=above(0.9, 0.97),
            maximum=1,
        ),
    )
