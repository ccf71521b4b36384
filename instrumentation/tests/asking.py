"""Asking an application in process, and reading what it wrote."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.types import Message

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def client(app: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service")


def ask(app: Any, path: str, method: str = "GET", **options: Any) -> httpx.Response:
    async def once() -> httpx.Response:
        async with client(app) as asking:
            return await asking.request(method, path, **options)

    return asyncio.run(once())


def samples_of(app: Any, path: str = "/metrics") -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(ask(app, path).text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def endpoints(samples: Samples) -> set[str]:
    return {dict(labels)["endpoint"] for _, labels in samples if "endpoint" in dict(labels)}


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """Every line that was written to standard output since the last call, each of which must be JSON."""
    return [json.loads(line) for line in lines(capsys)]


def lines(capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    text = capsys.readouterr().out
    assert not text or text.endswith("\n")
    return iter(text.split("\n")[:-1])


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[None]:
    """The application between its startup and its shutdown."""
    to_app: asyncio.Queue[Message] = asyncio.Queue()
    from_app: asyncio.Queue[Message] = asyncio.Queue()
    life = asyncio.create_task(app({"type": "lifespan", "state": {}}, to_app.get, from_app.put))
    await to_app.put({"type": "lifespan.startup"})
    assert (await from_app.get())["type"] == "lifespan.startup.complete"
    yield
    await to_app.put({"type": "lifespan.shutdown"})
    assert (await from_app.get())["type"] == "lifespan.shutdown.complete"
    await life
