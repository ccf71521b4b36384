"""The agent's start: what it counts of old lines, and what it does where its files are damaged.

The damage here is harmless: a text where a database should be, which the collector refuses with an error.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from checks.free_ports import claim
from checks.logs.pipeline import Container, Pipeline, json_line
from checks.waiting import eventually
from simulation.application.today.logs import python_line

TEXT = "no database\n" * 1000
HOUR = 3600 * 10**9
AGO = HOUR // 2


class Old(Container):
    """A container whose lines were written half an hour ago."""

    def _now(self) -> str:
        return stamp(time.time_ns() - AGO)


def stamp(nanoseconds: int) -> str:
    seconds, rest = divmod(nanoseconds, 10**9)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest:09d}Z"


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Pipeline]:
    """A pipeline that has not been started yet."""
    made = Pipeline(tmp_path / "state", claim())
    try:
        yield made
    finally:
        made.close()


def created(number: int) -> str:
    return python_line("database", "INFO", "db_operation", f"Order created: id=order_{number}, user=ada, asset=ADA")


def files_are(node: Pipeline) -> str:
    """What the agent's own metrics say of its files."""
    text = httpx.get(f"{node.ports.url('agent-metrics')}/metrics", timeout=5, trust_env=False).text
    (info,) = [line for line in text.splitlines() if line.startswith("target_info{")]
    return "lost" if 'files="lost"' in info else "kept"


def test_what_is_older_than_the_agent_is_found_and_not_counted(fresh: Pipeline) -> None:
    Old(fresh.state.pods, "order-service").write(*map(created, range(5)))
    fresh.start()
    log = fresh.container("order-service")
    log.write(created(6))
    assert len(fresh.arrived("order-service", 6)) == 6
    count = 'sum(log_events_total{event="order_created"})'
    eventually(lambda: fresh.value(count) == 1, what=f"{count} is 1")
    # What is written while the agent is away is counted when it is back.
    fresh.stop_agent()
    log.write(created(7), created(8))
    fresh.start_agent()
    eventually(lambda: fresh.value(count) in (2, 3), what=f"{count} has what was written meanwhile")


@pytest.mark.parametrize("name", ["receiver_filelog_", "exporter_otlp_http_loki_logs"])
def test_a_damaged_file_is_set_aside(fresh: Pipeline, name: str) -> None:
    log = fresh.container("order-service")
    log.write(json_line(level="INFO", message="before"))
    fresh.start()
    fresh.arrived("order-service", 1)
    state = fresh.state.data / "agent"
    assert files_are(fresh) == "kept"
    eventually(lambda: not (state / "starting").exists(), what="the start is over")
    fresh.stop_agent()
    (found,) = state.glob(f"{name}*")
    found.write_text(TEXT)
    fresh._launch_agent()  # it ends
    eventually(lambda: fresh._processes["log-agent"].poll() is not None, what="the collector ends")
    log.write(json_line(level="INFO", message="after"))
    fresh.start_agent()  # as the kubelet does
    assert any('"after"' in entry.text for entry in fresh.arrived("order-service", 2))
    assert files_are(fresh) == "lost"
    assert (state / "damaged" / found.name).read_text() == TEXT
    fresh.stop_agent()
    fresh.start_agent()
    assert files_are(fresh) == "kept"


def test_files_are_put_back_where_something_else_is_wrong(fresh: Pipeline) -> None:
    fresh.start()
    state = fresh.state.data / "agent"
    eventually(lambda: not (state / "starting").exists(), what="the start is over")
    fresh.stop_agent()
    before = {path.name for path in state.iterdir()}
    good = fresh._values["alternateConfig"]
    fresh._values["alternateConfig"] = good | {"exporters": {}}
    for _ in range(2):
        fresh._launch_agent()
        eventually(lambda: fresh._processes["log-agent"].poll() is not None, what="the collector ends")
    assert before <= {path.name for path in state.iterdir()}
    assert not (state / "damaged").exists()
    fresh._values["alternateConfig"] = good
    fresh.start_agent()
    assert files_are(fresh) == "kept"


def test_a_block_of_nulls_costs_no_line_its_pod(node: Pipeline) -> None:
    log = node.container("nulls")
    line = json_line(level="INFO", message="behind it")
    log.write("before")
    log._file.write(b"\0" * 4096)
    log.write(line)
    log._file.write(f"{stamp(time.time_ns())} F no output\n".encode())
    log._file.write(b"cut off\n")
    log.write("after")
    entries = node.arrived("nulls", 5)
    assert sorted(entry.text.split("Z ")[-1] for entry in entries) == [
        "F no output",
        "after",
        "before",
        "cut off",
        line,
    ]
    assert {entry.labels["k8s_pod_name"] for entry in entries} == {log.path.parts[-3].split("_")[1]}


def test_a_line_of_the_future_is_found(node: Pipeline) -> None:
    log, later = node.container("future"), stamp(time.time_ns() + HOUR)
    log._file.write(f"{later} stdout F in an hour\n".encode())
    (entry,) = node.arrived("future", 1)
    assert entry.labels["written_at"] == f"{later[:19]}Z"
    assert abs(entry.at - time.time_ns()) < HOUR / 2
