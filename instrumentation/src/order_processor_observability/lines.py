"""The log line: one JSON object in one line, with the keys of the specification, whatever its content."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from json.encoder import encode_basestring
from threading import RLock
from typing import IO

from order_processor_observability.clean import Cleaner, Json, as_text, cut
from order_processor_observability.identity import RequestIdentity, current
from order_processor_observability.masking import Sensitive, without_secrets

MAX_MESSAGE = 2_048
MAX_EXCEPTION = 6_144
MAX_USERNAME = 256
MAX_PATH = 512
MAX_PENDING = 64
"""Lines that may wait for the end of a turn of the event loop."""

# Only text in valid JSON: what JSON has no words for was cleaned away before.
_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))


class Lines:
    """Makes and writes the log lines of one service. Nothing here raises: a line that cannot be made says so."""

    def __init__(self, service: str, sensitive: Iterable[str] = (), stream: IO[bytes] | None = None) -> None:
        self._service = service
        self._sensitive = Sensitive(sensitive)
        self._stream = stream
        self._lock = RLock()  # what a signal or a finaliser logs comes in the middle of another line's writing
        self._pending: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._quoted_service = encode_basestring(service)

    def render(
        self,
        level: str,
        message: object,
        context: Mapping[str, object],
        *,
        logger: str | None = None,
        exception: BaseException | None = None,
        username: object = None,
    ) -> str:
        """One line; the ids are those of the current request."""
        try:
            return self._render(level, message, context, logger, exception, username)
        except Exception as error:
            problem = f"A log line could not be made ({type(error).__name__})."
            return self._render("ERROR", problem, {"logged_at_level": level}, logger, None, None)

    def _render(
        self,
        level: str,
        message: object,
        context: Mapping[str, object],
        logger: str | None,
        exception: BaseException | None,
        username: object,
    ) -> str:
        request = current()
        line: dict[str, Json] = {
            "timestamp": now(),
            "level": level,
            "service": self._service,
            "request_id": request.request_id if request else None,
            "username": _username(username, request),
            "message": cut(without_secrets(as_text(message)[: 2 * MAX_MESSAGE]), MAX_MESSAGE),
            "context": Cleaner(self._sensitive).mapping(context),
        }
        if request:
            line["correlation_id"] = request.correlation_id
            if request.trace_id:
                line["trace_id"] = request.trace_id
        if logger:
            line["logger"] = cut(logger, MAX_USERNAME)
        if exception is not None:
            line["exception"] = _traceback(exception)
        return _ENCODER.encode(line)

    def render_access(
        self, request: RequestIdentity, level: str, method: str, endpoint: str, path: str, status: int, seconds: float
    ) -> str:
        """The line of a finished request: as `render` would make it, at a quarter of its price.

        There is one for each request, so it is put together from parts that are known to be safe: ids are well-formed,
        and the texts are quoted by the encoder of `json`, the path without secrets.
        """
        user = _username(None, request)
        trace = f',"trace_id":"{request.trace_id}"' if request.trace_id else ""
        return (
            f'{{"timestamp":"{now()}","level":"{level}","service":{self._quoted_service},'
            f'"request_id":"{request.request_id}","username":{"null" if user is None else encode_basestring(user)},'
            f'{_answered(method, endpoint, status)},"path":{encode_basestring(cut(without_secrets(path), MAX_PATH))},'
            f'"status_code":{status},"duration_ms":{seconds * 1000:.3f}}},'
            f'"correlation_id":"{request.correlation_id}"{trace},"logger":"access"}}'
        )

    def write(self, line: str) -> None:
        """Write a line to standard output at once, so that no signal can lose it."""
        with self._lock:
            pending, self._pending = self._pending, []
            self._put([*pending, line])

    def write_soon(self, line: str) -> None:
        """Write a line together with the others of this turn of the event loop.

        Most of a short line's price is the system call. Without an event loop of asyncio it is written at once.
        """
        with self._lock:
            self._pending.append(line)
            waiting = len(self._pending)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.flush()
            return
        if waiting >= MAX_PENDING:
            self.flush()
        elif waiting == 1 or loop is not self._loop:
            self._loop = loop
            loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is to be written soon."""
        with self._lock:
            pending, self._pending = self._pending, []
            if pending:
                self._put(pending)

    def _put(self, lines: list[str]) -> None:
        with suppress(Exception):  # there is nowhere left to say so, and no request must fail for it
            # A lone surrogate becomes an escape, which within JSON is what it should be.
            data = "\n".join([*lines, ""]).encode("utf-8", "backslashreplace")
            stream = self._stream or sys.stdout.buffer
            stream.write(data)
            stream.flush()


def access_context(method: str, endpoint: str, path: str, status: int, seconds: float) -> dict[str, object]:
    """The context of the line of a finished request."""
    return {
        "operation": "http_request",
        "method": method,
        "endpoint": endpoint,
        "path": cut(path, MAX_PATH),
        "status_code": status,
        "duration_ms": round(seconds * 1000, 3),
    }


@lru_cache(maxsize=1024)
def _answered(method: str, endpoint: str, status: int) -> str:
    """The part of an access line that all requests of an endpoint have in common if they end alike."""
    return (
        f'"message":{encode_basestring(f"{method} {endpoint} {status}")},'
        f'"context":{{"operation":"http_request","method":{encode_basestring(method)},'
        f'"endpoint":{encode_basestring(endpoint)}'
    )


def now() -> str:
    """This moment in RFC 3339, UTC, with milliseconds."""
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    """A Unix time as text, made once a second: made for each access line, it would be half of the line's price."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _username(username: object, request: RequestIdentity | None) -> str | None:
    if username is None and request is not None:
        username = request.username
    return None if username is None else cut(as_text(username), MAX_USERNAME)


def _traceback(exception: BaseException) -> str:
    """The traceback; of a long one the end, which says what happened."""
    text = "".join(traceback.format_exception(exception)).rstrip()
    return cut(without_secrets(text[-2 * MAX_EXCEPTION :]), MAX_EXCEPTION, keep_end=True)
