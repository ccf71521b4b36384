"""The command that tests a running service: what it says of one that keeps the contract, and of one that does not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from processes import Served, serving

from order_processor_observability.__main__ import main


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory = tmp_path_factory.mktemp("good")
    with serving(directory, "-m", "uvicorn", "served:app", "--port", "PORT") as service:
        yield service


def test_a_service_with_the_package_keeps_the_contract(good: Served, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["check", good.url, "--logs", str(good.stdout)])
    output = capsys.readouterr().out
    assert code == 0, output
    assert "FAIL" not in output
    for topic in ("health:", "ids:", "metrics:", "business:", "logs:"):
        assert f"ok    {topic}" in output
    assert output.endswith("This check has left no series behind.\n")


class Bad(BaseHTTPRequestHandler):
    """A service as they often are: static health, raw paths, ids copied from whoever sends them."""

    paths: ClassVar[set[str]] = set()
    counts_health: ClassVar[bool] = False

    def do_GET(self) -> None:
        if self.counts_health:
            self.paths.add(self.path)
        if self.path == "/health/ready":
            self._answer(401, "no")
        elif self.path.startswith("/health"):
            self._answer(200, "OK")
        elif self.path == "/metrics":
            self._answer(200, self._metrics())
        else:
            self.paths.add(self.path)
            self._answer(404, "nothing here")

    def _answer(self, status: int, body: str) -> None:
        self.send_response(status)
        self.send_header("X-Request-ID", self.headers.get("X-Request-ID", ""))
        self.end_headers()
        self.wfile.write(body.encode())

    def _metrics(self) -> str:
        counted = [f'desk_requests_total{{status_code="404",endpoint="{path}"}} 1\n' for path in sorted(self.paths)]
        known = 'desk_requests_total{status_code="200",endpoint="/orders/4711"} 1\n'
        bucket = 'desk_request_latency_seconds_bucket{endpoint="/orders/4711",le="+Inf"} 1\n'
        return (
            f"# TYPE desk_requests_total counter\n{known}{''.join(counted)}"
            f"# TYPE desk_request_latency_seconds histogram\n{bucket}# TYPE desk_build_info gauge\ndesk_build_info 1\n"
            '# TYPE business_orders_total counter\nbusiness_orders_total{event="created",side="long",asset="BTC"} 1\n'
            '# TYPE business_logins_total counter\nbusiness_logins_total{username="alice",result="ok"} 1\n'
            "# TYPE business_registrations_total gauge\nbusiness_registrations_total 1\n"
        )

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def bad() -> Iterator[str]:
    Bad.paths.clear()
    Bad.counts_health = False
    server = ThreadingHTTPServer(("127.0.0.1", 0), Bad)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "finding",
    [
        "health: /health answers 200 with a JSON object: the body is no JSON object",
        "health: /health/ready answers 200 or 503 with a JSON object: it answers 401",
        "ids: a malformed x-request-id is replaced: got back 'a b\"{}'",
        "ids: a missing x-request-id is generated: two requests without got back '' and ''",
        "ids: x-correlation-id is taken over: sent ",
        "metrics: desk_errors is a counter with endpoint, status_code: it is missing",
        "metrics: desk_build_info is a gauge with version: its labels are none",
        "metrics: the histogram has the objectives' bounds: add [0.1, 0.25, 0.5, 1.0, 2.5, 5.0]",
        "metrics: endpoints are templates of routes: /",
        "metrics: statuses 200 and 500 exist from the start: not so for",
        "metrics: 25 unknown paths add no series: new:",
        "metrics: they are counted: 'unmatched' grew by 0",
        "business: business_orders has the known values of labels: side=\"long\"; fold what is unexpected into 'other'",
        "business: business_logins is a counter with result: its labels are result, username",
        "business: business_registrations is a counter with no labels: it is a gauge",
        "logs: 6 lines are JSON objects: line 1",
        "logs: each is shorter than 16384 bytes: line 6",
        "logs: a request's lines have its caller's trace: no line with the request_id",
        "logs: a finished request has a line with its context: none of those with the request_id",
        "logs: each has timestamp, level, service, request_id, username, message, context: line 2: no username",
        "logs: timestamps are RFC 3339 in UTC, with Z: line 3: '2026-11-23T10:01:03.416460+00:00Z'",
        "logs: levels are DEBUG, INFO, WARN, ERROR, CRITICAL: line 4: 'WARNING'",
        "logs: context is an object: line 5: str",
        "logs: a request's lines have its id: no line has the request_id",
    ],
)
def test_each_fault_is_found(
    finding: str, bad: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("order_processor_observability.contract.logs.WAIT", 0.0)
    good = '"timestamp":"2026-11-23T10:01:03.416Z","level":"INFO","service":"x","request_id":null,"username":null'
    lines = [
        "plain text",
        "{" + good.replace(',"username":null', "") + ',"message":"","context":{}}',
        "{" + good.replace(".416Z", ".416460+00:00Z") + ',"message":"","context":{}}',
        "{" + good.replace("INFO", "WARNING") + ',"message":"","context":{}}',
        "{" + good + ',"message":"","context":"{}"}',
        "{" + good + ',"message":"' + 16384 * "x" + '","context":{}}',
    ]
    logs = tmp_path / "logs"
    logs.write_text("\n".join(lines) + "\n")
    assert main(["check", bad, "--leave-traces", "--logs", str(logs)]) == 1
    assert f"FAIL  {finding}" in capsys.readouterr().out


def test_a_service_that_keeps_raw_paths_keeps_none_of_the_check(
    bad: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bad, "counts_health", True)
    Bad.paths.update({"/health", "/metrics"})  # as probes and scrapes have asked for them
    assert main(["check", bad]) == 1
    assert Bad.paths == {"/health", "/metrics"}
    output = capsys.readouterr().out
    assert "FAIL  metrics: 25 unknown paths add no series: not tried" in output
    assert "FAIL  health: /health/ready answers 200 or 503 with a JSON object: not asked" in output
    assert "FAIL  ids: a missing x-request-id is generated" in output
    assert output.endswith("This check has left no series behind.\n")


def test_what_is_left_behind_on_demand_is_told(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", bad, "--leave-traces"]) == 1
    assert (
        "The service has 26 series more than before, until it restarts: desk_requests_total" in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["http://127.0.0.1:9"], "does not answer"),
        (["localhost:8002"], "is no address"),
    ],
)
def test_what_cannot_be_told_is_no_finding(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_a_missing_log_file_is_named(good: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", good.url, "--logs", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_metrics_elsewhere_and_without_requests_are_findings(good: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", good.url, "--metrics-path", "/internal/metrics"]) == 1
    assert "FAIL  metrics: /internal/metrics is in Prometheus' text format: status 404" in capsys.readouterr().out
    assert main(["check", good.url, "--prefix", "payment"]) == 1
    assert "FAIL  metrics: payment_requests is a counter" in capsys.readouterr().out
