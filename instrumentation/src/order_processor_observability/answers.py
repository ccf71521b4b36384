"""How answers end: whole, broken off, or with nobody there to read them."""

from __future__ import annotations

from asyncio import CancelledError

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from order_processor_observability import identity

_MORE = {
    "http.response.body": "more_body",
    "http.response.pathsend": "more_body",
    "http.response.zerocopysend": "more_body",
    "http.response.trailers": "more_trailers",
}
"""Messages that may end an answer, each with the key that says that more will come."""
_LINKS = 16
"""How far back causes of an exception are looked at; one may be its own."""


def announces_trailers(start: Message, scope: Scope) -> bool:
    """Whether an answer goes on after its body: it says so, and the server lets it."""
    return bool(start.get("trailers")) and "http.response.trailers" in (scope.get("extensions") or ())


def is_last(message: Message, trailers: bool) -> bool:
    """Whether this message ends an answer, which may have trailers after its body."""
    if message["type"] == "http.response.body" and not trailers:  # of nearly every answer
        return not message.get("more_body")
    more = _MORE.get(message["type"])
    return more is not None and not message.get(more) and (not trailers or more == "more_trailers")


def comes_of_leaving(error: BaseException | None) -> bool:
    """Whether an exception says no more than that the client is gone, or was made of one that does."""
    for _ in range(_LINKS):
        if error is None:
            return False
        if isinstance(error, BaseExceptionGroup):
            return all(map(comes_of_leaving, error.exceptions))
        if isinstance(error, ClientDisconnect | OSError | CancelledError):
            return True
        error = error.__cause__ or error.__context__
    return False


class Innermost:
    """Within all other middleware: notes what broke an answer off.

    `BaseHTTPMiddleware` (`@app.middleware("http")`) ends such an answer as if it were whole, and raises only then.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on one request, and note in its identity if its answer breaks off."""
        request = identity.current()
        if scope["type"] != "http" or request is None:
            await self.app(scope, receive, send)
            return
        begun = complete = trailers = False

        async def watched(message: Message) -> None:
            nonlocal begun, complete, trailers
            if message["type"] == "http.response.start":
                begun, trailers = True, announces_trailers(message, scope)
            complete = complete or is_last(message, trailers)
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except BaseException as error:
            if begun and not complete:
                request.broke_off = error
            raise
