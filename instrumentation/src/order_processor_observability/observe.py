"""The one call."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware

from order_processor_observability import logs
from order_processor_observability.answers import Innermost
from order_processor_observability.business import Business, Group
from order_processor_observability.endpoints import Endpoints
from order_processor_observability.health import Health
from order_processor_observability.lines import Lines
from order_processor_observability.metrics import BUCKETS, Exposition, request_metrics
from order_processor_observability.middleware import Observe

if TYPE_CHECKING:
    from opentelemetry.trace import TracerProvider

_PREFIX = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Observability:
    """What a service gets to work with."""

    registry: CollectorRegistry
    """Where the service registers metrics of its own."""
    exposition: Exposition
    """`before_scrape` for gauges that are read at each scrape."""
    business: Business
    health: Health


def observe(
    app: Starlette,
    service: str,
    *,
    version: str | None = None,
    prefix: str | None = None,
    metrics_path: str = "/metrics",
    buckets: Sequence[float] = BUCKETS,
    business: Collection[Group] = (),
    assets: Collection[str] = (),
    log_level: str = "INFO",
    access_lines: bool = True,
    sensitive: Iterable[str] = (),
    tracer_provider: TracerProvider | None = None,
) -> Observability:
    """Make a FastAPI or Starlette application observable. Call it once, before the application serves anything.

    `prefix` of the metrics is by default the service's name without `-service`; `version` is by default the
    application's. `business` names the groups of business metrics that this service exports, and `assets` what it
    trades. Values of keys with a word of `sensitive` are masked in logs, besides the usual ones. With `tracer_provider`
    requests get spans, and latencies exemplars. Logging of the whole process becomes JSON lines on standard output.

    Raises ValueError if an option does not fit, and RuntimeError if the application has served already.
    """
    if app.middleware_stack is not None:
        raise RuntimeError(f"observe({service!r}): the application has served already; call observe before it starts")
    prefix = prefix if prefix is not None else service.removesuffix("-service").replace("-", "_")
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(
            f"prefix: {prefix!r} cannot begin a metric's name; use a-z, 0-9 and _, and begin with a letter"
        )
    if not metrics_path.startswith("/"):
        raise ValueError(f"metrics_path: {metrics_path!r} must begin with /")
    lines = Lines(service, sensitive)
    logs.configure(lines, log_level)
    registry = CollectorRegistry()
    handle = Observability(
        registry, Exposition(registry), Business(business, assets, registry), Health(service, prefix, registry)
    )
    layer = partial(
        Observe,
        routes=app.routes,
        endpoints=Endpoints(metrics_path, handle.exposition, handle.health),
        metrics=request_metrics(prefix, version or str(getattr(app, "version", "unknown")), buckets, registry),
        lines=lines,
        access_lines=access_lines,
        tracing=_tracing(tracer_provider),
    )
    _wrap(app, layer)
    return handle


def _wrap(app: Starlette, layer: Any) -> None:
    """Put a layer around the whole application.

    `add_middleware` would put it inside of what is added later, and inside of Starlette's own layer that turns
    exceptions into answers: neither their 401 and 429 nor those 500 would be seen.
    """
    build = app.build_middleware_stack

    def build_with_layers() -> Any:
        if any(isinstance(each.cls, type) and issubclass(each.cls, BaseHTTPMiddleware) for each in app.user_middleware):
            app.user_middleware.append(Middleware(Innermost))
        return layer(build())

    app.build_middleware_stack = build_with_layers  # type: ignore[method-assign]


def _tracing(provider: TracerProvider | None) -> Any:
    if provider is None:
        return None
    from order_processor_observability.tracing import Tracing

    return Tracing(provider)
