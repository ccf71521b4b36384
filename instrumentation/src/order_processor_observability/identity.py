"""Who a request is: its ids and its user, for everything that runs on its behalf.

One object per request, in a context variable that tasks, threads and background tasks inherit. It is changed in place,
not replaced: a user name that is set in a thread or an inner task would otherwise never reach the request's last line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar, Token
from dataclasses import dataclass
from secrets import token_hex

REQUEST_ID, CORRELATION_ID = b"x-request-id", b"x-correlation-id"
TRACEPARENT, TRACESTATE = b"traceparent", b"tracestate"

LONGEST_ID = 128
WELL_FORMED = re.compile(rb"[A-Za-z0-9._-]{1,%d}" % LONGEST_ID)
"""An id from outside is taken if it looks like this, and replaced otherwise: it is copied to headers and log lines."""

# W3C Trace Context, level 1: version, trace id, parent id, flags; ids of zeros and version ff are invalid.
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_TRACESTATE = re.compile(rb"[\x20-\x7e]{1,512}")

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(slots=True)
class RequestIdentity:
    """The ids of one request and the name of its user."""

    request_id: str
    correlation_id: str
    trace_id: str | None = None
    traceparent: str | None = None
    tracestate: str | None = None
    username: str | None = None
    broke_off: BaseException | None = None
    """What ended its answer before that was whole."""


_current: ContextVar[RequestIdentity | None] = ContextVar("order_processor_request", default=None)


def current() -> RequestIdentity | None:
    """The request that this code runs for, or None outside of requests."""
    return _current.get()


def identify_user(username: str) -> None:
    """Say whose request this is: its log lines carry the name from now on. Does nothing outside of requests."""
    request = _current.get()
    if request is not None:
        request.username = username


def bind(request: RequestIdentity) -> Token[RequestIdentity | None]:
    """Make this the current request; `unbind` ends that."""
    return _current.set(request)


def unbind(token: Token[RequestIdentity | None]) -> None:
    """Return to what was current before `bind`."""
    _current.reset(token)


def from_headers(headers: Headers) -> RequestIdentity:
    """The identity that headers ask for, as far as it is well-formed; the rest is made up.

    A request without a correlation id begins a new chain, which gets the request's id.
    """
    given = dict(headers)
    request_id = _accepted(given.get(REQUEST_ID)) or token_hex(16)
    request = RequestIdentity(request_id, _accepted(given.get(CORRELATION_ID)) or request_id)
    traceparent = given.get(TRACEPARENT)
    if traceparent is not None:
        _trace(request, traceparent, given.get(TRACESTATE, b""))
    return request


def _accepted(value: bytes | None) -> str | None:
    if value is None:
        return None
    # Nearly every id is of letters and digits alone, which is five times as quick to see.
    if (value.isalnum() and len(value) <= LONGEST_ID) or WELL_FORMED.fullmatch(value):
        return value.decode("ascii")
    return None


def _trace(request: RequestIdentity, traceparent: bytes, tracestate: bytes) -> None:
    match = _TRACEPARENT.fullmatch(traceparent)
    if match is None:
        return
    request.trace_id = match[1].decode("ascii")
    request.traceparent = traceparent.decode("ascii")
    if _TRACESTATE.fullmatch(tracestate):
        request.tracestate = tracestate.decode("ascii")
