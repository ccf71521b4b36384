"""What is counted of requests, and under which endpoint."""

from __future__ import annotations

import asyncio
import random
from contextlib import nullcontext
from typing import Any

import pytest
from asking import ask, client, endpoints, samples_of, value
from fastapi import APIRouter, FastAPI
from prometheus_client import Counter
from starlette.applications import Starlette
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from order_processor_observability import observe

BOUNDS = {"0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "0.005", "0.01", "0.025", "0.05", "10.0", "+Inf"}


async def found(_request: Request) -> Response:
    return PlainTextResponse("here")


async def broken(_request: Request) -> Response:
    raise ValueError("broken on purpose")


def plain() -> Starlette:
    return Starlette(
        routes=[
            Route("/orders/{order_id:int}", found),
            Route("/orders/{order_id:int}/events", found, methods=["POST"]),
            Route("/broken", broken),
            Mount("/tenants/{name}", routes=[Route("/users/{name}", found)]),
            Mount("/opaque", app=PlainTextResponse("opaque")),
        ]
    )


def fast() -> FastAPI:
    app, outer, inner, mounted = FastAPI(), APIRouter(prefix="/outer"), APIRouter(), FastAPI()

    @inner.get("/things/{thing}")
    def thing(thing: str) -> str:
        return thing

    @mounted.get("/deep/{key:path}")
    def deep(key: str) -> str:
        return key

    outer.include_router(inner, prefix="/inner")
    app.include_router(outer)
    app.include_router(inner, prefix="/v2/{tenant}")
    app.mount("/mounted", mounted)
    return app


@pytest.mark.parametrize(
    ("make", "method", "path", "endpoint", "status"),
    [
        (plain, "GET", "/orders/17", "/orders/{order_id}", "200"),
        (plain, "GET", "/orders/seventeen", "unmatched", "404"),
        (plain, "POST", "/orders/17/events", "/orders/{order_id}/events", "200"),
        (plain, "DELETE", "/orders/17/events", "/orders/{order_id}/events", "405"),
        (plain, "GET", "/broken", "/broken", "500"),
        (plain, "GET", "/tenants/acme/users/anna", "/tenants/{name}/users/{name}", "200"),
        (plain, "GET", "/tenants/acme/nothing", "unmatched", "404"),
        (plain, "GET", "/opaque/a/b", "/opaque/{path}", "200"),
        (fast, "GET", "/outer/inner/things/1", "/outer/inner/things/{thing}", "200"),
        (fast, "GET", "/v2/acme/things/1", "/v2/{tenant}/things/{thing}", "200"),
        (fast, "GET", "/mounted/deep/a/b/c", "/mounted/deep/{key}", "200"),
        (fast, "POST", "/outer/inner/things/1", "/outer/inner/things/{thing}", "405"),
    ],
)
def test_a_request_is_counted_under_the_template_of_its_route(
    make: Any, method: str, path: str, endpoint: str, status: str
) -> None:
    app = make()
    observe(app, "order-service")
    before = samples_of(app)
    assert str(ask(app, path, method).status_code) == status
    after = samples_of(app)
    grown = {key: count - before.get(key, 0) for key, count in after.items() if count != before.get(key)}
    assert value(grown, "order_requests_total", endpoint=endpoint, status_code=status) == 1
    assert value(grown, "order_request_latency_seconds_count", endpoint=endpoint) == 1
    assert value(grown, "order_errors_total", endpoint=endpoint, status_code=status) == (1 if status >= "4" else None)
    assert endpoints(grown) == {endpoint}


def test_every_series_of_a_route_exists_from_the_start() -> None:
    app = plain()
    observe(app, "order-service", version="1.2.3")
    samples = samples_of(app)
    for endpoint in endpoints(samples) - {"unmatched"}:
        assert value(samples, "order_requests_total", endpoint=endpoint, status_code="200") == 0
        assert value(samples, "order_errors_total", endpoint=endpoint, status_code="500") == 0
        assert value(samples, "order_errors_total", endpoint=endpoint, status_code="200") is None
    assert value(samples, "order_requests_total", endpoint="unmatched", status_code="404") == 0
    assert {dict(labels)["le"] for name, labels in samples if name.endswith("latency_seconds_bucket")} == BOUNDS
    assert value(samples, "order_build_info", version="1.2.3") == 1
    assert not [name for name, _ in samples if name.endswith("_created")]
    assert value(samples, "process_cpu_seconds_total") is not None


def test_routes_may_be_added_after_the_call() -> None:
    app = Starlette()
    observe(app, "order-service")
    app.add_route("/later/{key}", found)
    assert value(samples_of(app), "order_requests_total", endpoint="/later/{key}", status_code="200") == 0
    ask(app, "/later/1")
    assert value(samples_of(app), "order_requests_total", endpoint="/later/{key}", status_code="200") == 1


def test_ten_thousand_hostile_paths_add_no_series() -> None:
    app = plain()
    observe(app, "order-service", access_lines=False)
    chance = random.Random(5)
    words = ["orders", "..", "%00", "\u2028", "tenants", "", "'; DROP", "{order_id}", "é" * 50, "broken", "a" * 500]
    before = samples_of(app).keys()

    async def attack() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b""}

        async def send(_message: Any) -> None:
            pass

        for number in range(10_000):
            path = "/x/" + "/".join(chance.choices(words, k=3)) + str(number)
            scope = {"type": "http", "method": "GET", "path": path, "query_string": b"", "headers": []}
            await app(scope, receive, send)

    asyncio.run(attack())
    after = samples_of(app)
    assert after.keys() == before
    assert value(after, "order_requests_total", endpoint="unmatched", status_code="404") == 10_000


