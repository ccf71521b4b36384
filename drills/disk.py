"""A disk that fills up: one of the node beside this machine's own, as filling those would harm whoever works here."""

from __future__ import annotations

from drills.model import Disk
from simulation.exporters.exposition import Family, Sample, render
from simulation.exporters.inventory import NODE_DISK_BYTES

LABELS = ("device", "device_error", "fstype", "mountpoint")


def name(disk: Disk) -> str:
    """Its name, after its mount point; no disk of this machine has such a one."""
    return "drill" + disk.mountpoint.replace("/", "-")


def textfile(disk: Disk) -> str:
    """Its file for node_exporter's textfile collector, as the filesystem collector of node_exporter 1.12.1 shows disks.

    With other help texts or types node_exporter would leave out this machine's own disks, and count no error of it.
    """
    values = (f"/dev/mapper/{name(disk)}", "", "ext4", disk.mountpoint)

    def family(series: str, text: str, value: float) -> Family:
        samples: tuple[Sample, ...] = ((values, value),)
        return Family(f"node_filesystem_{series}", "gauge", text, LABELS, samples)

    available = round(NODE_DISK_BYTES * (1 - disk.used))
    return render(
        [
            family("avail_bytes", "Filesystem space available to non-root users in bytes.", available),
            family("readonly", "Filesystem read-only status.", disk.read_only),
            family("size_bytes", "Filesystem size in bytes.", NODE_DISK_BYTES),
        ]
    )
