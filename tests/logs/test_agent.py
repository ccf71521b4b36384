"""What the deployed agent makes of container logs: real collector, real Loki, real Prometheus."""

from __future__ import annotations

import json
import signal
import time
import traceback
from functools import partial

import pytest

import catalogue
import dashboards
from checks.log_links import OF_A_REQUEST, follow
from checks.logs.pipeline import NAMESPACE, Container, Entry, Pipeline, json_line
from checks.waiting import eventually
from components.grafana import data_sources
from facts import ROOT
from report import board
from report.sources import Sources
from settings import read_stack
from simulation.application.today.logs import access_line, gateway_line, python_line

pytestmark = pytest.mark.usefixtures("users")  # from the first test on, so that the last one need not wait

REQUEST = "req-1795453674655359280"
TRACE = "0af7651916cd43dd8448eb211c80319c"


def metadata(entry: Entry, *names: str) -> dict[str, str | None]:
    return {name: entry.labels.get(name) for name in names}


FORMATS: dict[str, tuple[str, dict[str, str | None]]] = {
    "today": (
        python_line(
            "audit",
            "WARN",
            "auth_failed",
            "x",
            user="alice",
            request_id=REQUEST,
            extra={"correlation_id": "c", "amount": 2.5},
        ),
        {
            "severity": "WARN",
            "action": "auth_failed",
            "user": "alice",
            "request_id": REQUEST,
            "correlation_id": "c",
            "amount": "2.5",
        },
    ),
    "today, without a user": (
        python_line("database", "INFO", "db_operation", "x"),
        {"severity": "INFO", "action": "db_operation", "user": None},
    ),
    "today's gateway": (
        gateway_line("ERROR", "backend_5xx", "x", {"status": 503}),
        {"severity": "ERROR", "action": "backend_5xx", "request_id": None},
    ),
    "as specified": (
        json_line(
            timestamp="2026-11-23T10:01:03.416Z",
            level="INFO",
            service="another-service",
            request_id=REQUEST,
            correlation_id="c",
            trace_id=TRACE,
            username="bob",
            message="x",
            context={"operation": "create_order", "amount": 3},
        ),
        {
            "severity": "INFO",
            "action": "create_order",
            "operation": "create_order",
            "user": "bob",
            "amount": "3",
            "request_id": REQUEST,
            "correlation_id": "c",
            "trace_id": TRACE,
        },
    ),
    "critical, in lower case": (json_line(level="critical", message="x"), {"severity": "CRITICAL"}),
    "uvicorn": (
        'INFO:     127.0.0.1:1234 - "GET /orders/1 HTTP/1.1" 200 OK',
        {"severity": "INFO", "action": "http_request"},
    ),
    "gin": (
        access_line(200, 0.1, "10.0.0.1", "GET", "/api/v1/error"),
        {"severity": "INFO", "action": "http_request"},
    ),
    "gin, refused": (access_line(429, 0.1, "10.0.0.1", "GET", "/x"), {"severity": "WARN"}),
    "gin, failed": (access_line(503, 0.1, "10.0.0.1", "GET", "/x"), {"severity": "ERROR"}),
    "gin's own": ('[GIN-debug] [WARNING] Running in "debug" mode.', {"severity": "WARN", "action": None}),
    "a sentence": ("no error at all", {"severity": None}),
}


def test_both_formats_and_plain_lines_are_read(node: Pipeline) -> None:
    log = node.container("formats")
    log.write(*(line for line, _ in FORMATS.values()))
    entries = node.arrived("formats", len(FORMATS))
    assert [entry.text for entry in entries] == [line for line, _ in FORMATS.values()]
    for entry, (name, (_, expected)) in zip(entries, FORMATS.items(), strict=True):
        assert metadata(entry, *expected) == expected, name
        # The process, not the logger; and the time of the container runtime.
        assert metadata(entry, "service_name", "k8s_namespace_name") == {
            "service_name": "formats",
            "k8s_namespace_name": "order-processor",
        }


def test_only_chosen_namespaces_are_read_and_never_the_agents_own_log(node: Pipeline) -> None:
    line = json_line(level="INFO", message="who reads this?")
    chosen = [("ingress", "nginx"), ("monitoring", "prometheus"), (NAMESPACE, "chosen")]
    others = [("ingress-2", "nginx"), ("monitoring", "log-agent")]
    containers = [node.container(name, namespace) for namespace, name in (*others, *chosen)]

    def readers(count: int) -> list[tuple[str, str]] | None:
        found = node.entries(f'{{k8s_namespace_name=~".+"}} |= `{line}`')
        names = sorted((entry.labels["k8s_namespace_name"], entry.labels["service_name"]) for entry in found)
        return names if len(names) >= count else None

    for written in (1, 2):  # the second is sent after whatever was read with the first
        for container in containers:
            container.write(line)
        expected = sorted(written * chosen)
        assert eventually(partial(readers, len(expected)), what=f"{written} lines of each namespace") == expected


