"""Spans of requests, with the OpenTelemetry SDK (the extra `tracing`). Imported only where tracing is on."""

from __future__ import annotations

from contextvars import Token

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from order_processor_observability.identity import RequestIdentity

_W3C = TraceContextTextMapPropagator()


class RequestSpan:
    """The span of one request, and the context that it is current in."""

    __slots__ = ("_own", "_span", "_token", "sampled")

    def __init__(self, span: Span, own: bool) -> None:
        self._span = span
        self._own = own
        self._token: Token[Context] = context.attach(trace.set_span_in_context(span))
        self.sampled = span.get_span_context().trace_flags.sampled

    def answered(self, method: str, endpoint: str, status: int, error: BaseException | None) -> None:
        """End the span with how the request ended, by the semantic conventions for HTTP."""
        if not self._own:
            return
        self._span.update_name(f"{method} {endpoint}")
        self._span.set_attributes(
            {"http.request.method": method, "http.route": endpoint, "http.response.status_code": status}
        )
        if error is not None:
            self._span.record_exception(error)
        if status >= 500:
            self._span.set_status(Status(StatusCode.ERROR))
        self._span.end()

    def leave(self) -> None:
        """Return to the context from before; background tasks, which come after the answer, were still in this one."""
        context.detach(self._token)


class Tracing:
    """Makes a server span for each request, unless something further out has made one already, as FastAPI can."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("order_processor_observability")

    def begin(self, request: RequestIdentity, method: str) -> RequestSpan:
        """Start the span of a request, which continues the caller's trace, and give the request its trace id."""
        span = trace.get_current_span()
        own = getattr(span, "kind", None) is not SpanKind.SERVER
        if own:
            span = self._tracer.start_span(method, context=_caller(request), kind=SpanKind.SERVER)
        request.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
        return RequestSpan(span, own)


def _caller(request: RequestIdentity) -> Context:
    carrier = {"traceparent": request.traceparent or "", "tracestate": request.tracestate or ""}
    return _W3C.extract(carrier, Context())
