"""What only a process of its own shows: the end by a signal, several workers, and uvicorn's own output."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
from processes import DEADLINE, serving, until
from prometheus_client.parser import text_string_to_metric_families

UVICORN = ("-m", "uvicorn", "served:app", "--port", "PORT")


@pytest.mark.parametrize("command", [UVICORN, ("served.py", "PORT")], ids=["uvicorn served:app", "uvicorn.run(app)"])
def test_nothing_is_lost_on_sigterm_and_all_output_is_json(command: tuple[str, ...], tmp_path: Path) -> None:
    with serving(tmp_path, *command) as service, ThreadPoolExecutor(5) as pool:
        assert httpx.get(f"{service.url}/broken").status_code == 500
        slow, enough = f"{service.url}/slow", tmp_path / "enough"
        ask = partial(httpx.get, slow, params={"until": str(enough)}, timeout=DEADLINE)
        requests = [pool.submit(ask, headers={"X-Request-ID": f"r{number}"}) for number in range(5)]
        until(lambda: service.messages().count("begun") == 5, "five requests in flight")
        service.process.send_signal(signal.SIGTERM)
        until(lambda: "Shutting down" in service.messages(), "the end begins")
        enough.touch()
        service.process.wait(DEADLINE)
        assert [request.result().status_code for request in requests] == [200] * 5
    for message in ("begun", "done", "GET /slow 200"):
        of_requests = {line["request_id"] for line in service.lines() if line["message"] == message}
        assert of_requests == {f"r{number}" for number in range(5)}, message
    failures = [line for line in service.lines() if "exception" in line]
    assert [line["message"] for line in failures] == ["GET /broken 500"]
    assert service.messages()[-1].startswith("Finished server process"), "uvicorn's last line"
    assert service.stderr.read_text() == ""


def test_several_workers_are_counted_together(tmp_path: Path) -> None:
    shared = tmp_path / "metrics"
    shared.mkdir()
    with serving(tmp_path, *UVICORN, "--workers", "2", PROMETHEUS_MULTIPROC_DIR=str(shared)) as service:
        until(lambda: len(list(shared.glob("counter_*.db"))) >= 2, "two workers")
        for number in range(40):
            assert httpx.get(f"{service.url}/orders/{number}").status_code == 200
        text = httpx.get(f"{service.url}/metrics").text
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["order_requests_total", "/orders/{order_id}", "200"] == 40
    assert samples["order_requests_total", "/orders/{order_id}", "500"] == 0
    assert samples["order_request_latency_seconds_count", "/orders/{order_id}"] == 40
    assert samples["order_requests_in_flight",] == 0
    assert samples["order_build_info", "1.2.3"] == 1
    assert samples["order_dependency_up", "dynamodb"] == 1
    assert samples["business_orders_total", "BTC", "buy", "created"] == 0
    assert "process_cpu_seconds_total" not in text
    workers = [line for line in service.lines() if line["message"] == "GET /orders/{order_id} 200"]
    assert len(workers) == 40


def test_a_service_that_cannot_start_says_so_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(AssertionError), serving(tmp_path, "served.py", "no port"):
        pass
    (line,) = (tmp_path / "stdout").read_text().splitlines()
    assert json.loads(line)["exception"].endswith("'no port'")
    assert (tmp_path / "stderr").read_text() == ""
