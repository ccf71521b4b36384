"""Whatever is logged, a line is one JSON object with the specified keys, and no request fails for it."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import json
import logging
import re
import sys
import threading
import uuid
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
import structlog
from asking import ask, lines, written
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from order_processor_observability import identity, observe
from order_processor_observability.identity import RequestIdentity
from order_processor_observability.lines import Lines
from order_processor_observability.masking import Sensitive

KEYS = ["timestamp", "level", "service", "request_id", "username", "message", "context"]
LONGEST = 16 * 1024
"""Bytes, beyond which container runtimes break a line in two."""
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
log = structlog.get_logger("orders")


class Refuses:
    """An object that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


any_text = st.text(st.characters(exclude_categories=()), max_size=200)  # lone surrogates too
huge = st.builds(lambda text, times: text * times, any_text, st.integers(0, 2000))
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | huge
    | st.binary(max_size=50)
    | st.just(5000).map(lambda digits: 10**digits)
    | st.builds(Refuses)
    | st.builds(object)
    | st.decimals()
)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.sets(st.integers() | any_text, max_size=3)
        | st.dictionaries(any_text | st.integers() | st.none() | st.builds(Refuses), inner, max_size=5)
        | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


def raised(message: str) -> BaseException:
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


@given(message=huge | anything, context=st.dictionaries(any_text, anything, max_size=6), user=anything, error=huge)
@example(message="\ud800", context={"\udfff": "\ud800"}, user="\ud800", error="\ud800")
def test_anything_makes_one_valid_line(message: Any, context: dict[str, Any], user: Any, error: str) -> None:
    stream = io.BytesIO()
    written_by = Lines("order-service", stream=stream)
    written_by.write(written_by.render("INFO", message, context, logger="x", username=user, exception=raised(error)))
    data = stream.getvalue()
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1
    assert len(data) < LONGEST
    line = json.loads(data.decode("utf-8"), parse_constant=pytest.fail)
    assert list(line)[: len(KEYS)] == KEYS
    assert line["exception"].startswith(("Traceback", "…"))


@pytest.mark.parametrize("nasty", ["a", '"', "\\", "\n", "\x01", "\u2028", "é", "😀", "\ud800"])
def test_the_longest_line_is_whole(nasty: str) -> None:
    made_by = Lines("order-service")
    context = {f"{number}{nasty * 200}": [nasty * 10_000] for number in range(1000)}
    line = made_by.render(
        "INFO", nasty * 10_000, context, logger=nasty * 999, username=nasty * 999, exception=raised(nasty * 99_999)
    )
    assert 8_000 < len(line.encode("utf-8", "backslashreplace")) < LONGEST


# A method is a token of HTTP, without `=` and `:`: servers refuse any other text.
@given(st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}", fullmatch=True), any_text, any_text, st.floats(0, 1e6))
def test_the_access_line_is_what_the_general_way_would_make(method: str, path: str, user: str, seconds: float) -> None:
    request = RequestIdentity("r1", "c1", trace_id="t1", username=user)
    made_by = Lines("order-service")
    token = identity.bind(request)
    try:
        quick = json.loads(made_by.render_access(request, "INFO", method, "/orders/{id}", path, 200, seconds))
        context = {"operation": "http_request", "method": method, "endpoint": "/orders/{id}", "path": path}
        general = json.loads(
            made_by.render("INFO", f"{method} /orders/{{id}} 200", {**context, "status_code": 200}, logger="access")
        )
    finally:
        identity.unbind(token)
    assert quick["context"].pop("duration_ms") == pytest.approx(seconds * 1000, abs=0.001)
    for line in (quick, general):
        del line["timestamp"]
    assert list(quick) == list(general)
    assert quick == general


class Output(io.BytesIO):
    """A standard output that counts how often it is written to."""

    writes = 0

    def write(self, data: Any) -> int:
        self.writes += 1
        return super().write(data)


async def run_soon(lines_of: Lines) -> None:
    lines_of.write_soon("of the next loop")
    await asyncio.sleep(0)


