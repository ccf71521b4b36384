"""What adds up a page of metrics by route, held against the client library that writes such pages and reads them."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

import catalogue
from components.metrics.programs import route_sums
from facts import ROOT

ROUTES = ("/orders/", "/orders/{order_id}", "/orders/{order_id}/cancel", "/assets/{asset_id}/v1.0")
KNOWN = {
    "/orders/": "/orders/",
    "/orders/7": "/orders/{order_id}",
    "/orders/{order_id}": "/orders/{order_id}",
    '/orders/"quoted"': "/orders/{order_id}",
    "/orders/back\\": "/orders/{order_id}",
    "/orders/7/cancel": "/orders/{order_id}/cancel",
    "/assets/BTC/v1.0": "/assets/{asset_id}/v1.0",
}
UNKNOWN = (
    "/",
    "/orders",
    "/orders/7/",
    "/orders/7/cancel/8",
    "/assets/BTC/v1x0",
    "/wp-login.php",
    '/x",status_code="500',
    "/line\nbreak",
    '/ends in \\"',
    "/ü",
    "unmatched",
    "",
    '} 7\norders_total{endpoint="/orders/"} 9',
)
PATHS = st.one_of(st.sampled_from([*KNOWN, *UNKNOWN]), st.text(max_size=12))
REQUESTS = st.lists(st.tuples(PATHS, st.sampled_from(["200", "404", "500"])), max_size=30)


def summed(page: bytes, routes: tuple[str, ...] = ROUTES) -> bytes:
    blocks = route_sums.whole_blocks(BytesIO(page), time.monotonic() + 60)
    return b"".join(line + b"\n" for line in route_sums.added_up(blocks, route_sums.Routes(routes)))


def samples(page: bytes) -> list[Sample]:
    return [one for family in text_string_to_metric_families(page.decode()) for one in family.samples]


def page_of(requests: list[tuple[str, str]], *, last: bool) -> bytes:
    """A page as a service writes it; `last` has the label behind the others."""
    registry = CollectorRegistry()
    labels = ["status_code", "endpoint"] if last else ["endpoint", "status_code"]
    counted = Counter("order_requests", "Requests.", labels, registry=registry)
    timed = Histogram("order_seconds", 'Not a label: endpoint="/a".', ["endpoint"], buckets=(0.1, 1), registry=registry)
    Gauge("order_other", "Of another label.", ["my_endpoint"], registry=registry).labels("/orders/7").set(3)
    Gauge("order_plain", "Of none.", registry=registry).set(4)
    for path, status in requests:
        counted.labels(endpoint=path, status_code=status).inc()
        timed.labels(path).observe(0.5)
    return generate_latest(registry)


@given(REQUESTS, st.booleans())
def test_series_of_one_route_are_their_sum_and_all_others_as_they_were(
    requests: list[tuple[str, str]], last: bool
) -> None:
    page = page_of(requests, last=last)
    expected: dict[tuple[str, frozenset[tuple[str, str]]], float] = defaultdict(float)
    routes = route_sums.Routes(ROUTES)
    for sample in samples(page):
        labels = dict(sample.labels)
        if "endpoint" in labels:
            escaped = labels["endpoint"].replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
            labels["endpoint"] = routes.of(escaped.encode()).decode()
        expected[sample.name, frozenset(labels.items())] += sample.value
    got = samples(summed(page))
    assert len(got) == len(expected)  # no series twice, of which Prometheus would drop one
    for sample in got:
        assert sample.value == pytest.approx(expected[sample.name, frozenset(sample.labels.items())])


@pytest.mark.parametrize(("path", "route"), KNOWN.items())
def test_a_path_belongs_to_its_route(path: str, route: str) -> None:
    got = samples(summed(page_of([(path, "200")], last=False)))
    assert {one.labels["endpoint"] for one in got if "endpoint" in one.labels} == {route}


@pytest.mark.parametrize("path", UNKNOWN)
def test_what_belongs_to_no_route_is_unmatched(path: str) -> None:
    got = samples(summed(page_of([(path, "404")], last=False)))
    assert {one.labels["endpoint"] for one in got if "endpoint" in one.labels} == {"unmatched"}


@given(st.integers(0, 400))
def test_a_page_that_ends_too_soon_is_none(length: int) -> None:
    """A part of it would be counters that fall."""
    page = b'order_requests_total{endpoint="/orders/1",status_code="200"} 12345\n' * 6
    if length % 67 == 0 or length >= len(page):
        assert summed(page[:length]) is not None
        return
    with pytest.raises(route_sums.IncompleteError):
        summed(page[:length])


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


PAGE = b'order_requests_total{endpoint="/orders/1",status_code="200"} 3\n'


def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> type[BaseHTTPRequestHandler]:
    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
            pass

    return Service


def _whole(service: BaseHTTPRequestHandler) -> None:
    assert service.path == "/internal/metrics"
    service.send_response(200)
    service.send_header("Content-Length", str(len(PAGE)))
    service.end_headers()
    service.wfile.write(PAGE)


def _cut(service: BaseHTTPRequestHandler) -> None:
    service.send_response(200)
    service.send_header("Content-Length", str(2 * len(PAGE)))
    service.end_headers()
    service.wfile.write(PAGE)


def _failing(service: BaseHTTPRequestHandler) -> None:
    service.send_error(500)


def _slow(service: BaseHTTPRequestHandler) -> None:
    service.send_response(200)
    service.end_headers()
    for _ in range(20):
        service.wfile.write(PAGE)
        time.sleep(0.1)


def _other(service: BaseHTTPRequestHandler) -> None:
    service.send_response(200)
    service.end_headers()
    service.wfile.write(b'order_requests_total{endpoint="/orders/1"} many\n')


def ask(address: str, target: str) -> httpx.Response:
    params: dict[str, str | list[str]] = {"target": target, "route": ["/orders/", "/orders/{order_id}"]}
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": "0.5"}
    return httpx.get(f"http://{address}/internal/metrics", params=params, headers=headers, timeout=20, trust_env=False)


def test_a_whole_page_is_answered_with_its_sums() -> None:
    with listening(route_sums.Handler) as address, listening(answering(_whole)) as service:
        answer = ask(address, service)
    assert (answer.status_code, answer.text) == (200, PAGE.decode().replace("/1", "/{order_id}").replace(" 3", " 3.0"))
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize("answer", [_cut, _failing, _slow, _other])
def test_anything_else_is_a_scrape_that_fails(answer: Callable[[BaseHTTPRequestHandler], None]) -> None:
    with listening(route_sums.Handler) as address, listening(answering(answer)) as service:
        assert ask(address, service).status_code == 502


def test_nobody_there_is_a_scrape_that_fails() -> None:
    with listening(route_sums.Handler) as address:
        assert ask(address, "127.0.0.1:1").status_code == 502
        assert httpx.get(f"http://{address}/metrics", trust_env=False).status_code == 400
        assert httpx.get(f"http://{address}/-/healthy", trust_env=False).status_code == 200


def test_services_of_the_catalogue_with_metrics_name_their_routes() -> None:
    """Without them, what anybody asks for would be series. The package names them itself."""
    services = catalogue.load(ROOT / "services.yaml").measured
    assert {service.name for service in services if not (service.routes or service.instrumented)} == set()
