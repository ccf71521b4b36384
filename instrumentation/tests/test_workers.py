"""Workers that end: what they counted stays, exactly, and their files do not."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.parser import text_string_to_metric_families

from order_processor_observability.workers import held_still

HERE = Path(__file__).parent
Samples = dict[tuple[str, ...], float]


def worker(directory: Path, requests: int, end: str = "ends") -> Samples:
    """What a worker exposes that answers so many requests and ends."""
    path = os.pathsep.join((str(HERE.parent / "src"), str(HERE)))
    environment = {**os.environ, "PYTHONPATH": path, "PROMETHEUS_MULTIPROC_DIR": str(directory)}
    command = [sys.executable, str(HERE / "worker.py"), str(requests), end]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == (9 if end == "killed" else 0), done.stderr
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(done.stdout)
        for sample in family.samples
    }


def test_what_dead_workers_have_counted_stays(tmp_path: Path) -> None:
    worker(tmp_path, 3)
    worker(tmp_path, 7)
    worker(tmp_path, 1, end="killed")
    samples = worker(tmp_path, 2)
    assert samples["order_requests_total", "/orders", "200"] == 3 + 7 + 2
    assert samples["order_request_latency_seconds_count", "/orders"] == 3 + 7 + 2
    assert samples["order_request_latency_seconds_bucket", "+Inf", "/orders"] == 3 + 7 + 2
    assert samples["business_registrations_total",] == 3 + 7 + 2
    assert samples["order_requests_in_flight",] == 0, "nor does the killed one leave a request in flight"
    assert samples["order_build_info", "1"] == 1
    assert [samples["own_seconds_bucket", bound] for bound in ("1.0", "5.0", "+Inf")] == [1, 3, 4]
    assert [samples["own_size_count",], samples["own_size_sum",]] == [4, 3 + 7 + 1 + 2]
    gauges = {"min": 1, "max": 7, "sum": 3 + 7 + 1 + 2, "mostrecent": 2, "livesum": 2}
    assert {mode: samples[f"own_{mode}",] for mode in gauges} == gauges


def written(directory: Path, kind: str, pid: int | str, value: float) -> None:
    file = MmapedDict(str(directory / f"{kind}_{pid}.db"))  # type: ignore[no-untyped-call]
    file.write_value(mmap_key("a", "a_total", [], [], "A."), value, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]


def names(files: Iterable[Path]) -> set[str]:
    return {file.name for file in files}


@pytest.fixture
def dead() -> int:
    """The id of a process that was."""
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_files_of_the_living_and_those_of_each_process_stay(tmp_path: Path, dead: int) -> None:
    for kind in ("counter", "gauge_livesum", "gauge_all"):
        written(tmp_path, kind, os.getpid(), 1)
        written(tmp_path, kind, dead, 2)
    own = {f"{kind}_{os.getpid()}.db" for kind in ("counter", "gauge_livesum", "gauge_all")}
    for _ in range(2):
        with held_still(tmp_path):
            assert names(tmp_path.glob("*.db")) == {*own, "counter_folded.db", f"gauge_all_{dead}.db"}
    entries = list(MmapedDict.read_all_values_from_file(str(tmp_path / "counter_folded.db")))  # type: ignore[no-untyped-call]
    assert [value for _, value, _, _ in entries] == [2]


def test_the_file_of_a_worker_that_was_killed_as_it_began_it_stops_nothing(tmp_path: Path, dead: int) -> None:
    (tmp_path / f"counter_{dead}.db").touch()
    (tmp_path / f"histogram_{dead}.db").write_bytes(b"\xff\xff\xff\x00" + bytes(100))
    with held_still(tmp_path):
        assert names(tmp_path.glob("*.db")) == {"counter_folded.db", "histogram_folded.db"}
    assert worker(tmp_path, 1)["order_requests_total", "/orders", "200"] == 1
