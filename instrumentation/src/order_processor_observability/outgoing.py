"""Ids for the calls that a request makes itself, so that the next service logs the same ones.

`httpx.Client(event_hooks={"request": [propagate]})`, `httpx.AsyncClient(event_hooks={"request": [propagate_async]})`,
`propagating(requests.Session())`. What the caller has set in a header stays.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import partial
from typing import Any, Protocol, TypeVar

from order_processor_observability.identity import current

try:
    from opentelemetry import trace
except ImportError:  # without the extra `tracing`
    trace = None  # type: ignore[assignment]


class _Outgoing(Protocol):
    @property
    def headers(self) -> MutableMapping[str, str]: ...


class _Session(Protocol):
    @property
    def adapters(self) -> MutableMapping[str, Any]: ...


SessionType = TypeVar("SessionType", bound=_Session)


def outgoing_headers() -> dict[str, str]:
    """The headers that carry the current request's ids; none outside of requests."""
    request = current()
    if request is None:
        return {}
    headers = {"X-Request-ID": request.request_id, "X-Correlation-ID": request.correlation_id}
    traceparent = _of_current_span() or request.traceparent
    if traceparent:
        headers["traceparent"] = traceparent
        if request.tracestate:
            headers["tracestate"] = request.tracestate
    return headers


def propagate(request: _Outgoing) -> None:
    """The `request` event hook of `httpx.Client`."""
    for name, value in outgoing_headers().items():
        if name not in request.headers:
            request.headers[name] = value


async def propagate_async(request: _Outgoing) -> None:
    """The `request` event hook of `httpx.AsyncClient`."""
    propagate(request)


def propagating(session: SessionType) -> SessionType:
    """A session of `requests` whose calls carry the ids, with the adapters (and their retries) that it has now."""
    for adapter in session.adapters.values():
        adapter.send = partial(_send, adapter.send)
    return session


def _send(send: Any, request: _Outgoing, *arguments: Any, **options: Any) -> Any:
    propagate(request)
    return send(request, *arguments, **options)


def _of_current_span() -> str | None:
    if trace is None:
        return None
    span = trace.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
