"""Stand-in for the blackbox exporter: real HTTP probes, the real exporter's main series.

    python -m rehearsal.exporters.blackbox --port 9115 --map order-service.order-processor.svc:8002=127.0.0.1:8002

`--map` stands in for the cluster's DNS: a probed host and port that is mapped is reached at the local address, a name
that is not mapped fails as an unknown name would. It knows one module, `http_2xx`, by plain HTTP and without following
redirects. It does not prove that the cluster's DNS, network policies or TLS let a real prober through.
"""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from rehearsal.exporters.exposition import Family, page, single
from rehearsal.serving import listen, serve

MODULES = frozenset({"http_2xx"})

DEFAULT_TIMEOUT_SECONDS = 10.0
"""Timeout of a probe whose scraper does not announce its own."""

TIMEOUT_OFFSET_SECONDS = 0.5
"""How much earlier than the scraper a probe gives up: the real exporter's default."""

Names = Mapping[str, str]
"""Local `host:port` by probed `host:port`."""


@dataclass
class Probe:
    """What one probe saw; a part that was not reached stays 0. Durations in seconds."""

    success: bool = False
    duration: float = 0.0
    resolve: float = 0.0
    ip_protocol: int = 0
    status_code: int = 0
    content_length: int = 0
    body_length: int = 0
    version: float = 0.0
    moments: dict[str, float] = field(default_factory=dict)

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        """Note when the HTTP client reaches each step (its `trace` extension)."""
        self.moments[event] = time.perf_counter()

    def phases(self) -> dict[str, float]:
        """Return the seconds spent in each phase of the request."""
        return {
            "resolve": self.resolve,
            "connect": self._between("connection.connect_tcp.started", "connection.connect_tcp.complete"),
            "tls": 0.0,
            "processing": self._between(
                "http11.send_request_headers.started", "http11.receive_response_headers.complete"
            ),
            "transfer": self._between(
                "http11.receive_response_headers.complete", "http11.receive_response_body.complete"
            ),
        }

    def _between(self, start: str, end: str) -> float:
        if start in self.moments and end in self.moments:
            return self.moments[end] - self.moments[start]
        return 0.0


async def run(client: httpx.AsyncClient, target: str, names: Names, timeout: float) -> Probe:
    """GET `target` within `timeout` seconds; whatever goes wrong is a probe that failed."""
    probe = Probe()
    started = time.perf_counter()
    try:
        async with asyncio.timeout(timeout):
            await _get(client, target, names, probe)
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
        probe.success = False
    probe.duration = time.perf_counter() - started
    return probe


async def _get(client: httpx.AsyncClient, target: str, names: Names, probe: Probe) -> None:
    started = time.perf_counter()
    url = urlsplit(target if "://" in target else f"http://{target}")
    address = _resolve(url, names)
    probe.resolve, probe.ip_protocol = time.perf_counter() - started, 4
    local = url._replace(netloc=address, fragment="").geturl()
    headers = {"Host": url.netloc, "User-Agent": "Blackbox Exporter/rehearsal"}
    response = await client.get(local, headers=headers, extensions={"trace": probe.trace})
    probe.status_code = response.status_code
    probe.content_length = int(response.headers.get("content-length", -1))
    probe.body_length = len(response.content)
    probe.version = float(response.http_version.removeprefix("HTTP/"))
    probe.success = response.is_success


def _resolve(url: SplitResult, names: Names) -> str:
    """Return the local address of a URL's host. Raises OSError for a name that is not mapped."""
    if url.scheme != "http" or url.hostname is None:
        raise ValueError(f"{url.geturl()}: this stand-in probes http:// alone")
    probed = f"{url.hostname}:{url.port or 80}"
    if probed in names:
        return names[probed]
    try:
        ipaddress.IPv4Address(url.hostname)
    except ValueError:
        raise OSError(f"lookup {url.hostname}: no such host") from None
    return probed


