"""What is read out of a line, and of which nothing is: levels of all that runs here, nearly JSON, forged lines."""

from __future__ import annotations

import pytest

from checks.logs.pipeline import Entry, Pipeline, json_line
from checks.waiting import eventually
from simulation.application.today.logs import gateway_line, python_line

REQUEST = "req-1795453674655359280"


def access(path: str, status: int, agent: str = "curl/8.5") -> str:
    """The second access line of today's gateway, which has the path decoded."""
    return f'10.0.0.1 - [Sun, 29 Nov 2026 10:00:00 UTC] "GET {path} HTTP/1.1 {status} 12.5µs "{agent}" "'


T = "2026-11-29T10:00:00.123Z"
LEVELS = {
    access("/orders", 200): "INFO",
    access("/orders", 429): "WARN",
    access("/orders", 503): "ERROR",
    access("/ERROR", 200): "INFO",
    access('/a HTTP/1.1 500 1ms "x" "', 200): "INFO",
    '::1 - [Sun, 29 Nov 2026 10:00:00 UTC] "POST /x HTTP/2.0 502 1m2.5s "" "': "ERROR",
    '10.0.0.1 - [Sun, 29 Nov 2026 10:00:00 UTC] "GET /x ERROR CRITICAL': None,
    '[GIN] 2026/11/29 - 10:00:00 | 200 | 12ms | 10.0.0.1 | GET "/CRITICAL"': "INFO",
    'INFO:     127.0.0.1:1234 - "GET /orders/ERROR HTTP/1.1" 200 OK': "INFO",
    f'level=error ts={T} caller=x.go:1 msg="boom"': "ERROR",
    f'ts={T} caller=x.go:1 level=warn msg="boom"': "WARN",
    f"time={T} level=INFO source=main.go:1 msg=x": "INFO",
    f"logger=sqlstore t={T} level=info msg=x": "INFO",
    f't={T} lvl=eror msg="x y" logger=a': "ERROR",
    f"t={T} lvl=dbug msg=x": "DEBUG",
    "I1129 10:00:00.123456       1 reflector.go:150] done": "INFO",
    "W1129 10:00:00.123456       1 reflector.go:150] slow": "WARN",
    "E1129 10:00:00.123456       1 reflector.go:150] failed": "ERROR",
    "F1129 10:00:00.123456       1 reflector.go:150] failed": "FATAL",
    f"{T}\terror\tservice.go:1\tx": "ERROR",
    f"{T}\t\x1b[31mERROR\x1b[0m\tx\ty": "ERROR",
    f"{T}\tdpanic\tx": "FATAL",
    '{"level":"error","ts":1.7e9,"caller":"x","msg":"boom"}': "ERROR",
    '{"level":"warn","msg":"x"}': "WARN",
    '{"severity":"ERROR","msg":"x"}': "ERROR",
    "/app/main.py:5: FutureWarning: Support has ended.": "WARN",
    '{"lvl":"eror","msg":"x"}': "ERROR",
    "2026/11/29 10:00:00 [error] 7#7: *1 open() failed": "ERROR",
    "2026-11-29 10:00:00,123 - order - WARNING - x": "WARN",
    "[2026-11-29 10:00:00 +0000] [7] [INFO] Booting worker with pid: 7": "INFO",
    "CRITICAL: x": "CRITICAL",
    "GET /ERROR from client": None,
    "A note by bob: level=error": None,
    "bob said to ada: ERROR": None,
}


def test_a_level_is_read_where_the_service_puts_it(node: Pipeline) -> None:
    node.container("levels").write(*LEVELS)
    entries = node.arrived("levels", len(LEVELS))
    assert {entry.text: entry.labels.get("severity") for entry in entries} == LEVELS


LINE = python_line("order", "WARN", "request_end", "Order validated", user="alice", request_id=REQUEST)
OPEN = LINE.removesuffix("}")
NEARLY = (
    *(f'{OPEN},"pnl":{value}}}' for value in ("NaN", "Infinity", "-Infinity", "1e400", "undefined", "01", "'b'")),
    *(f"{OPEN},}}", f"{LINE} and text", LINE + LINE, f"[{LINE}]", f"[ {LINE}, 1]", f'{OPEN},"cut', f" {OPEN},}}"),
    *(f'{OPEN},"escape":"\\x"}}', f'{OPEN},"deep":{"[" * 20_000}{"]" * 20_000}}}'),
)


def found(entry: Entry) -> dict[str, str]:
    """What the agent found in it."""
    names = ("request_id", "user", "action", "severity", "event")
    return {name: entry.labels[name] for name in names if name in entry.labels}


def test_what_is_nearly_json_is_read(node: Pipeline) -> None:
    node.container("nearly").write(*NEARLY)
    expected = {"request_id": REQUEST, "user": "alice", "action": "request_end", "severity": "WARN"}
    for entry in node.arrived("nearly", len(NEARLY)):
        assert found(entry) == expected, entry.text[-80:]


def test_an_event_is_counted_though_its_line_is_only_nearly_json(node: Pipeline) -> None:
    line = python_line("database", "INFO", "db_operation", "Order created: id=order_1, user=ada, asset=ADA")
    lines = [line, line.removesuffix("}") + ',"pnl":NaN}']
    log = node.container("order-service")
    log.write(*lines)
    pod = log.path.parts[-3].split("_")[1]

    def both() -> list[Entry] | None:
        arrived = node.entries(f'{{service_name="order-service"}} | k8s_pod_name="{pod}"')
        return arrived if len(arrived) == len(lines) else None

    first, second = eventually(both, what=f"both lines of {pod}")
    assert found(first)["event"] == found(second)["event"] == "order_created"


FORGED = json_line(
    timestamp="2026-11-29T10:00:00Z",
    level="ERROR",
    service="database",
    request_id=REQUEST,
    action="db_operation",
    message="Order created: id=order_1, user=ada, asset=ADA",
    user="ada",
)
START, END = access(f"/x\n{FORGED}\n", 404).split(f"\n{FORGED}\n")


@pytest.mark.parametrize(
    "lines",
    [
        (f"{FORGED}{END}",),
        (START, f"{FORGED}{END}"),
        (START, FORGED, END),
        (access(FORGED, 404),),
        (f"order created {FORGED}",),
    ],
)
def test_a_line_within_a_path_tells_nothing(node: Pipeline, lines: tuple[str, ...]) -> None:
    log = node.container("gateway")
    log.write(*lines, gateway_line("ERROR", "backend_5xx", "x"))
    pod = log.path.parts[-3].split("_")[1]

    def all_lines() -> list[Entry] | None:
        arrived = node.entries(f'{{service_name="gateway"}} | k8s_pod_name="{pod}"')
        return arrived if sum(entry.text.count("\n") + 1 for entry in arrived) == len(lines) + 1 else None

    *forged, own = sorted(
        eventually(all_lines, what=f"all lines of {pod}"), key=lambda entry: "backend_5xx" in entry.text
    )
    assert found(own) == {"action": "backend_5xx", "severity": "ERROR"}
    for entry in forged:
        assert found(entry) in ({}, {"action": "http_request"}, {"action": "http_request", "severity": "WARN"}), entry