class Refuse:
    """Answers in the place of the application, as a rate limit or an authentication does."""

    def __init__(self, app: ASGIApp, status: int) -> None:
        self.app, self.status = app, status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await PlainTextResponse("no", self.status)(scope, receive, send)
        else:
            await self.app(scope, receive, send)


@pytest.mark.parametrize("status", [401, 429])
def test_what_other_middleware_answers_is_counted_too_and_the_monitoring_is_let_through(status: int) -> None:
    app = plain()
    observe(app, "order-service")
    app.add_middleware(Refuse, status=status)  # added later, and so outside of an ordinary middleware
    response = ask(app, "/orders/17")
    assert response.status_code == status
    assert response.headers["x-request-id"]
    samples = samples_of(app)
    labels = {"endpoint": "/orders/{order_id}", "status_code": str(status)}
    assert value(samples, "order_requests_total", **labels) == value(samples, "order_errors_total", **labels) == 1
    assert ask(app, "/health").status_code == 200
    assert ask(app, "/health", "POST").status_code == status, "only reading is the monitoring's"


def test_a_middleware_that_copies_the_scope_hides_no_route() -> None:
    class Copy:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await self.app(dict(scope), receive, send)

    app = plain()
    app.add_middleware(Copy)
    observe(app, "order-service")
    ask(app, "/orders/17")
    assert value(samples_of(app), "order_requests_total", endpoint="/orders/{order_id}", status_code="200") == 1


def test_a_request_through_a_base_http_middleware_that_fails_is_counted_as_500() -> None:
    async def fail(_request: Request, _call: RequestResponseEndpoint) -> Response:
        raise LookupError("in a middleware")

    app = plain()
    app.add_middleware(BaseHTTPMiddleware, dispatch=fail)
    observe(app, "order-service")
    assert ask(app, "/orders/17").status_code == 500
    samples = samples_of(app)
    assert value(samples, "order_requests_total", endpoint="/orders/{order_id}", status_code="500") == 1
    assert value(samples, "order_requests_in_flight") == 0


def _streamed(app: Starlette, *, leave_after: int, error: type[BaseException] | None = None) -> None:
    """One request whose client is gone after some messages; the server says so by an error, or in `receive`."""

    async def run() -> None:
        sent = 0
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(_message: Any) -> None:
            nonlocal sent
            sent += 1
            if sent >= leave_after:
                gone.set()
                if error:
                    raise error
                await asyncio.sleep(0.01)

        version = "2.4" if error else "2.3"
        scope = {"type": "http", "asgi": {"spec_version": version}, "method": "GET", "path": "/stream", "headers": []}
        await app(scope, receive, send)

    with pytest.raises(ClientDisconnect) if error else nullcontext():
        asyncio.run(run())


