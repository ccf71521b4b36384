"""Stand-in for the kubelet's own metrics and its cAdvisor metrics: names, types and labels; invented, healthy numbers.

As the real cAdvisor does, it reports a pod's CPU and memory three times: for the container, for the pod's own cgroup
(no container name) and within the node's root cgroup, so a sum that forgets `container!=""` counts twice here too.
No container is measured: it does not prove what a real workload uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from simulation.exporters.exposition import Family, Sample, buckets, single
from simulation.exporters.inventory import VOLUMES, Pod, Volume
from simulation.exporters.shapes import DAY, total, wave

_CPU_SHARE = 0.25
"""CPU that a container uses, as a share of its limit."""

_MEMORY_SHARE = 0.5
"""Working set of a container, as a share of its limit."""

_CONTAINER = ("container", "id", "image", "name", "namespace", "pod")
_ROOT = ("", "/", "", "", "", "")


_OPERATIONS = {"container_status": 0.5, "list_containers": 2.0, "list_podsandbox": 2.0, "podsandbox_status": 0.2}
"""Calls a second to the container runtime, by what is asked of it; none fails."""

_RELISTS = 1.0
"""Lists of all pods a second, as the kubelet compares them with what should run."""
_RELIST_SHARES = {"0.005": 0.4, "0.01": 0.8, "0.025": 0.98, "0.05": 0.995, "0.1": 1, "1": 1, "10": 1, "+Inf": 1}
_STARTS = 0.002
"""Pods started a second."""
_START_SHARES = {"0.5": 0.05, "1": 0.3, "2": 0.7, "5": 0.9, "10": 0.98, "30": 1, "60": 1, "3600": 1, "+Inf": 1}
"""Upper bounds in seconds, and the share within each."""


def kubelet_families(now: float, pods: tuple[Pod, ...]) -> Iterator[Family]:
    """Return what a scrape of the kubelet's /metrics at Unix time `now` sees."""
    yield single("kubelet_running_pods", "gauge", "Number of pods that have a running pod sandbox", len(pods))
    running = ((("running",), len(pods)), (("exited",), 0), (("created",), 0), (("unknown",), 0))
    text = "Number of containers currently running"
    yield Family("kubelet_running_containers", "gauge", text, ("container_state",), running)
    for name, text, rate in (
        ("", "Cumulative number of runtime operations by operation type.", 1.0),
        ("_errors", "Cumulative number of runtime operation errors by operation type.", 0.0),
    ):
        calls = tuple(((kind,), total(now, rate * often, kind)) for kind, often in _OPERATIONS.items())
        yield Family(f"kubelet_runtime_operations{name}_total", "counter", text, ("operation_type",), calls)
    text = "Duration in seconds for relisting pods in PLEG."
    counted = (((), total(now, _RELISTS, "relist")),)
    yield buckets("kubelet_pleg_relist_duration_seconds", text, (), counted, _RELIST_SHARES)
    text = "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run"
    counted = (((), total(now, _STARTS, "start")),)
    yield buckets("kubelet_pod_start_duration_seconds", text, (), counted, _START_SHARES)
    labels = ("namespace", "persistentvolumeclaim")
    for name, text, value in _VOLUME_STATS:
        samples = tuple(((volume.namespace, volume.claim), value(now, volume)) for volume in VOLUMES)
        yield Family(f"kubelet_volume_stats_{name}", "gauge", text, labels, samples)


def cadvisor_families(now: float, pods: tuple[Pod, ...]) -> Iterator[Family]:
    """Return what a scrape of the kubelet's /metrics/cadvisor at Unix time `now` sees."""
    yield _cpu(now, pods)
    yield from _throttling(now, pods)
    yield _memory(now, pods)
    yield from _network(now, pods)


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
    ("inodes_free", "Number of free inodes in the volume", lambda *_: 0.98 * _INODES),
)

_NETWORK = (
    ("receive_bytes", "bytes received", 14_000),
    ("transmit_bytes", "bytes transmitted", 21_000),
    ("receive_packets_dropped", "packets dropped while receiving", 0),
    ("transmit_packets_dropped", "packets dropped while transmitting", 0),
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
    ):
        samples = tuple((labels(pod), total(now, rate, pod.name)) for pod in pods for labels in (_container, _cgroup))
        yield Family(f"container_cpu_cfs_{name}_total", "counter", text, _CONTAINER, samples)


def _memory(now: float, pods: tuple[Pod, ...]) -> Family:
    samples: list[Sample] = []
    for pod in pods:
        used = wave(now, _MEMORY_SHARE * pod.memory_limit, pod.name, swing=0.06)
        samples += [(_container(pod), used), (_cgroup(pod), used)]
    samples.append((_ROOT, sum(value for labels, value in samples if labels[0])))
    text = "Current working set in bytes."
    return Family("container_memory_working_set_bytes", "gauge", text, _CONTAINER, tuple(samples))


def _network(now: float, pods: tuple[Pod, ...]) -> Iterator[Family]:
    # A pod's containers share one network: cAdvisor reports it on the pod's sandbox, without a container name.
    for name, text, rate in _NETWORK:
        samples = tuple(((*_sandbox(pod), "eth0"), total(now, rate, pod.name)) for pod in pods)
        labels = (*_CONTAINER, "interface")
        yield Family(f"container_network_{name}_total", "counter", f"Cumulative count of {text}", labels, samples)