def families(probe: Probe) -> Iterator[Family]:
    """Return the series of one probe."""
    gauges: tuple[tuple[str, str, float], ...] = (
        ("dns_lookup_time_seconds", "Returns the time taken for probe dns lookup in seconds", probe.resolve),
        ("duration_seconds", "Returns how long the probe took to complete in seconds", probe.duration),
        ("failed_due_to_regex", "Indicates if probe failed due to regex", 0),
        ("http_content_length", "Length of http content response", probe.content_length),
        ("http_redirects", "The number of redirects", 0),
        ("http_ssl", "Indicates if SSL was used for the final redirect", 0),
        ("http_status_code", "Response HTTP status code", probe.status_code),
        ("http_uncompressed_body_length", "Length of uncompressed response body", probe.body_length),
        ("http_version", "Returns the version of HTTP of the probe response", probe.version),
        ("ip_protocol", "Specifies whether probe ip protocol is IP4 or IP6", probe.ip_protocol),
        ("success", "Displays whether or not the probe was a success", probe.success),
    )
    for name, text, value in gauges:
        yield single(f"probe_{name}", "gauge", text, value)
    yield Family(
        "probe_http_duration_seconds",
        "gauge",
        "Duration of http request by phase, summed over all redirects",
        ("phase",),
        tuple(((phase,), seconds) for phase, seconds in sorted(probe.phases().items())),
    )


def own_families(unknown_modules: int) -> Iterator[Family]:
    """Return the exporter's series about itself."""
    yield Family(
        "blackbox_exporter_build_info",
        "gauge",
        "A metric with a constant '1' value labeled by version, revision, branch, goversion from which "
        "blackbox_exporter was built, and the goos and goarch for the build.",
        ("branch", "goarch", "goos", "goversion", "revision", "tags", "version"),
        ((("", "amd64", "linux", "", "", "", "rehearsal"), 1),),
    )
    text = "Blackbox exporter config loaded successfully."
    yield single("blackbox_exporter_config_last_reload_successful", "gauge", text, 1)
    text = "Count of unknown modules requested by probes"
    yield single("blackbox_module_unknown_total", "counter", text, unknown_modules)


def application(names: Names) -> Starlette:
    """Return the exporter with its stand-in for DNS."""
    unknown_modules = 0
    client: httpx.AsyncClient

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        nonlocal client
        # A new connection for each probe, no proxy from the environment; the probe has its own timeout.
        limits = httpx.Limits(max_keepalive_connections=0)
        async with httpx.AsyncClient(trust_env=False, limits=limits, timeout=None) as client:  # noqa: S113
            yield

    async def probe(request: Request) -> Response:
        nonlocal unknown_modules
        module = request.query_params.get("module", "http_2xx")
        target = request.query_params.get("target")
        if module not in MODULES:
            unknown_modules += 1
            return PlainTextResponse(f'Unknown module "{module}"\n', 400)
        if not target:
            return PlainTextResponse("Target parameter is missing\n", 400)
        try:
            timeout = _timeout(request.headers.get("X-Prometheus-Scrape-Timeout-Seconds"))
        except ValueError as error:
            return PlainTextResponse(f"Failed to parse timeout from Prometheus header: {error}\n", 500)
        return page(families(await run(client, target, names, timeout)))

    async def metrics(_: Request) -> Response:
        return page(own_families(unknown_modules))

    return Starlette(
        routes=[
            Route("/probe", probe),
            Route("/metrics", metrics),
            Route("/-/healthy", lambda _: PlainTextResponse("Healthy\n")),
        ],
        lifespan=lifespan,
    )


def _timeout(header: str | None) -> float:
    if header is None:
        return DEFAULT_TIMEOUT_SECONDS
    announced = float(header)
    return announced - TIMEOUT_OFFSET_SECONDS if announced > TIMEOUT_OFFSET_SECONDS else announced


def _mapping(text: str) -> tuple[str, str]:
    probed, _, local = text.partition("=")
    for address in (probed, local):
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise argparse.ArgumentTypeError(f'"{text}" is not HOST:PORT=HOST:PORT')
    return probed.lower(), local


def main() -> None:
    """Run the stand-in until a signal ends it."""
    parser = argparse.ArgumentParser(prog="rehearsal.exporters.blackbox", description=__doc__.partition("\n")[0])
    parser.add_argument("--port", type=int, default=9115, help="port on 127.0.0.1 (default %(default)s)")
    parser.add_argument(
        "--map",
        type=_mapping,
        action="append",
        default=[],
        metavar="HOST:PORT=HOST:PORT",
        help="reach a probed host and port at a local address; may be given several times",
    )
    arguments = parser.parse_args()
    serve(application(dict(arguments.map)), listen(arguments.port, "--port"))


if __name__ == "__main__":
    main()