@pytest.mark.parametrize("error", [None, OSError])
def test_a_client_that_leaves_is_no_failure_of_the_service(error: type[BaseException] | None) -> None:
    async def stream(_request: Request) -> Response:
        async def parts() -> Any:
            for _ in range(1000):
                yield b"part"

        return StreamingResponse(parts())

    app = Starlette(routes=[Route("/stream", stream)])
    observe(app, "order-service")
    _streamed(app, leave_after=3, error=error)
    samples = samples_of(app)
    assert value(samples, "order_requests_total", endpoint="/stream", status_code="499") == 1
    assert value(samples, "order_requests_total", endpoint="/stream", status_code="500") == 0
    assert value(samples, "order_requests_in_flight") == 0


def test_an_answer_that_breaks_off_is_a_failure_although_its_status_was_200() -> None:
    async def stream(_request: Request) -> Response:
        async def parts() -> Any:
            yield b"part"
            raise RuntimeError("half way")

        return StreamingResponse(parts())

    app = Starlette(routes=[Route("/stream", stream)])
    observe(app, "order-service")
    ask(app, "/stream")
    assert value(samples_of(app), "order_requests_total", endpoint="/stream", status_code="500") == 1


def test_requests_in_flight_are_those_without_a_whole_answer() -> None:
    release = asyncio.Event()

    async def slow(_request: Request) -> Response:
        await release.wait()
        return PlainTextResponse("done")

    app = Starlette(routes=[Route("/slow", slow)])
    handle = observe(app, "order-service")

    async def two() -> None:
        async with client(app) as asking:
            requests = [asyncio.create_task(asking.get("/slow")) for _ in range(2)]
            while handle.registry.get_sample_value("order_requests_in_flight") != 2:
                await asyncio.sleep(0)
            release.set()
            await asyncio.gather(*requests)

    asyncio.run(asyncio.wait_for(two(), 5))
    assert handle.registry.get_sample_value("order_requests_in_flight") == 0


def test_paths_are_those_of_the_application_also_behind_a_prefix() -> None:
    app = plain()
    observe(app, "order-service")

    async def run() -> list[int]:
        statuses = []

        async def send(message: Any) -> None:
            statuses.extend([message["status"]] if message["type"] == "http.response.start" else [])

        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        for path in ("/api/orders/17", "/api/health"):
            scope: Scope = {"type": "http", "method": "GET", "path": path, "root_path": "/api", "headers": []}
            await app(scope, receive, send)
        return statuses

    assert asyncio.run(run()) == [200, 200]
    assert value(samples_of(app), "order_requests_total", endpoint="/orders/{order_id}", status_code="200") == 1


def test_metrics_can_move_and_have_company() -> None:
    app = plain()
    handle = observe(app, "order-service", prefix="desk", metrics_path="/internal/metrics")
    own = Counter("own_total", "One of the service's.", registry=handle.registry)
    handle.exposition.before_scrape(own.inc)
    handle.exposition.before_scrape(lambda: 1 / 0)
    assert value(samples_of(app, "/internal/metrics"), "own_total") == 1
    assert value(samples_of(app, "/internal/metrics"), "desk_requests_in_flight") == 0
    assert ask(app, "/metrics").status_code == 404


def test_openmetrics_is_spoken_with_those_who_ask_for_it() -> None:
    app = plain()
    observe(app, "order-service")
    asked = ask(app, "/metrics", headers={"Accept": "application/openmetrics-text;version=1.0.0"})
    assert asked.headers["content-type"].startswith("application/openmetrics-text")
    assert asked.text.endswith("# EOF\n")
    assert ask(app, "/metrics").headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"prefix": "9x"}, "prefix"),
        ({"prefix": ""}, "prefix"),
        ({"metrics_path": "metrics"}, "metrics_path"),
        ({"buckets": [0.1, 1.0]}, "buckets"),
        ({"log_level": "WARNING"}, "log_level"),
        ({"business": ["ordres"]}, "ordres"),
        ({"business": ["orders"]}, "assets"),
    ],
)
def test_an_option_that_does_not_fit_is_named(options: dict[str, Any], key: str) -> None:
    with pytest.raises(ValueError, match=key):
        observe(plain(), "order-service", **options)


def test_it_is_too_late_once_the_application_has_served() -> None:
    app = plain()
    ask(app, "/orders/1")
    with pytest.raises(RuntimeError, match="before it starts"):
        observe(app, "order-service")