SURPRISES = (
    json_line(level=5, message=[1, 2], request_id={"a": 1}, user=7, extra=17, context=[1], amount={"x": 1}),
    json_line(level=None, request_id=None, extra=None, context=None),
    json_line(level="NOTICE", message="not a level", extra="{broken", request_id="surprise"),
    json_line(extra='"text"', context={"context": {"context": {}}}),
    json_line(message="☃ 漢字 \u0000 \U0001f600", request_id="x" * 100_000),
    json_line(user="é" * 300, context={"amount": "12.5", "request_id": "inside"}),
    '{"level":"ERROR","broken',
    "{}",
    "[1,2]",
    "null",
    "   leading and trailing blanks   ",
    'text with a \t tab, "quotes" and \\ backslashes',
    "\x1b[31mERROR\x1b[0m in colour",
)


def test_no_line_is_lost_for_its_types(node: Pipeline) -> None:
    log = node.container("surprises")
    for line in SURPRISES:
        log.write(line)
        log.write(json_line(level="INFO", message="between"))
    entries = node.arrived("surprises", 2 * len(SURPRISES))
    between = json_line(level="INFO", message="between")
    assert sorted(entry.text for entry in entries if entry.text != between) == sorted(SURPRISES)
    by_text = {entry.text: entry for entry in entries}
    assert metadata(by_text[SURPRISES[2]], "severity", "request_id") == {"severity": None, "request_id": "surprise"}
    assert metadata(by_text[SURPRISES[5]], "amount", "request_id") == {"amount": "12.5", "request_id": "inside"}


def test_parts_of_a_line_are_joined_and_what_is_too_long_for_loki_is_cut(node: Pipeline) -> None:
    log = node.container("parts")
    log.write("one ", tag="P")
    log.write(" two ", tag="P")
    log.write("three")
    long = json_line(level="INFO", message="x" * 600_000)
    pieces = [long[start : start + 16_384] for start in range(0, len(long), 16_384)]
    for piece in pieces[:-1]:
        log.write(piece, tag="P")
    log.write(pieces[-1])
    short, *cut = (entry.text for entry in node.arrived("parts", 4))
    assert short == "one  two three"
    assert "".join(cut) == long


def failure() -> list[str]:
    """The lines of a traceback with a cause."""
    try:
        try:
            raise ConnectionError("the table did not answer")
        except ConnectionError as cause:
            raise RuntimeError("operation failed") from cause
    except RuntimeError:
        return traceback.format_exc().removesuffix("\n").split("\n")


PANIC = (
    "panic: runtime error: index out of range [5] with length 3",
    "",
    "goroutine 1 [running]:",
    "main.(*Server).handle(0xc0000b2000, {0x1, 0x2})",
    "\t/app/main.go:12 +0x1d",
    "created by main.main in goroutine 1",
    "\t/app/main.go:20 +0x39",
    "exit status 2",
)


def test_a_traceback_is_one_entry_and_lines_of_json_never_are(node: Pipeline) -> None:
    before, after = json_line(level="ERROR", message="before"), json_line(level="INFO", message="after")
    introduced = ["ERROR:    Exception in ASGI application", *failure()]
    log = node.container("tracebacks")
    log.write(before, after)
    log.write(*introduced[:4], stream="stderr")
    log.write(after)  # another thread's
    log.write(*introduced[4:], stream="stderr")
    log.write(*PANIC, stream="stderr")
    log.write(before, before)
    expected = [before, after, "\n".join(introduced), after, "\n".join(PANIC), before, before]
    entries = node.arrived("tracebacks", len(expected))
    assert [entry.text for entry in entries] == expected
    assert [entry.labels["severity"] for entry in entries if "\n" in entry.text] == ["ERROR", "ERROR"]


def test_nothing_of_a_long_line_is_lost_where_it_is_torn(node: Pipeline) -> None:
    """Parts are joined by their file: not across a rotation, and with whatever the other stream writes between."""
    log = node.container("torn")
    log.write("one ", tag="P")
    log.write("by stderr, ", stream="stderr")
    log.write("two, ")
    log.write("three ", tag="P")
    log.rotate()
    log.write("four")

    def everything() -> list[str] | None:
        texts = [entry.text for entry in node.entries('{service_name="torn"}')]
        return texts if "".join(texts) == "one by stderr, two, three four" else None

    texts = eventually(everything, what="every part")
    # It depends on the name of its file when a part is read.
    assert texts[:2] == ["one by stderr, ", "two, "]
    assert texts[2:] in (["three four"], ["three ", "four"])


