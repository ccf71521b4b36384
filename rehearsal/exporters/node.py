"""Stand-in for node-exporter on one machine: its names, types and labels; invented, healthy numbers.

It reads nothing of the machine it runs on, so that a busy laptop raises no alert. It proves that rules and panels
find the series of a real node-exporter, not that a real node would look like this.
"""

from __future__ import annotations

from collections.abc import Iterator

from rehearsal.exporters.exposition import Family, single
from rehearsal.exporters.inventory import CORES, GIB, NODE, NODE_DISK_BYTES, NODE_MEMORY_BYTES
from rehearsal.exporters.shapes import DAY, EPOCH, total, wave

# Share of one core's time by mode; the rest is idle.
_BUSY = {
    "user": 0.09,
    "system": 0.04,
    "iowait": 0.008,
    "softirq": 0.004,
    "steal": 0.002,
    "nice": 0.001,
    "irq": 0.0,
}

# Share of all memory; swap is off, as Kubernetes nodes have it.
_MEMORY = {
    "MemTotal": 1.0,
    "MemAvailable": 0.62,
    "MemFree": 0.25,
    "Cached": 0.31,
    "Buffers": 0.02,
    "SReclaimable": 0.03,
    "Slab": 0.05,
    "Shmem": 0.01,
    "SwapTotal": 0.0,
    "SwapFree": 0.0,
}

# device, file system, mount point, size, used share, inodes
_FILESYSTEMS = (
    ("/dev/nvme0n1p1", "xfs", "/", NODE_DISK_BYTES, 0.38, 41_942_464),
    ("tmpfs", "tmpfs", "/run", 2 * GIB, 0.01, 2_037_000),
)

# family, help, mean value
_GAUGES = (
    ("node_load1", "1m load average.", 0.7),
    ("node_load5", "5m load average.", 0.65),
    ("node_load15", "15m load average.", 0.6),
    ("node_procs_running", "Number of processes in runnable state.", 2),
    ("node_procs_blocked", "Number of processes blocked waiting for I/O to complete.", 0),
    ("node_filefd_allocated", "File descriptor statistics: allocated.", 4200),
    ("node_filefd_maximum", "File descriptor statistics: maximum.", 1_600_000),
    ("node_nf_conntrack_entries", "Number of currently allocated flow entries for connection tracking.", 900),
    ("node_nf_conntrack_entries_limit", "Maximum size of connection tracking table.", 262_144),
    ("node_sockstat_TCP_inuse", "Number of TCP sockets in state inuse.", 80),
    ("node_timex_sync_status", "Is clock synchronized to a reliable server (1 = yes, 0 = no).", 1),
    ("node_timex_offset_seconds", "Time offset in between local system and reference clock.", 0.0002),
    ("node_timex_maxerror_seconds", "Maximum error in seconds.", 0.05),
    ("node_timex_estimated_error_seconds", "Estimated error in seconds.", 0),
)
_STEADY = {"node_filefd_maximum", "node_nf_conntrack_entries_limit", "node_timex_sync_status"}

# family, help, rate a second
_COUNTERS = (
    ("node_context_switches_total", "Total number of context switches.", 5200),
    ("node_intr_total", "Total number of interrupts serviced.", 2600),
    ("node_forks_total", "Total number of forks.", 9),
    ("node_pressure_cpu_waiting_seconds_total", "Time in seconds that processes have waited for CPU time", 0.01),
    ("node_pressure_memory_waiting_seconds_total", "Time in seconds that processes have waited for memory", 0.0),
    ("node_pressure_io_waiting_seconds_total", "Time in seconds that processes have waited due to IO", 0.005),
)

# family, help, rate a second; node-exporter gives these no type
_UNTYPED = (
    ("node_netstat_Tcp_InSegs", "Statistic TcpInSegs.", 300),
    ("node_netstat_Tcp_OutSegs", "Statistic TcpOutSegs.", 290),
    ("node_netstat_Tcp_RetransSegs", "Statistic TcpRetransSegs.", 0.05),
    ("node_vmstat_oom_kill", "/proc/vmstat information field oom_kill.", 0),
    ("node_vmstat_pgmajfault", "/proc/vmstat information field pgmajfault.", 0.2),
)

_NETWORK = (
    ("receive_bytes", 220_000),
    ("receive_packets", 310),
    ("receive_errs", 0),
    ("receive_drop", 0),
    ("transmit_bytes", 180_000),
    ("transmit_packets", 290),
    ("transmit_errs", 0),
    ("transmit_drop", 0),
)

