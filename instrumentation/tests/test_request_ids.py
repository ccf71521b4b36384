"""Ids: accepted, made up, returned, bound to lines, handed on, and never mixed up."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from typing import Any

import httpx
import pytest
import requests
import structlog
from asking import ask, client, samples_of, written
from fastapi import Depends, FastAPI
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from order_processor_observability import (
    current,
    identify_user,
    observe,
    outgoing_headers,
    propagate,
    propagate_async,
    propagating,
)
from order_processor_observability.identity import from_headers

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{1,128}")
log = structlog.get_logger("orders")


@given(st.binary(max_size=300), st.binary(max_size=300))
@example(b"", b"a" * 129)
@example(b"a" * 128, b"a\n")
@example(b"a\r\nSet-Cookie: x", "ä".encode())
def test_an_id_is_taken_over_exactly_if_it_is_well_formed(request_id: bytes, correlation_id: bytes) -> None:
    identity = from_headers([(b"x-request-id", request_id), (b"x-correlation-id", correlation_id)])
    for given_id, taken in ((request_id, identity.request_id), (correlation_id, identity.correlation_id)):
        assert WELL_FORMED.fullmatch(taken)
        text = given_id.decode("latin-1")
        assert (taken == text) == bool(WELL_FORMED.fullmatch(text))


@given(st.from_regex(r"[A-Za-z0-9._-]{1,128}", fullmatch=True))
def test_well_formed_ids_are_taken_over(text: str) -> None:
    assert from_headers([(b"x-request-id", text.encode())]).request_id == text


def test_missing_ids_are_made_up_and_a_chain_begins_with_its_first_request() -> None:
    first, second = from_headers([]), from_headers([])
    assert re.fullmatch("[0-9a-f]{32}", first.request_id)
    assert first.request_id != second.request_id
    assert first.correlation_id == first.request_id


@pytest.mark.parametrize(
    ("header", "trace"),
    [
        (TRACEPARENT, TRACE),
        (TRACEPARENT.replace("00-4", "01-4"), TRACE),
        (TRACEPARENT.replace("00-4", "ff-4"), None),
        (TRACEPARENT.upper(), None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (TRACEPARENT + "-more", None),
        ("nonsense", None),
    ],
)
def test_a_traceparent_names_the_trace_if_it_is_valid(header: str, trace: str | None) -> None:
    identity = from_headers([(b"traceparent", header.encode()), (b"tracestate", b"a=1")])
    assert identity.trace_id == trace
    assert identity.traceparent == (header if trace else None)
    assert identity.tracestate == ("a=1" if trace else None)


def test_ids_are_returned_instead_of_those_that_the_application_copied() -> None:
    async def copies(_request: Request) -> Response:
        return PlainTextResponse("", headers={"X-Request-ID": "of-a-backend", "X-Other": "kept"})

    app = Starlette(routes=[Route("/", copies)])
    observe(app, "order-service")
    headers = ask(app, "/", headers={"X-Request-ID": "mine", "X-Correlation-ID": "chain"}).headers
    assert headers.get_list("x-request-id") == ["mine"]
    assert headers["x-correlation-id"] == "chain"
    assert headers["x-other"] == "kept"
    assert current() is None


def test_every_line_of_a_request_has_its_ids_wherever_it_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    app = FastAPI()

    def user() -> None:  # a plain function, which FastAPI runs in a thread
        identify_user("anna")

    async def in_task() -> None:
        log.info("task")

    def in_background() -> None:
        logging.getLogger("library").warning("background")

    @app.get("/", dependencies=[Depends(user)])
    async def handler() -> Response:
        log.info("handler")
        await asyncio.create_task(in_task())
        await asyncio.to_thread(log.info, "thread")
        return PlainTextResponse("", background=BackgroundTask(in_background))

    observe(app, "order-service")
    ask(app, "/", headers={"X-Request-ID": "r1", "X-Correlation-ID": "c1", "traceparent": TRACEPARENT})
    lines = written(capsys)
    assert [line["message"] for line in lines] == ["handler", "task", "thread", "GET / 200", "background"]
    for line in lines:
        assert (line["request_id"], line["correlation_id"], line["trace_id"]) == ("r1", "c1", TRACE)
        assert line["username"] == "anna"


def test_a_thousand_interleaved_requests_keep_their_ids_apart(capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(7)

    async def handler(request: Request) -> Response:
        number = request.path_params["number"]
        identify_user(f"user-{number}")
        seen = set()
        for _ in range(3):
            await asyncio.sleep(chance.random() / 100)
            log.info("step", number=number)
            seen.add(outgoing_headers()["X-Request-ID"])
        child = asyncio.create_task(asyncio.to_thread(outgoing_headers))
        seen.add((await child)["X-Request-ID"])
        return PlainTextResponse(",".join(seen), background=BackgroundTask(log.info, "after", number=number))

    app = Starlette(routes=[Route("/{number:int}", handler)])
    observe(app, "order-service")

    async def all_at_once() -> list[httpx.Response]:
        async with client(app) as asking:
            return await asyncio.gather(
                *(asking.get(f"/{n}", headers={"X-Request-ID": f"request-{n}"}) for n in range(1000))
            )

    for number, response in enumerate(asyncio.run(all_at_once())):
        assert response.text == response.headers["x-request-id"] == f"request-{number}"
    steps = [line for line in written(capsys) if line["logger"] == "orders"]
    assert len(steps) == 4000
    for line in steps:
        number = line["context"]["number"]
        assert (line["request_id"], line["username"]) == (f"request-{number}", f"user-{number}")


def test_a_request_leaves_nothing_behind_in_the_task_that_served_it() -> None:
    app = Starlette()
    observe(app, "order-service")

    async def run() -> None:
        async with client(app) as asking:
            await asking.get("/")
        assert current() is None

    asyncio.run(run())


def talk(app: Starlette, path: str) -> list[Any]:
    """Open a websocket with a request id; returns what the application sent."""
    sent: list[Any] = []

    async def run() -> None:
        async def receive() -> dict[str, str]:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await app({"type": "websocket", "path": path, "headers": [(b"x-request-id", b"r1")]}, receive, send)

    try:
        asyncio.run(run())
    finally:
        assert current() is None
    return sent


def test_a_websocket_has_ids_too_and_is_no_request() -> None:
    seen = []

    async def socket(websocket: WebSocket) -> None:
        seen.append(outgoing_headers()["X-Request-ID"])
        await websocket.accept(headers=[(b"x-own", b"1"), (b"x-request-id", b"copied")])
        await websocket.close()

    app = Starlette(routes=[WebSocketRoute("/socket", socket)])
    observe(app, "order-service")
    accepted, closed = talk(app, "/socket")
    assert accepted["headers"] == [(b"x-own", b"1"), (b"x-request-id", b"r1"), (b"x-correlation-id", b"r1")]
    assert closed["type"] == "websocket.close"
    assert seen == ["r1"]
    counted = {labels: count for (name, labels), count in samples_of(app).items() if name == "order_requests_total"}
    assert set(counted.values()) == {0}


def test_a_websocket_that_breaks_off_says_so_once_with_its_ids(capsys: pytest.CaptureFixture[str]) -> None:
    async def socket(websocket: WebSocket) -> None:
        await websocket.accept()
        raise ValueError("broken on purpose")

    app = Starlette(routes=[WebSocketRoute("/socket", socket)])
    observe(app, "order-service")
    with pytest.raises(ValueError, match="on purpose") as raised:
        talk(app, "/socket")
    logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=raised.value)
    (line,) = written(capsys)
    assert (line["level"], line["request_id"], line["context"]["path"]) == ("ERROR", "r1", "/socket")
    assert line["exception"].endswith("ValueError: broken on purpose")


def test_outside_of_requests_there_are_no_ids(capsys: pytest.CaptureFixture[str]) -> None:
    observe(Starlette(), "order-service")
    identify_user("nobody")
    log.info("alone")
    (line,) = written(capsys)
    assert line["request_id"] is None
    assert line["username"] is None
    assert not {"correlation_id", "trace_id"} & line.keys()
    assert outgoing_headers() == {}


def _calling(call: Any) -> dict[str, str]:
    """The headers with which a handler calls on, by `call`."""

    async def handler(_request: Request) -> Response:
        sent = await call()
        return PlainTextResponse("", headers={f"sent-{name}": value for name, value in sent.items()})

    app = Starlette(routes=[Route("/", handler)])
    observe(app, "order-service")
    given_headers = {"X-Request-ID": "r1", "X-Correlation-ID": "c1", "traceparent": TRACEPARENT, "tracestate": "a=1"}
    answer = ask(app, "/", headers=given_headers).headers
    return {name.removeprefix("sent-"): value for name, value in answer.items() if name.startswith("sent-")}


HANDED_ON = {"x-request-id": "r1", "x-correlation-id": "c1", "traceparent": TRACEPARENT, "tracestate": "a=1"}


def _echo(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers=request.headers)


def test_httpx_hands_the_ids_on() -> None:
    async def sync() -> Any:
        with httpx.Client(transport=httpx.MockTransport(_echo), event_hooks={"request": [propagate]}) as http:
            return http.get("http://other/").headers

    async def unsync() -> Any:
        hooks = {"request": [propagate_async]}
        async with httpx.AsyncClient(transport=httpx.MockTransport(_echo), event_hooks=hooks) as http:
            return (await http.get("http://other/", headers={"X-Request-ID": "own"})).headers

    assert HANDED_ON.items() <= _calling(sync).items()
    assert {**HANDED_ON, "x-request-id": "own"}.items() <= _calling(unsync).items(), "what the caller sets stays"


def test_requests_hands_the_ids_on() -> None:
    class Echo(requests.adapters.HTTPAdapter):
        def send(self, request: requests.PreparedRequest, *_arguments: Any, **_options: Any) -> requests.Response:
            response = requests.Response()
            response.status_code, response.request = 200, request
            response.headers.update({name: str(value) for name, value in request.headers.items()})
            response.raw = None
            response._content = b""
            return response

    async def call() -> Any:
        session = requests.Session()
        session.mount("http://", Echo())
        return {name.lower(): value for name, value in propagating(session).get("http://other/").headers.items()}

    assert HANDED_ON.items() <= _calling(call).items()
