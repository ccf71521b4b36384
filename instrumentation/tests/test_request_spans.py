"""Spans, with the extra `tracing`: of every request, in the caller's trace, and as exemplars."""

from __future__ import annotations

import asyncio
from typing import Any

from asking import ask, client, written
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanKind, StatusCode

from order_processor_observability import observe, outgoing_headers

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "X-Request-ID": "r1"}
OPENMETRICS = {"Accept": "application/openmetrics-text;version=1.0.0"}


def traced(**options: Any) -> tuple[FastAPI, InMemorySpanExporter]:
    provider, exporter = TracerProvider(**options), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    app = FastAPI()

    @app.get("/orders/{order_id}")
    async def order(order_id: str) -> dict[str, str]:
        with provider.get_tracer("service").start_as_current_span("inner"):
            return {"id": order_id, **outgoing_headers()}

    @app.get("/broken")
    async def broken() -> None:
        raise ValueError("broken on purpose")

    observe(app, "order-service", tracer_provider=provider)
    return app, exporter


def by_name(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_a_request_is_a_span_in_the_callers_trace_and_lines_have_its_id(capsys: Any) -> None:
    app, exporter = traced()
    answer = ask(app, "/orders/17", headers=HEADERS).json()
    spans = by_name(exporter)
    server, inner = spans["GET /orders/{order_id}"], spans["inner"]
    assert server.kind is SpanKind.SERVER
    assert trace.format_trace_id(server.context.trace_id) == TRACE
    assert server.parent is not None
    assert trace.format_span_id(server.parent.span_id) == "00f067aa0ba902b7"
    assert inner.parent is not None
    assert inner.parent.span_id == server.context.span_id
    assert server.attributes is not None
    assert server.attributes["http.route"] == "/orders/{order_id}"
    assert server.attributes["http.response.status_code"] == 200
    assert answer["traceparent"] == f"00-{TRACE}-{trace.format_span_id(inner.context.span_id)}-01"
    assert [line["trace_id"] for line in written(capsys)] == [TRACE]


def test_a_request_without_a_trace_begins_one(capsys: Any) -> None:
    app, exporter = traced()

    async def run() -> None:
        async with client(app) as asking:
            await asking.get("/orders/17")
        assert not trace.get_current_span().get_span_context().is_valid, "the context is left"

    asyncio.run(run())
    server = by_name(exporter)["GET /orders/{order_id}"]
    assert server.parent is None
    assert [line["trace_id"] for line in written(capsys)] == [trace.format_trace_id(server.context.trace_id)]


def test_a_failed_request_is_a_failed_span_with_its_exception() -> None:
    app, exporter = traced()
    ask(app, "/broken")
    span = by_name(exporter)["GET /broken"]
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]


def test_latencies_have_the_trace_as_exemplar_for_scrapers_that_take_them() -> None:
    app, _ = traced()
    ask(app, "/orders/17", headers=HEADERS)
    assert f'# {{trace_id="{TRACE}"}}' in ask(app, "/metrics", headers=OPENMETRICS).text
    assert TRACE not in ask(app, "/metrics").text


def test_what_is_not_sampled_is_no_exemplar() -> None:
    app, exporter = traced(sampler=ALWAYS_OFF)
    ask(app, "/orders/17", headers=HEADERS)
    assert TRACE not in ask(app, "/metrics", headers=OPENMETRICS).text
    assert not exporter.get_finished_spans()


def test_a_server_span_from_further_out_is_used_and_not_doubled() -> None:
    app, exporter = traced()
    tracer = TracerProvider().get_tracer("outer")

    async def outer(scope: Any, receive: Any, send: Any) -> None:
        with tracer.start_as_current_span("outer", kind=SpanKind.SERVER):
            await app(scope, receive, send)

    ask(outer, "/orders/17", headers=HEADERS)
    assert set(by_name(exporter)) == {"inner"}