def test_an_endless_traceback_is_cut(node: Pipeline) -> None:
    lines = ["Traceback (most recent call last):", *(f"  {number} {'x' * 1000}" for number in range(200))]
    node.container("endless").write(*lines)

    def everything() -> list[str] | None:
        texts = [entry.text for entry in node.entries('{service_name="endless"}')]
        return texts if "\n".join(texts) == "\n".join(lines) else None

    assert len(eventually(everything, what="every line")[0]) > 128 * 1024


def test_a_request_leads_to_its_lines_at_every_service_in_order(node: Pipeline) -> None:
    names = ("gateway", "order-service", "auth-service")
    containers = {name: node.container(name) for name in names}
    texts = []
    for number in range(6):
        name, another = names[number % 3], json_line(level="INFO", request_id="req-2", message="another")
        line = json_line(level="INFO", request_id="req-1-of-3", message=str(number), exception="Traceback\n  of it")
        containers[name].write(line, another)
        texts.append(f"{name}: {number}\nTraceback\n  of it")
    (source,) = (one for one in data_sources(read_stack(ROOT / "Pulumi.dev.yaml")) if one["uid"] == "loki")
    boards = map(board.read, dashboards.load(catalogue.load(ROOT / "services.yaml")).values())
    place = follow(source, OF_A_REQUEST, "req-1-of-3", boards, at=time.time())
    loki = Sources(prometheus="", loki=node.ports.url("loki"))

    def all_lines() -> list[str] | None:
        found = [line.text for line in loki.ask(place.panel, place.choice, place.period).lines]
        return found if len(found) >= len(texts) else None

    assert eventually(all_lines, what="all lines of the request") == texts


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_waits_for_its_end_when_the_agent_ends(node: Pipeline, number: signal.Signals) -> None:
    """Stopped, it sends what waits. Killed, it may lose that, but no line that need not wait."""
    name = f"ended-by-{number.name.lower()}"
    log, line, lines = node.container(name), json_line(level="INFO", message="passes"), failure()
    before = node.agent_metric("otelcol_receiver_accepted_log_records")
    log.write(*lines, line)
    # The line has been read, so the traceback has, too; it waits for a second.
    read = partial(node.agent_metric, "otelcol_receiver_accepted_log_records")
    eventually(lambda: read() > before, what="the agent reads")
    node.stop_agent(number)
    log.write(json_line(level="INFO", message="written while it was away"))
    log.rotate()
    log.write(json_line(level="INFO", message="written after a rotation"))
    node.start_agent()
    log.write(json_line(level="INFO", message="last"))

    def last() -> list[str] | None:
        texts = [entry.text for entry in node.entries(f'{{service_name="{name}"}}')]
        return texts if any('"last"' in text for text in texts) else None

    texts = eventually(last, what="the last line")
    messages = [json.loads(text)["message"] for text in texts if text.startswith("{")]
    assert messages == ["passes", "written while it was away", "written after a rotation", "last"]
    joined = [text for text in texts if not text.startswith("{")]
    assert joined == ["\n".join(lines)] or (number == signal.SIGKILL and joined == [])


def failed_login(log: Container) -> None:
    """Today's two lines of one failed login."""
    log.write(python_line("database", "WARN", "auth_failed", "Invalid password for user: bob"))
    log.write(python_line("user", "WARN", "validation_error", "Authentication failed: Invalid credentials for 'bob'"))


def test_events_are_counted_from_0_on(node: Pipeline, users: Container) -> None:
    pod = users.path.parts[-3].split("_")[1]
    failed = f'log_events_total{{service_name="user-service",event="login_failed",k8s_pod_name="{pod}"}}'
    # An agent that was killed before it had pushed its counters begins them with the next line.
    users.write(json_line(level="INFO", message="Still there."))
    eventually(lambda: node.value(failed) == 0, what=f"{failed} is 0")
    for _ in range(3):
        failed_login(users)
    users.write(python_line("user", "INFO", "user_login_success", "User authenticated successfully: bob"))
    # The traceback waits, and comes after the later line.
    users.write(*failure(), json_line(level="ERROR", message="later"))
    eventually(lambda: node.value(failed) == 3, what=f"{failed} is 3")
    assert node.value(failed.replace("failed", "succeeded")) == 1
    assert node.value(f"increase({failed}[5m]) > 0") is not None
    errors = f'log_records_total{{k8s_pod_name="{pod}",severity="ERROR"}}'
    eventually(lambda: node.value(errors) == 2, what=f"{errors} is 2")
