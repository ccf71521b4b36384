"""Stand-in for the kubelet's own metrics and its cAdvisor metrics: names, types and labels; invented, healthy numbers.

As the real cAdvisor does, it reports a pod's CPU and memory three times: for the container, for the pod's own cgroup
(no container name) and within the node's root cgroup, so a sum that forgets `container!=""` counts twice here too.
No container is measured: it does not prove what a real workload uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rehearsal.exporters.exposition import Family, Kind, Sample
from rehearsal.exporters.inventory import CORES, NODE, NODE_MEMORY_BYTES, VOLUMES, Pod, Volume
from rehearsal.exporters.shapes import DAY, EPOCH, total, wave

_CPU_SHARE = 0.25
"""CPU that a container uses, as a share of its limit."""

_MEMORY_SHARE = 0.5
"""Working set of a container, as a share of its limit."""

_CONTAINER = ("container", "id", "image", "name", "namespace", "pod")
_ROOT = ("", "/", "", "", "", "")


def kubelet_families(now: float, pods: tuple[Pod, ...]) -> Iterator[Family]:
    """Return what a scrape of the kubelet's /metrics at Unix time `now` sees."""
    labels = ("namespace", "persistentvolumeclaim")
    for name, text, value in _VOLUME_STATS:
        samples = tuple(((volume.namespace, volume.claim), value(now, volume)) for volume in VOLUMES)
        yield Family(f"kubelet_volume_stats_{name}", "gauge", text, labels, samples)
    yield Family("kubelet_node_name", "gauge", "The node's name. The count is always 1.", ("node",), (((NODE,), 1),))
    text = "Number of pods that have a running pod sandbox"
    yield Family("kubelet_running_pods", "gauge", text, (), (((), len(pods)),))
    text = "Number of containers currently running"
    states = ((("running",), float(len(pods))), (("exited",), 0.0))
    yield Family("kubelet_running_containers", "gauge", text, ("container_state",), states)
    for name, text, rate in (
        ("operations", "Cumulative number of runtime operations by operation type.", 1.5),
        ("operations_errors", "Cumulative number of runtime operation errors by operation type.", 0.0),
    ):
        counted = tuple(((kind,), total(now, rate, kind)) for kind in ("container_status", "podsandbox_status"))
        yield Family(f"kubelet_runtime_{name}_total", "counter", text, ("operation_type",), counted)


def cadvisor_families(now: float, pods: tuple[Pod, ...]) -> Iterator[Family]:
    """Return what a scrape of the kubelet's /metrics/cadvisor at Unix time `now` sees."""
    yield _cpu(now, pods)
    yield from _throttling(now, pods)
    for name, text, share in _MEMORY:
        yield _memory(f"container_memory_{name}", text, share, now, pods)
    yield from _limits(pods)
    for name, kind, text, mean in _PER_CONTAINER:
        shape = total if kind == "counter" else wave
        counted = tuple((_container(pod), shape(now, mean, pod.name)) for pod in pods)
        yield Family(f"container_{name}", kind, text, _CONTAINER, counted)
    started = tuple((_container(pod), EPOCH) for pod in pods)
    text = "Start time of the container since unix epoch in seconds."
    yield Family("container_start_time_seconds", "gauge", text, _CONTAINER, started)
    yield from _files(now, pods)
    yield from _network(now, pods)
    yield from _machine()


def _used(now: float, volume: Volume) -> float:
    # A slow, small swing: extrapolating any hour of it never predicts a full disk.
    return wave(now, volume.size_bytes * volume.used_share, volume.claim, swing=0.01, period=DAY)


_INODES = 327_680

_VOLUME_STATS: tuple[tuple[str, str, Callable[[float, Volume], float]], ...] = (
    ("capacity_bytes", "Capacity in bytes of the volume", lambda _, volume: volume.size_bytes),
    ("used_bytes", "Number of used bytes in the volume", _used),
    (
        "available_bytes",
        "Number of available bytes in the volume",
        lambda now, volume: volume.size_bytes - _used(now, volume),
    ),
    ("inodes", "Maximum number of inodes in the volume", lambda *_: _INODES),
    ("inodes_used", "Number of used inodes in the volume", lambda *_: 0.02 * _INODES),
    ("inodes_free", "Number of free inodes in the volume", lambda *_: 0.98 * _INODES),
)

# name, help, share of the working set
_MEMORY = (
    ("working_set_bytes", "Current working set in bytes.", 1.0),
    ("usage_bytes", "Current memory usage in bytes, including all memory regardless of when it was accessed", 1.2),
    ("rss", "Size of RSS in bytes.", 0.8),
    ("cache", "Number of bytes of page cache memory.", 0.3),
)

# name, kind, help, mean (gauge) or rate a second (counter)
_PER_CONTAINER: tuple[tuple[str, Kind, str, float], ...] = (
    ("memory_failcnt", "counter", "Number of memory usage hits limits", 0),
    ("oom_events_total", "counter", "Count of out of memory events observed for the container", 0),
    ("processes", "gauge", "Number of processes running inside the container.", 3),
    ("threads", "gauge", "Number of threads running inside the container", 14),
    ("sockets", "gauge", "Number of open sockets for the container.", 12),
)

_FILE_COUNTERS = (
    ("reads_bytes_total", "Cumulative count of bytes read", 900),
    ("writes_bytes_total", "Cumulative count of bytes written", 6000),
    ("reads_total", "Cumulative count of reads completed", 0.1),
    ("writes_total", "Cumulative count of writes completed", 0.8),
)

