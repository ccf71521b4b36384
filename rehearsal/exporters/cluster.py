"""One process with stand-ins for the exporters of a cluster, each on its own path.

    python -m rehearsal.exporters.cluster --port 9150

Paths: /kube-state-metrics/metrics, /kubelet/metrics, /cadvisor/metrics, /cloudwatch/metrics; of the stack's own
programs /operator/metrics, /grafana/metrics, /kube-state-metrics-own/metrics and /kubernetes-events/metrics.
Everything served is invented: series names, types and labels are those of the real exporters, the numbers are smooth
functions of time within healthy limits. What it proves is that rules, dashboards and alerts find their series; it
proves nothing about a real cluster or AWS account. tests/contract/metrics.yaml says where the names are from.

For drills, POST /_set {"series": ..., "labels": {...}, "value": ..., "per_second": ...} overrides samples until
DELETE /_set: a gauge takes a `value`; a counter takes `per_second`, and grows from where it is.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import catalogue
from rehearsal.exporters import cloudwatch, kube_state, kubelet, stack
from rehearsal.exporters.exposition import Family, page
from rehearsal.exporters.inventory import Pod, application_pods, monitoring_pods
from rehearsal.exporters.overrides import Overrides, UnknownSeriesError
from rehearsal.serving import listen, serve
from validation import InvalidInputError

Page = Callable[[float], Iterable[Family]]
"""What a scrape at a Unix time sees."""


def pages(pods: tuple[Pod, ...]) -> dict[str, Page]:
    """Return the stand-ins by the first part of their path."""
    return {
        "kube-state-metrics": lambda _: kube_state.families(pods),
        "kubelet": kubelet.kubelet_families,
        "cadvisor": lambda now: kubelet.cadvisor_families(now, pods),
        "cloudwatch": cloudwatch.families,
        "operator": stack.operator_families,
        "grafana": stack.grafana_families,
        "kube-state-metrics-own": stack.kube_state_own_families,
        "kubernetes-events": stack.kubernetes_events_families,
    }


@dataclass(frozen=True)
class Setting:
    """The body of POST /_set."""

    series: str
    labels: dict[str, str] = field(default_factory=dict)
    value: float | None = None
    per_second: float = 0.0

    @classmethod
    def parse(cls, body: bytes) -> Setting:
        """Read and check the body. Raises ValueError with what is wrong."""
        try:
            setting = cls(**json.loads(body))
        except (ValueError, TypeError) as error:
            raise ValueError(
                f"the body must be a JSON object with series, labels, value, per_second: {error}"
            ) from None
        _require(isinstance(setting.series, str), "series", "a metric name", setting.series)
        _require(_is_labels(setting.labels), "labels", "an object of strings", setting.labels)
        _require(setting.value is None or _is_number(setting.value), "value", "a finite number", setting.value)
        _require(_is_number(setting.per_second), "per_second", "a finite number", setting.per_second)
        if setting.value is None and not setting.per_second:
            raise ValueError("give a value, or per_second, or both")
        return setting


def application(pods: tuple[Pod, ...]) -> Starlette:
    """Return the application that serves every page and the overrides."""
    served = pages(pods)
    overrides = Overrides()

    async def metrics(request: Request) -> Response:
        now = time.time()
        families = served.get(request.path_params["exporter"])
        if families is None:
            return PlainTextResponse(f"not found; the exporters are {', '.join(served)}\n", 404)
        return page(overrides.apply(families(now), now))

    async def put(request: Request) -> Response:
        now = time.time()
        everything = (family for families in served.values() for family in families(now))
        try:
            setting = Setting.parse(await request.body())
            count = overrides.put(
                everything,
                setting.series,
                setting.labels,
                value=setting.value,
                per_second=setting.per_second,
                now=now,
            )
        except UnknownSeriesError as error:
            return JSONResponse({"error": str(error)}, 404)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return JSONResponse({"samples": count})

    async def clear(_: Request) -> Response:
        overrides.clear()
        return Response(status_code=204)

    return Starlette(
        routes=[
            Route("/{exporter}/metrics", metrics),
            Route("/_set", put, methods=["POST"]),
            Route("/_set", clear, methods=["DELETE"]),
            Route("/-/healthy", lambda _: PlainTextResponse("Healthy\n")),
        ]
    )


def main() -> None:
    """Run the stand-ins until a signal ends them."""
    parser = argparse.ArgumentParser(prog="rehearsal.exporters.cluster", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=9150, help="port on 127.0.0.1 (default %(default)s)")
    parser.add_argument(
        "--catalogue", type=Path, default=Path("services.yaml"), help="service catalogue (default %(default)s)"
    )
    arguments = parser.parse_args()
    try:
        services = catalogue.load(arguments.catalogue)
    except (OSError, InvalidInputError) as error:
        raise SystemExit(f"--catalogue {arguments.catalogue}: {error}") from None
    listener = listen(arguments.port, "--port")
    names = [service.name for service in services.services]
    serve(application((*application_pods(services.namespace, names), *monitoring_pods())), listener)


def _require(valid: bool, key: str, allowed: str, value: Any) -> None:
    if not valid:
        raise ValueError(f"{key} must be {allowed}, not {value!r}")


def _is_labels(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


if __name__ == "__main__":
    main()
