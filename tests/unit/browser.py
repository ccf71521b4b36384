"""Opens the receivers' pages without a socket, and reads them."""

from __future__ import annotations

import asyncio
from html.parser import HTMLParser
from typing import Any, Protocol

import httpx
from starlette.applications import Starlette
from starlette.routing import Route


class Elements(HTMLParser):
    """The elements and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.links: list[str] = []
        self.pictures: list[str] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]
        self.pictures += [value or "" for name, value in attrs if (tag, name) == ("img", "src")]


class Part(Protocol):
    """Some of the receivers' endpoints."""

    def routes(self) -> list[Route]:
        """Where they are."""


class Browser:
    """Opens the addresses of a part of the receivers."""

    def __init__(self, part: Part) -> None:
        self._transport = httpx.ASGITransport(app=Starlette(routes=part.routes()))

    def get(self, path: str, **options: Any) -> httpx.Response:
        """The answer to a request."""
        return self._ask("GET", path, **options)

    def post(self, path: str, **body: Any) -> httpx.Response:
        """The answer to a request with a body."""
        return self._ask("POST", path, **body)

    def delete(self, path: str) -> httpx.Response:
        """The answer to a request to remove something."""
        return self._ask("DELETE", path)

    def _ask(self, method: str, path: str, **body: Any) -> httpx.Response:
        async def answer() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://here.test") as client:
                return await client.request(method, path, **body)

        return asyncio.run(answer())
