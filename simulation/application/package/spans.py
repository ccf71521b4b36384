"""Spans of a simulated service, sent where OpenTelemetry's own environment variable says, as a real one's are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
"""URL of the OTLP receiver; without it there are no spans."""


def tracer_provider(service: str) -> TracerProvider | None:
    """What makes the spans of this service; None where nothing says where to send them."""
    if ENDPOINT not in os.environ:
        return None
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))  # it reads the variable itself
    return provider
