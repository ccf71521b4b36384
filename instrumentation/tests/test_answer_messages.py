"""How an answer ended, told by the messages that applications send to servers, and by what they raise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from asking import ask, samples_of, value, written
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from order_processor_observability import observe

START = {"type": "http.response.start", "status": 206, "headers": []}
WITH_TRAILERS = {**START, "trailers": True}
BODY, PART = {"type": "http.response.body"}, {"type": "http.response.body", "body": b"part", "more_body": True}
PATH = {"type": "http.response.pathsend", "path": "/file"}
FILE = {"type": "http.response.zerocopysend", "file": 3}
TRAILERS = {"type": "http.response.trailers", "headers": []}
EARLY = {"type": "http.response.early_hint", "links": []}


def counted(app: Starlette, receive: Receive, **scope: Any) -> set[str]:
    """One raw request of `/`, and the statuses that it was counted under."""

    async def run() -> None:
        async def send(_message: Message) -> None:
            pass

        with suppress(BaseException):
            await app({"type": "http", "method": "GET", "path": "/", "headers": [], **scope}, receive, send)

    before = samples_of(app)
    asyncio.run(run())
    after = samples_of(app)
    assert value(after, "order_requests_in_flight") == 0
    return {
        dict(labels)["status_code"]
        for (name, labels), count in after.items()
        if name == "order_requests_total" and count != before.get((name, labels))
    }


async def whole() -> Message:
    return {"type": "http.request"}


async def left() -> Message:
    return {"type": "http.disconnect"}


class Raw:
    def __init__(self, *messages: Message) -> None:
        self.messages = messages

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        for message in self.messages:
            await send(message)


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([START, BODY], "206"),
        ([EARLY, START, PART, BODY], "206"),
        ([START, PATH], "206"),
        ([START, FILE], "206"),
        ([START, {**FILE, "more_body": True}, FILE], "206"),
        ([START, PART, FILE], "206"),
        ([WITH_TRAILERS, PART, BODY, TRAILERS], "206"),
        ([WITH_TRAILERS, BODY, {**TRAILERS, "more_trailers": True}, TRAILERS], "206"),
        ([WITH_TRAILERS, PATH, TRAILERS], "206"),
        ([], "500"),
        ([EARLY], "500"),
        ([START], "500"),
        ([START, PART], "500"),
        ([START, {**FILE, "more_body": True}], "500"),
        ([WITH_TRAILERS, BODY], "500"),
        ([WITH_TRAILERS, BODY, {**TRAILERS, "more_trailers": True}], "500"),
    ],
)
def test_an_answer_is_whole_with_its_last_message(messages: list[Message], status: str) -> None:
    app = Starlette(routes=[Route("/", Raw(*messages))])
    observe(app, "order-service")
    assert counted(app, whole, extensions={"http.response.trailers": {}}) == {status}


def test_trailers_count_only_where_the_server_sends_them() -> None:
    app = Starlette(routes=[Route("/", Raw(WITH_TRAILERS, BODY))])
    observe(app, "order-service")
    assert counted(app, whole) == {"206"}


def uploading(then: Callable[[Exception], BaseException | None]) -> Starlette:
    """A service that reads a body, and raises what `then` makes of a failure."""

    async def upload(request: Request) -> Response:
        try:
            await request.body()
        except Exception as error:
            if made := then(error):
                raise made from error
            raise
        return PlainTextResponse("read")

    app = Starlette(routes=[Route("/", upload)])
    observe(app, "order-service")
    return app


@pytest.mark.parametrize(
    "then",
    [
        lambda _: None,
        lambda _: RuntimeError("cannot read"),
        lambda error: error,
        lambda _: ConnectionResetError(),
        lambda _: asyncio.CancelledError(),
        lambda error: ExceptionGroup("of a task group", [error]),
    ],
)
def test_that_a_client_left_is_no_error(then: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert counted(uploading(then), left) == {"499"}
    assert [(line["level"], line["message"]) for line in written(capsys)] == [("INFO", "GET / 499")]


def test_a_fault_of_the_service_is_told_although_the_client_left(capsys: pytest.CaptureFixture[str]) -> None:
    async def upload(request: Request) -> Response:
        with suppress(ClientDisconnect):
            await request.body()
        raise KeyError("of the service")

    app = Starlette(routes=[Route("/", upload)])
    observe(app, "order-service")
    assert counted(app, left) == {"499"}
    error = next(line for line in written(capsys) if line["level"] == "ERROR")
    assert error["message"] == "An exception came after the client had left."
    assert error["exception"].endswith("KeyError: 'of the service'")


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    return await call_next(request)


async def rewrite(request: Request, call_next: RequestResponseEndpoint) -> Response:
    """Reads the whole answer and makes another of it, as those do that log or sign it."""
    response: Any = await call_next(request)
    return Response(b"".join([part async for part in response.body_iterator]), response.status_code)


def broken_parts(error: Exception) -> Any:
    async def parts() -> Any:
        yield b"part"
        raise error

    return parts()


@pytest.mark.parametrize("dispatch", [pass_on, rewrite])
def test_a_middleware_does_not_hide_that_an_answer_broke_off(dispatch: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async def stream(_request: Request) -> Response:
        return StreamingResponse(broken_parts(ValueError("half way")))

    app = Starlette(routes=[Route("/", stream)], middleware=[Middleware(BaseHTTPMiddleware, dispatch=dispatch)])
    observe(app, "order-service")
    ask(app, "/")
    assert value(samples_of(app), "order_requests_total", endpoint="/", status_code="500") == 1
    (line,) = [line for line in written(capsys) if line["level"] == "ERROR"]
    assert line["message"] == "GET / 500"
    assert line["exception"].endswith("ValueError: half way")


def test_behind_a_middleware_a_background_task_that_fails_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise ValueError("afterwards")

    async def answer(_request: Request) -> Response:
        return PlainTextResponse("whole", background=BackgroundTask(fail))

    app = Starlette(routes=[Route("/", answer)])
    observe(app, "order-service")
    app.add_middleware(BaseHTTPMiddleware, dispatch=pass_on)
    ask(app, "/")
    assert value(samples_of(app), "order_requests_total", endpoint="/", status_code="200") == 1
    messages = [line["message"] for line in written(capsys)]
    assert messages == ["GET / 200", "An exception came after the answer, such as from a background task."]
