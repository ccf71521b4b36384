"""One process that is scraped as if it were many: services, their probes, and the cluster that they run in.

    python -m benchmarks.exporter --port 9150 --services 600

Paths: /services/<prefix>/metrics, /probe, and those of simulation.exporters.cluster with a pod for each service.
"""

from __future__ import annotations

import time

import click
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from benchmarks.fleet import catalogue_of, pods
from benchmarks.traffic import page
from local.serving import listen, serve
from simulation.exporters import cluster, kube_state
from simulation.exporters.exposition import CONTENT_TYPE, Family, render, single
from simulation.exporters.inventory import monitoring_pods

PROBE = (
    single("probe_success", "gauge", "Displays whether or not the probe was a success", 1),
    single("probe_duration_seconds", "gauge", "Returns how long the probe took to complete in seconds", 0.01),
    single("probe_http_status_code", "gauge", "Response HTTP status code", 200),
    Family(
        "probe_http_duration_seconds",
        "gauge",
        "Duration of http request by phase, summed over all redirects",
        ("phase",),
        tuple(((phase,), 0.002) for phase in ("connect", "processing", "resolve", "tls", "transfer")),
    ),
)
"""What rules and panels read of a probe that succeeds."""


def application(services: int) -> Starlette:
    """The application that serves every page of this many services."""
    all_pods = (*pods(catalogue_of(services)), *monitoring_pods())
    # Pages that do not change are written once: the exporter shares the machine with what is measured.
    objects = render(kube_state.families(time.time(), all_pods))
    probe = render(PROBE)

    async def metrics(request: Request) -> Response:
        return Response(page(request.path_params["prefix"], time.time()), media_type=CONTENT_TYPE)

    return Starlette(
        routes=[
            Route("/services/{prefix}/metrics", metrics),
            Route("/probe", lambda _: Response(probe, media_type=CONTENT_TYPE)),
            Route("/kube-state-metrics/metrics", lambda _: Response(objects, media_type=CONTENT_TYPE)),
            Mount("/", cluster.application(all_pods)),
        ]
    )


@click.command()
@click.option("--port", type=int, required=True, help="Port on 127.0.0.1.")
@click.option("--services", type=click.IntRange(1), required=True, help="How many services to be.")
def main(port: int, services: int) -> None:
    """Serve until a signal ends it."""
    listener = listen(port, "--port")
    serve(application(services), listener)


if __name__ == "__main__":
    main()
