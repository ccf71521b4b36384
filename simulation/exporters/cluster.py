"""One process with stand-ins for the exporters of a cluster, each on its own path.

    python -m simulation.exporters.cluster --port 9150

Paths: /kube-state-metrics/metrics, /kubelet/metrics, /cadvisor/metrics, /coredns/metrics, /cloudwatch/metrics; of the
stack's own programs /operator/metrics, /grafana/metrics, /kube-state-metrics-own/metrics, /kubernetes-events/metrics.
Everything served is invented: series names, types and labels are those of the real exporters, the numbers are smooth
functions of time within healthy limits. What it proves is that rules, dashboards and alerts find their series; it
proves nothing about a real cluster or AWS account. checks/metrics.yaml says where the names are from.

For drills, POST /_set {"series": ..., "labels": {...}, "value": ..., "per_second": ...} overrides samples: a gauge
takes a `value`; a counter takes `per_second`, and grows from where it is. DELETE /_set forgets all of it, and
DELETE /_set?series=...&label=... what was set of these samples. POST /_pods/<service> {"count": 40, "crashing": false}
rolls out pods that do not become ready, until DELETE /_pods/<service>.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import click
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

import catalogue
from invalid import InvalidInputError
from local.serving import listen, serve
from simulation.exporters import cloudwatch, coredns, kube_state, kubelet, stack
from simulation.exporters.exposition import Family, page
from simulation.exporters.inventory import Pod, application_pods, monitoring_pods, rolled_out
from simulation.exporters.overrides import Overrides, UnknownSeriesError

Page = Callable[[float], Iterable[Family]]
"""What a scrape at a Unix time sees."""
Body = TypeVar("Body", "Setting", "Rollout")


def pages(pods: tuple[Pod, ...]) -> dict[str, Page]:
    """Return the stand-ins by the first part of their path."""
    return {
        "kube-state-metrics": lambda now: kube_state.families(now, pods),
        "kubelet": lambda now: kubelet.kubelet_families(now, pods),
        "cadvisor": lambda now: kubelet.cadvisor_families(now, pods),
        "coredns": coredns.families,
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
        setting = _parse(cls, body)
        _require(isinstance(setting.series, str), "series", "a metric name", setting.series)
        _require(_is_labels(setting.labels), "labels", "an object of strings", setting.labels)
        _require(setting.value is None or _is_number(setting.value), "value", "a finite number", setting.value)
        _require(_is_number(setting.per_second), "per_second", "a finite number", setting.per_second)
        if setting.value is None and not setting.per_second:
            raise ValueError("give a value, or per_second, or both")
        return setting


@dataclass(frozen=True)
class Rollout:
    """The body of POST /_pods/<service>."""

    count: int = 1
    crashing: bool = False

    @classmethod
    def parse(cls, body: bytes) -> Rollout:
        """Read and check the body. Raises ValueError with what is wrong."""
        rollout = _parse(cls, body)
        _require(_is_number(rollout.count) and rollout.count in range(1, 101), "count", "1 to 100", rollout.count)
        _require(isinstance(rollout.crashing, bool), "crashing", "true or false", rollout.crashing)
        return rollout


class Cluster:
    """The pages, and what drills have changed in them."""

    def __init__(self, pods: tuple[Pod, ...]) -> None:
        self._pods = pods
        self._rolled_out: dict[str, tuple[Pod, ...]] = {}
        """Pods that do not become ready, by service."""
        self._overrides = Overrides()

    def routes(self) -> list[Route]:
        """Return what is served."""
        return [
            Route("/{exporter}/metrics", self.metrics),
            Route("/_set", self.put, methods=["POST"]),
            Route("/_set", self.clear, methods=["DELETE"]),
            Route("/_pods/{service}", self.roll_out, methods=["POST"]),
            Route("/_pods/{service}", self.roll_back, methods=["DELETE"]),
            Route("/-/healthy", lambda _: PlainTextResponse("Healthy\n")),
        ]

    async def metrics(self, request: Request) -> Response:
        """Answer a scrape."""
        now, served = time.time(), self._pages()
        families = served.get(request.path_params["exporter"])
        if families is None:
            return PlainTextResponse(f"not found; the exporters are {', '.join(served)}\n", 404)
        return page(self._overrides.apply(families(now), now))

    async def put(self, request: Request) -> Response:
        """Override samples."""
        now = time.time()
        everything = (family for families in self._pages().values() for family in families(now))
        try:
            setting = Setting.parse(await request.body())
            count = self._overrides.put(
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

    async def clear(self, request: Request) -> Response:
        """Forget overrides."""
        labels = dict(request.query_params)
        series = labels.pop("series", None)
        if series is None:
            self._overrides.clear()
        else:
            self._overrides.remove(series, labels)
        return Response(status_code=204)

    async def roll_out(self, request: Request) -> Response:
        """Roll out pods of a service that do not become ready."""
        service = request.path_params["service"]
        runs = next((pod for pod in self._pods if pod.workload == service), None)
        if runs is None:
            return JSONResponse({"error": f"no pod of {service} runs"}, 404)
        try:
            rollout = Rollout.parse(await request.body())
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        self._rolled_out[service] = rolled_out(runs, rollout.count, "crashing" if rollout.crashing else "unready")
        return JSONResponse({"pods": rollout.count})

    async def roll_back(self, request: Request) -> Response:
        """Remove these pods."""
        self._rolled_out.pop(request.path_params["service"], None)
        return Response(status_code=204)

    def _pages(self) -> dict[str, Page]:
        return pages((*self._pods, *(pod for pods in self._rolled_out.values() for pod in pods)))


def application(pods: tuple[Pod, ...]) -> Starlette:
    """Return the application that serves every page, the overrides and the roll-outs."""
    return Starlette(routes=Cluster(pods).routes())


@click.command(help=__doc__.partition("\n")[0])
@click.option("--port", type=int, default=9150, show_default=True, help="Port on 127.0.0.1.")
@click.option(
    "--catalogue",
    "file",
    type=click.Path(path_type=Path),
    default=Path("services.yaml"),
    show_default=True,
    help="Service catalogue.",
)
def main(port: int, file: Path) -> None:
    """Run the stand-ins until a signal ends them."""
    try:
        services = catalogue.load(file)
    except (OSError, InvalidInputError) as error:
        raise SystemExit(f"--catalogue {file}: {error}") from None
    listener = listen(port, "--port")
    names = [service.name for service in services.services]
    serve(application((*application_pods(services.namespace, names), *monitoring_pods())), listener)


def _parse(body_of: type[Body], body: bytes) -> Body:
    try:
        return body_of(**json.loads(body))
    except (ValueError, TypeError) as error:
        keys = ", ".join(field.name for field in fields(body_of))
        raise ValueError(f"the body must be a JSON object with {keys}: {error}") from None


def _require(valid: bool, key: str, allowed: str, value: Any) -> None:
    if not valid:
        raise ValueError(f"{key} must be {allowed}, not {value!r}")


def _is_labels(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(text, str) for text in value.values())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


if __name__ == "__main__":
    main(prog_name="simulation.exporters.cluster")
