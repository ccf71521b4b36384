"""One worker of several: `python worker.py REQUESTS ENDS` answers so many requests, and tells what it exposes."""

import asyncio
import os
import sys

from asking import client
from prometheus_client import Gauge, Histogram, Summary
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from order_processor_observability import observe


async def answer(_request: Request) -> Response:
    if sys.argv[2] == "killed":
        sys.stdout.flush()
        os._exit(9)  # in the middle of a request
    return PlainTextResponse("here")


app = Starlette(routes=[Route("/orders", answer)])
handle = observe(app, "order-service", version="1", business=["users"], access_lines=False, log_level="ERROR")
count = int(sys.argv[1])
for mode in ("min", "max", "sum", "mostrecent", "livesum"):
    Gauge(f"own_{mode}", "One of the service's.", registry=handle.registry, multiprocess_mode=mode).set(count)
Histogram("own_seconds", "The same.", registry=handle.registry, buckets=[1, 5]).observe(count)
Summary("own_size", "The same.", registry=handle.registry).observe(count)


async def main() -> str:
    async with client(app) as asking:
        for _ in range(count):
            await asking.get("/orders")
            handle.business.users.registered()
        return (await asking.get("/metrics")).text


print(asyncio.run(main()))  # noqa: T201  # for the test
