"""The outermost ASGI layer of an application: it gives requests their ids, and counts, times and logs them."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING

from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from order_processor_observability import identity, logs
from order_processor_observability.answers import announces_trailers, comes_of_leaving, is_last
from order_processor_observability.clean import cut
from order_processor_observability.endpoints import Endpoints
from order_processor_observability.identity import CORRELATION_ID, REQUEST_ID, RequestIdentity
from order_processor_observability.lines import MAX_PATH, Lines, access_context
from order_processor_observability.metrics import InFiles, InProcess
from order_processor_observability.routes import Templates, path_of

if TYPE_CHECKING:
    from order_processor_observability.tracing import RequestSpan, Tracing

CLIENT_LEFT = 499
"""Status of a request whose client left before the answer was complete; nginx's, as HTTP has none."""
MAX_METHOD = 32
"""Characters of a method in logs and spans: clients may send any word."""


class Observe:
    """Everything of a request passes through here, also what other middleware answers or raises."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        routes: Iterable[BaseRoute],
        endpoints: Endpoints,
        metrics: InFiles | InProcess,
        lines: Lines,
        access_lines: bool,
        tracing: Tracing | None,
    ) -> None:
        self.app = app
        self.endpoints = endpoints
        self.metrics = metrics
        self.lines = lines
        self.access_lines = access_lines
        self.tracing = tracing
        self.templates = Templates(routes)
        metrics.expect(self.templates)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one websocket, or the life of the application."""
        if scope["type"] == "http":
            path = path_of(scope)  # now, as mounts change the scope on the way
            own = self.endpoints.of(scope, path)
            if own is None:
                await self._request(_Exchange(self, scope, path, receive, send))
            else:
                await own(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self.endpoints.lifespan(self.app, scope, receive, send)

    async def _request(self, exchange: _Exchange) -> None:
        token = identity.bind(exchange.request)
        self.metrics.started()
        try:
            await self.app(exchange.scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.close(error)
            raise
        else:
            exchange.close()
        finally:
            identity.unbind(token)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ids for its lines and its answer, and no more: a conversation has no status, and lasts as long as a visit."""
        request = identity.from_headers(scope["headers"])
        context = {"operation": "websocket", "path": cut(path_of(scope), MAX_PATH)}
        token = identity.bind(request)

        async def send_with_ids(message: Message) -> None:
            if message["type"] == "websocket.accept":
                message = {**message, "headers": _with_ids(message.get("headers", ()), request)}
            await send(message)

        try:
            await self.app(scope, receive, send_with_ids)
        except Exception as error:
            line = self.lines.render("ERROR", "A websocket broke off.", context, logger="access", exception=error)
            self.lines.write(line)
            logs.reported(error)
            raise
        finally:
            identity.unbind(token)


class _Exchange:
    """One request and its answer, on their way through."""

    _status = 500
    _complete = _client_left = _finished = _trailers = False
    _span: RequestSpan | None = None

    def __init__(self, owner: Observe, scope: Scope, path: str, receive: Receive, send: Send) -> None:
        self._start = perf_counter()
        self._owner = owner
        self.scope = scope
        self._receive = receive
        self._send = send
        self._method: str = scope["method"][:MAX_METHOD]
        self._path = path
        self.request = identity.from_headers(scope["headers"])
        if owner.tracing is not None:
            self._span = owner.tracing.begin(self.request, self._method)

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._client_left = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            # To a client that left during its upload, frameworks "answer" what their own reading of it has raised.
            self._status = CLIENT_LEFT if self._client_left else message["status"]
            self._trailers = announces_trailers(message, self.scope)
            message = {**message, "headers": _with_ids(message.get("headers", ()), self.request)}
        try:
            await self._send(message)
        except OSError:  # how servers say that nobody is there any more
            self._client_left = True
            raise
        if not self._finished and is_last(message, self._trailers):
            # Here and not when the application returns: its background tasks are no part of the answer.
            self._complete = True
            self.finish()

    def finish(self) -> None:
        """Count and time the request; tell of it, unless an exception may yet come that says why it failed."""
        self._finished = True
        self._seconds = perf_counter() - self._start
        if not self._complete or self.request.broke_off is not None:
            self._status = CLIENT_LEFT if self._client_left else 500
        owner, span = self._owner, self._span
        self._endpoint = owner.templates.of(self.scope, self._path, self._method)
        exemplar = self.request.trace_id if span is not None and span.sampled else None
        owner.metrics.record(self._endpoint, self._status, self._seconds, exemplar)
        if self._status < 500:
            self._tell()

    def close(self, error: BaseException | None = None) -> None:
        """The application has returned, or raised what nothing handled."""
        if not self._finished:
            self.finish()
        if self._status == CLIENT_LEFT:
            if error is not None and not comes_of_leaving(error):
                self._tell_of(error, "An exception came after the client had left.")
        elif self._status >= 500:
            self._tell(self.request.broke_off or error)
        elif error is not None:
            self._tell_of(error, "An exception came after the answer, such as from a background task.")
        if error is not None:
            logs.reported(error)
        if self._span is not None:
            self._span.leave()

    def _tell(self, error: BaseException | None = None) -> None:
        owner = self._owner
        if self._span is not None:
            self._span.answered(self._method, self._endpoint, self._status, error)
        if error is not None:
            self._tell_of(error, f"{self._method} {self._endpoint} {self._status}")
        elif owner.access_lines:
            level, write = ("ERROR", owner.lines.write) if self._status >= 500 else ("INFO", owner.lines.write_soon)
            write(
                owner.lines.render_access(
                    self.request, level, self._method, self._endpoint, self._path, self._status, self._seconds
                )
            )

    def _tell_of(self, error: BaseException, message: str) -> None:
        context = access_context(self._method, self._endpoint, self._path, self._status, self._seconds)
        line = self._owner.lines.render("ERROR", message, context, logger="access", exception=error)
        self._owner.lines.write(line)


def _with_ids(headers: Iterable[tuple[bytes, bytes]], request: RequestIdentity) -> list[tuple[bytes, bytes]]:
    """The headers with this request's ids, instead of such as the application has copied from somewhere."""
    kept = [header for header in headers if header[0] not in (REQUEST_ID, CORRELATION_ID)]
    kept.append((REQUEST_ID, request.request_id.encode()))
    kept.append((CORRELATION_ID, request.correlation_id.encode()))
    return kept