_DISK = (
    ("reads_completed", "The total number of reads completed successfully.", 4),
    ("read_bytes", "The total number of bytes read successfully.", 90_000),
    ("read_time_seconds", "The total number of seconds spent by all reads.", 0.004),
    ("writes_completed", "The total number of writes completed successfully.", 22),
    ("written_bytes", "The total number of bytes written successfully.", 410_000),
    ("write_time_seconds", "This is the total number of seconds spent by all writes.", 0.03),
    ("io_time_seconds", "Total seconds spent doing I/Os.", 0.05),
    ("io_time_weighted_seconds", "The weighted # of seconds spent doing I/Os.", 0.07),
)


def families(now: float) -> Iterator[Family]:
    """Return what a scrape at Unix time `now` sees."""
    yield _cpu(now)
    for field, share in _MEMORY.items():
        swing = 0.0 if field.endswith("Total") else 0.04
        value = wave(now, share * NODE_MEMORY_BYTES, field, swing=swing)
        yield single(f"node_memory_{field}_bytes", "gauge", f"Memory information field {field}_bytes.", value)
    yield from _filesystems(now)
    for name, text, mean in _GAUGES:
        yield single(name, "gauge", text, mean if name in _STEADY else wave(now, mean, name))
    for name, text, rate in _COUNTERS:
        yield single(name, "counter", text, total(now, rate, name))
    for name, text, rate in _UNTYPED:
        yield single(name, "untyped", text, total(now, rate, name))
    yield from _devices(now)
    yield from _identity(now)


def _cpu(now: float) -> Family:
    samples = []
    for core in map(str, range(CORES)):
        busy = {mode: total(now, share, core + mode) for mode, share in _BUSY.items()}
        idle = max(0.0, now - EPOCH - sum(busy.values()))
        samples += [((core, mode), seconds) for mode, seconds in sorted({**busy, "idle": idle}.items())]
    text = "Seconds the CPUs spent in each mode."
    return Family("node_cpu_seconds_total", "counter", text, ("cpu", "mode"), tuple(samples))


def _filesystems(now: float) -> Iterator[Family]:
    labels = ("device", "device_error", "fstype", "mountpoint")
    columns: dict[str, list[tuple[tuple[str, ...], float]]] = {}
    for device, fstype, mountpoint, size, used_share, inodes in _FILESYSTEMS:
        used = wave(now, size * used_share, mountpoint, swing=0.01, period=DAY)
        for column, value in {
            "size_bytes": size,
            "free_bytes": size - used,
            "avail_bytes": size - used,
            "files": inodes,
            "files_free": inodes * 0.95,
            "readonly": 0,
            "device_error": 0,
        }.items():
            columns.setdefault(column, []).append(((device, "", fstype, mountpoint), value))
    for column, samples in columns.items():
        text = f"Filesystem {column.replace('_', ' ')}."
        yield Family(f"node_filesystem_{column}", "gauge", text, labels, tuple(samples))


def _devices(now: float) -> Iterator[Family]:
    for name, rate in _NETWORK:
        text = f"Network device statistic {name}."
        samples = tuple(((device,), total(now, rate, device)) for device in ("eth0", "lo"))
        yield Family(f"node_network_{name}_total", "counter", text, ("device",), samples)
    yield Family(
        "node_network_up",
        "gauge",
        "Value is 1 if operstate is 'up', 0 otherwise.",
        ("device",),
        ((("eth0",), 1), (("lo",), 0)),
    )
    for name, text, mean in _DISK:
        samples = ((("nvme0n1",), total(now, mean, name)),)
        yield Family(f"node_disk_{name}_total", "counter", text, ("device",), samples)
    text = "The number of I/Os currently in progress."
    yield Family("node_disk_io_now", "gauge", text, ("device",), ((("nvme0n1",), 0),))


def _identity(now: float) -> Iterator[Family]:
    yield single("node_boot_time_seconds", "gauge", "Node boot time, in unixtime.", EPOCH)
    yield single("node_time_seconds", "gauge", "System time in seconds since epoch (1970).", now)
    yield Family(
        "node_uname_info",
        "gauge",
        "Labeled system information as provided by the uname system call.",
        ("domainname", "machine", "nodename", "release", "sysname", "version"),
        ((("(none)", "x86_64", NODE, "6.12.0-rehearsal", "Linux", "#1 SMP"), 1),),
    )
    yield Family(
        "node_exporter_build_info",
        "gauge",
        "A metric with a constant '1' value labeled by version, revision, branch, goversion from which "
        "node_exporter was built, and the goos and goarch for the build.",
        ("branch", "goarch", "goos", "goversion", "revision", "tags", "version"),
        ((("", "amd64", "linux", "", "", "", "rehearsal"), 1),),
    )
    collectors = ("cpu", "diskstats", "filesystem", "loadavg", "meminfo", "netdev", "timex", "uname")
    yield Family(
        "node_scrape_collector_success",
        "gauge",
        "node_exporter: Whether a collector succeeded.",
        ("collector",),
        tuple(((name,), 1) for name in collectors),
    )
