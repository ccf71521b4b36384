"""Do the nodes have CPU, memory and disk left, and which pods use them?"""

from __future__ import annotations

from grafana_foundation_sdk.models import units

from dashboards import board
from dashboards.board import Row
from dashboards.infrastructure.selectors import NODE, POD
from dashboards.panels import Query, above, timeseries
from dashboards.promql import series

CONTAINER = 'container!=""'
"""Without the sum of each pod, which names no container."""

DISK = f'{NODE}, fstype=~"btrfs|ext4|xfs|zfs"'
"""Filesystems that can fill up; the alert on disks looks at the same."""


def _memory(part: str) -> str:
    return series(f"node_memory_{part}_bytes", NODE)


CACHED = f"({_memory('Cached')} + {_memory('Buffers')} + {_memory('SReclaimable')})"
"""What the kernel gives up when programs need it."""


def row() -> Row:
    """CPU, memory and disk of nodes and of their busiest pods."""
    return board.row(
        "Nodes",
        timeseries(
            "Node CPU",
            Query(
                "1 - avg by (instance) "
                f"(rate({series('node_cpu_seconds_total', NODE, mode='idle')}[$__rate_interval]))",
                "{{instance}}",
            ),
            shows="Share of each node's CPU time that is used.",
            wrong="Find the busy pods beside it; a node alone at 100 % holds too many of them.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.95),
            maximum=1,
        ),
        timeseries(
            "Pod CPU",
            Query(
                "topk(10, sum by (namespace, pod) "
                f"(rate({series('container_cpu_usage_seconds_total', POD, CONTAINER)}[$__rate_interval])))",
                "{{pod}}",
            ),
            shows="CPU cores that the ten busiest pods use.",
            wrong="One pod far above the others: what does it do? System Health shows how far its limit is.",
            unit=units.Short,
            soft_max=0.1,
        ),
        timeseries(
            "Node memory",
            Query(
                f"1 - {series('node_memory_MemAvailable_bytes', NODE)} / {series('node_memory_MemTotal_bytes', NODE)}",
                "{{instance}}",
            ),
            shows="Share of each node's memory that is in use and cannot be freed.",
            wrong="Above 90 % pods are evicted, then killed: see which pods grow, beside it.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.9),
            maximum=1,
        ),
        timeseries(
            "Pod memory",
            Query(
                f"topk(10, sum by (namespace, pod) ({series('container_memory_working_set_bytes', POD, CONTAINER)}))",
                "{{pod}}",
            ),
            shows="Memory in use by the ten largest pods.",
            wrong="A steady climb is a leak; System Health shows how far the limit is.",
            unit=units.BytesIEC,
        ),
        timeseries(
            "Node disk",
            Query(
                f"""
                max by (instance, device) (
                  1 - {series("node_filesystem_avail_bytes", DISK)} / {series("node_filesystem_size_bytes", DISK)}
                )
                """,
                "{{instance}} {{device}}",
            ),
            shows="Share of each node's filesystems that is used.",
            wrong="Above 85 % images are removed, above 90 % pods are evicted: find large logs or grow the disk.",
            unit=units.PercentUnit,
            limits=above(0.85, 0.9),
            maximum=1,
        ),
        timeseries(
            "Disk throughput",
            Query(
                f"sum by (instance) (rate({series('node_disk_read_bytes_total', NODE)}[$__rate_interval]))",
                "{{instance}} read",
            ),
            Query(
                f"sum by (instance) (rate({series('node_disk_written_bytes_total', NODE)}[$__rate_interval]))",
                "{{instance}} written",
            ),
            shows="Bytes per second that each node reads from and writes to its disks.",
            wrong="At the volume type's limit everything on the node waits: see which pod writes, or raise the limit.",
            unit=units.BytesPerSecondIEC,
        ),
        timeseries(
            "Load per core",
            *(
                Query(
                    f"""
                    max by (instance) ({series(f"node_load{minutes}", NODE)})
                      /
                    count by (instance) ({series("node_cpu_seconds_total", NODE, mode="idle")})
                    """,
                    "{{instance}} " + f"{minutes} min",
                )
                for minutes in (1, 15)
            ),
            shows="Processes that run, or wait for a CPU or a disk, for each core, averaged over 1 and 15 minutes.",
            wrong="Above 1 something waits: for a CPU if the node's CPU is full, otherwise for a disk.",
            unit=units.Short,
            limits=above(1, 2),
        ),
        timeseries(
            "Disk busy time",
            Query(
                "max by (instance, device) "
                f"(rate({series('node_disk_io_time_seconds_total', NODE)}[$__rate_interval]))",
                "{{instance}} {{device}}",
            ),
            shows="Share of the time in which each disk had requests under way.",
            wrong="Near 100 % a single disk is saturated, and what writes to it waits: find the pod, or take a faster "
            "volume. An SSD that serves many requests at a time can do more.",
            unit=units.PercentUnit,
            limits=above(0.8, 0.95),
        ),
        timeseries(
            "Memory by use",
            Query(f"sum({_memory('MemTotal')} - {_memory('MemFree')} - {CACHED})", "programs"),
            Query(f"sum({CACHED})", "files in memory"),
            Query(f"sum({_memory('MemFree')})", "free"),
            shows="Memory of the chosen nodes: of programs, of files that the kernel keeps and gives up when it must, "
            "and free.",
            wrong="Little that is free is normal. Few files in memory are not: the disks are read again for each of "
            "them. Take a larger node or move pods.",
            unit=units.BytesIEC,
            stacked=True,
        ),
        timeseries(
            "Open files of nodes",
            Query(
                f"{series('node_filefd_allocated', NODE)} / {series('node_filefd_maximum', NODE)}",
                "{{instance}}",
            ),
            shows="Open files and sockets of each node, as a share of what its kernel allows.",
            wrong="A climb is a pod that closes nothing: System Health shows open file descriptors by service.",
            unit=units.PercentUnit,
            limits=above(0.7, 0.9),
            width=12,
        ),
        timeseries(
            "Clock offset",
            Query(f"abs({series('node_timex_offset_seconds', NODE)})", "{{instance}}"),
            shows="Time by which each node's clock differs from its time server's, as its kernel estimates.",
            wrong="Above 50 ms samples, logs and tokens have wrong times: check chrony and egress to the time server.",
            unit=units.Seconds,
            limits=above(0.05, 0.5),
            width=12,
        ),
    )