def test_lines_of_one_turn_of_the_event_loop_are_written_together_and_in_order() -> None:
    output = Output()
    made_by = Lines("order-service", stream=output)

    async def run() -> None:
        made_by.write_soon("1")
        made_by.write_soon("2")
        await asyncio.sleep(0)
        assert (output.getvalue(), output.writes) == (b"1\n2\n", 1)
        made_by.write_soon("3")
        made_by.write("4")
        assert output.getvalue().endswith(b"3\n4\n"), "what is written at once takes with it what waits"
        for number in range(200):
            made_by.write_soon(str(number))
        assert b"\n100\n" in output.getvalue(), "not all of a long turn waits"

    asyncio.run(run())
    assert output.getvalue().endswith(b"\n198\n199\n"), "nothing is left at the end"
    closed = asyncio.new_event_loop()
    closed.call_soon(made_by.write_soon, "left by a loop that ended")
    closed.call_soon(closed.stop)
    closed.run_forever()
    closed.close()
    asyncio.run(run_soon(made_by))
    assert output.getvalue().endswith(b"left by a loop that ended\nof the next loop\n")
    made_by.write_soon("without a loop")
    assert output.getvalue().endswith(b"without a loop\n")


def test_a_line_has_the_keys_of_the_specification(capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service")
    log.warning("Order refused", username="anna", operation="create_order", amount=12.5)
    (line,) = written(capsys)
    assert list(line) == [*KEYS, "logger"]
    assert TIMESTAMP.fullmatch(line["timestamp"])
    assert abs((datetime.fromisoformat(line["timestamp"]) - datetime.now(UTC)).total_seconds()) < 60
    del line["timestamp"]
    assert line == {
        "level": "WARN",
        "service": "order-service",
        "request_id": None,
        "username": "anna",
        "message": "Order refused",
        "context": {"operation": "create_order", "amount": 12.5},
        "logger": "orders",
    }


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "new_password",
        "userPassword",
        "token",
        "access_token",
        "refreshToken",
        "Authorization",
        "X-Api-Key",
        "api_key",
        "Cookie",
        "client_secret",
        "card",
        "card_number",
        "cardNumber",
        "CVV",
        "pin",
        "pwd",
        "private_key",
        "ssn",
        "tenant_code",
    ],
)
def test_sensitive_keys_are_masked_at_any_depth(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service", sensitive=["Tenant-Code"])
    log.info("x", **{key: "hunter2"}, list=[{"inner": ({key: {"deeper": "hunter2"}},)}])
    logging.getLogger("library").info("x", extra={key: "hunter2"})
    output = capsys.readouterr().out
    assert "hunter2" not in output
    assert output.count("***") == 3


@pytest.mark.parametrize("key", ["cardinality", "discarded", "shipping", "passed", "author", "operation", "amount"])
def test_ordinary_keys_are_not(key: str) -> None:
    assert not Sensitive().is_sensitive(key)


@dataclasses.dataclass
class Login:
    name: str
    password: str


class Side(StrEnum):
    BUY = "buy"


@pytest.mark.parametrize(
    ("given_value", "logged"),
    [
        (Decimal("12.50"), "12.50"),
        (uuid.UUID(int=1), str(uuid.UUID(int=1))),
        (datetime(2026, 11, 23, tzinfo=UTC), "2026-11-23 00:00:00+00:00"),
        (float("nan"), "nan"),
        (float("-inf"), "-inf"),
        (2**80, str(2**80)),
        pytest.param(10**5000, "<int>", id="an endless integer"),
        (b"caf\xc3\xa9\xff", "café\ufffd"),
        (Side.BUY, "buy"),
        ({1: (2, {3})}, {"1": [2, [3]]}),
        (Login("anna", "hunter2"), {"name": "anna", "password": "***"}),
        (Exception("password=hunter2, go"), "password=***, go"),
        ("a" * 5000, "a" * 2048 + "…"),
        (Refuses(), "<Refuses>"),
    ],
)
def test_what_json_cannot_express_becomes_text(
    given_value: object, logged: object, capsys: pytest.CaptureFixture[str]
) -> None:
    observe(Starlette(), "order-service")
    log.info("x", given=given_value)
    (line,) = written(capsys)
    assert line["context"]["given"] == logged


def test_cycles_and_depth_end(capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service")
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    log.info("x", cycle=cycle, many=list(range(10**6)))
    (line,) = written(capsys)
    assert json.dumps(line).count("self") < 10
    assert line["context"]["many"][-1] == "…"


def test_secrets_in_messages_and_exceptions_are_masked(capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service")
    log.error("GET /?token=hunter2&page=2 with Bearer hunter2", exc_info=raised("password='hunter2'"))
    (line,) = written(capsys)
    assert "hunter2" not in json.dumps(line["message"])
    assert line["exception"].endswith("password='***'")
    assert "&page=2" in line["message"]


def test_of_a_long_exception_the_end_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service")
    log.error("x", exc_info=raised("a" * 20_000 + " the end"))
    (line,) = written(capsys)
    assert line["exception"].startswith("…")
    assert line["exception"].endswith("the end")


def test_the_standard_library_and_uvicorn_are_captured(capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service")
    logging.getLogger("library").warning("%d of %s", 1, "two", extra={"operation": "sync", "context": {"amount": 3}})
    logging.getLogger("uvicorn.error").info("Started", extra={"color_message": "\x1b[1mStarted"})
    logging.getLogger("uvicorn.access").info("%s", "never")
    logging.getLogger("library").debug("below the level")
    log.debug("below the level")
    logging.getLogger("library").log(25, "between levels")
    first, second, third = written(capsys)
    assert (first["message"], first["level"], first["logger"]) == ("1 of two", "WARN", "library")
    assert first["context"] == {"operation": "sync", "amount": 3}
    assert (second["message"], second["logger"], second["context"]) == ("Started", "uvicorn.error", {})
    assert third["level"] == "INFO"


def test_uvicorns_own_configuration_changes_nothing_even_if_it_comes_later(capsys: pytest.CaptureFixture[str]) -> None:
    import uvicorn

    observe(Starlette(), "order-service")
    uvicorn.Config(Starlette())  # configures logging, as uvicorn.run(app) does
    logging.getLogger("uvicorn.error").warning("still ours")
    logging.getLogger("uvicorn.access").info("still dropped")
    captured = capsys.readouterr()
    assert json.loads(captured.out)["message"] == "still ours"
    assert not captured.err


@pytest.mark.parametrize("logger", [log, logging.getLogger("library")])
def test_wrong_arguments_cost_no_line_and_raise_nothing(logger: Any, capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service")
    root = logging.getLogger()
    root.handlers[:] = root.handlers[-1:]  # ours; pytest's raise for a record that cannot be formatted
    logger.error("%d of %s", "one")
    logger.error(Refuses())
    first, second = written(capsys)
    assert first["message"] == "%d of %s ('one',)"
    assert second["level"] == "ERROR"


def test_a_closed_standard_output_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    observe(Starlette(), "order-service")
    closed = io.TextIOWrapper(io.BytesIO())
    closed.close()
    monkeypatch.setattr(sys, "stdout", closed)
    log.error("x")
    logging.getLogger("library").error("x")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_warnings_and_crashes_are_lines_too(capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service")
    warnings.warn("old", DeprecationWarning, stacklevel=1)
    sys.excepthook(ValueError, raised("in main"), None)
    threading.excepthook(threading.ExceptHookArgs((ValueError, raised("in thread"), None, None)))
    warning, main, thread = written(capsys)
    assert (warning["level"], warning["logger"]) == ("WARN", "py.warnings")
    assert "DeprecationWarning: old" in warning["message"]
    assert main["level"] == thread["level"] == "CRITICAL"
    assert main["exception"].endswith("ValueError: in main")
    assert thread["exception"].endswith("ValueError: in thread")


def _app(*, access_lines: bool = True) -> Starlette:
    async def broken(_request: Request) -> Response:
        raise ValueError("broken on purpose")

    async def found(_request: Request) -> Response:
        return PlainTextResponse("here")

    app = Starlette(routes=[Route("/broken/{key}", broken), Route("/found/{key}", found)])
    observe(app, "order-service", access_lines=access_lines)
    return app


def test_a_failed_request_is_one_line_with_its_exception(capsys: pytest.CaptureFixture[str]) -> None:
    assert ask(_app(), "/broken/1", headers={"X-Request-ID": "r1"}).status_code == 500
    (line,) = written(capsys)
    assert (line["level"], line["request_id"], line["message"]) == ("ERROR", "r1", "GET /broken/{key} 500")
    assert line["exception"].endswith("ValueError: broken on purpose")
    assert line["context"]["status_code"] == 500


def test_uvicorn_does_not_tell_of_it_again(capsys: pytest.CaptureFixture[str]) -> None:
    _app()
    error = raised("told of")
    from order_processor_observability import logs

    logs.reported(error)
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=error)
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=raised("not told of"))
    (line,) = written(capsys)
    assert line["exception"].endswith("not told of")


def test_access_lines_have_no_query_and_can_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    ask(_app(), "/found/1?token=hunter2")
    (line,) = written(capsys)
    assert line["context"]["path"] == "/found/1"
    assert "hunter2" not in json.dumps(line)
    ask(_app(access_lines=False), "/found/1")
    assert not list(lines(capsys))
    ask(_app(access_lines=False), "/broken/1")
    assert len(written(capsys)) == 1, "a failure is told of anyway"


def test_the_monitorings_own_requests_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    app = _app()
    for path in ("/metrics", "/health", "/health/live", "/health/ready"):
        ask(app, path)
    assert not written(capsys)