_NETWORK = (
    ("receive_bytes", "bytes received", 14_000),
    ("receive_packets", "packets received", 40),
    ("receive_packets_dropped", "packets dropped while receiving", 0),
    ("receive_errors", "errors encountered while receiving", 0),
    ("transmit_bytes", "bytes transmitted", 21_000),
    ("transmit_packets", "packets transmitted", 42),
    ("transmit_packets_dropped", "packets dropped while transmitting", 0),
    ("transmit_errors", "errors encountered while transmitting", 0),
)


def _container(pod: Pod) -> tuple[str, ...]:
    container_id = pod.uid.replace("-", "")
    path = f"/kubepods/burstable/pod{pod.uid}/{container_id}"
    return pod.container, path, pod.container, container_id, pod.namespace, pod.name


def _cgroup(pod: Pod) -> tuple[str, ...]:
    return "", f"/kubepods/burstable/pod{pod.uid}", "", "", pod.namespace, pod.name


def _sandbox(pod: Pod) -> tuple[str, ...]:
    sandbox_id = pod.uid.replace("-", "")[::-1]
    return "", f"/kubepods/burstable/pod{pod.uid}/{sandbox_id}", "pause", sandbox_id, pod.namespace, pod.name


def _cpu(now: float, pods: tuple[Pod, ...]) -> Family:
    samples: list[Sample] = []
    for pod in pods:
        used = total(now, _CPU_SHARE * pod.cpu_limit, pod.name)
        samples += [((*_container(pod), "total"), used), ((*_cgroup(pod), "total"), used)]
    samples.append(((*_ROOT, "total"), sum(value for labels, value in samples if labels[0])))
    text = "Cumulative cpu time consumed in seconds."
    return Family("container_cpu_usage_seconds_total", "counter", text, (*_CONTAINER, "cpu"), tuple(samples))


def _throttling(now: float, pods: tuple[Pod, ...]) -> Iterator[Family]:
    # The kernel counts a period of 0.1 s whenever the container wants to run; 1 % of them are throttled.
    for name, text, rate in (
        ("periods", "Number of elapsed enforcement period intervals.", 6.0),
        ("throttled_periods", "Number of throttled period intervals.", 0.06),
        ("throttled_seconds", "Total time duration the container has been throttled.", 0.001),
    ):
        samples = tuple((labels(pod), total(now, rate, pod.name)) for pod in pods for labels in (_container, _cgroup))
        yield Family(f"container_cpu_cfs_{name}_total", "counter", text, _CONTAINER, samples)


def _memory(name: str, text: str, share: float, now: float, pods: tuple[Pod, ...]) -> Family:
    samples: list[Sample] = []
    for pod in pods:
        used = share * wave(now, _MEMORY_SHARE * pod.memory_limit, pod.name, swing=0.06)
        samples += [(_container(pod), used), (_cgroup(pod), used)]
    samples.append((_ROOT, sum(value for labels, value in samples if labels[0])))
    return Family(name, "gauge", text, _CONTAINER, tuple(samples))


def _limits(pods: tuple[Pod, ...]) -> Iterator[Family]:
    period = 100_000  # microseconds
    for name, text, value in (
        ("memory_limit_bytes", "Memory limit for the container.", lambda pod: pod.memory_limit),
        ("cpu_quota", "CPU quota of the container.", lambda pod: pod.cpu_limit * period),
        ("cpu_period", "CPU period of the container.", lambda _: period),
        ("cpu_shares", "CPU share of the container.", lambda pod: pod.cpu_request * 1024),
    ):
        samples = tuple((_container(pod), value(pod)) for pod in pods)
        yield Family(f"container_spec_{name}", "gauge", text, _CONTAINER, samples)


def _files(now: float, pods: tuple[Pod, ...]) -> Iterator[Family]:
    labels = (*_CONTAINER, "device")
    for name, text, rate in _FILE_COUNTERS:
        counted = tuple(((*_container(pod), "/dev/nvme0n1"), total(now, rate, pod.name)) for pod in pods)
        yield Family(f"container_fs_{name}", "counter", text, labels, counted)
    text = "Number of bytes that are consumed by the container on this filesystem."
    used = tuple(((*_container(pod), "/dev/nvme0n1"), 12_000_000.0) for pod in pods)
    yield Family("container_fs_usage_bytes", "gauge", text, labels, used)


def _network(now: float, pods: tuple[Pod, ...]) -> Iterator[Family]:
    # A pod's containers share one network: cAdvisor reports it on the pod's sandbox, without a container name.
    for name, text, rate in _NETWORK:
        samples = tuple(((*_sandbox(pod), "eth0"), total(now, rate, pod.name)) for pod in pods)
        labels = (*_CONTAINER, "interface")
        yield Family(f"container_network_{name}_total", "counter", f"Cumulative count of {text}", labels, samples)


def _machine() -> Iterator[Family]:
    labels = ("boot_id", "machine_id", "system_uuid")
    for name, text, value in (
        ("cpu_cores", "Number of logical CPU cores.", CORES),
        ("memory_bytes", "Amount of memory installed on the machine.", NODE_MEMORY_BYTES),
    ):
        yield Family(f"machine_{name}", "gauge", text, labels, ((("", "", ""), value),))
