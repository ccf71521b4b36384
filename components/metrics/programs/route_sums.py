"""Adds up a page of metrics by route, between Prometheus and a service whose label `endpoint` is the raw path.

    GET /internal/metrics?target=10.0.0.1:8000&route=/orders/&route=/orders/{order_id}

answers with the page http://10.0.0.1:8000/internal/metrics, where each path is the route that it belongs to, or
`unmatched`, and series that have become the same are one with their sum: right for counters and histograms, as they
are of one process. What has no such label stays as it is. A page that is not whole, or not in time, is an error: then
Prometheus says that the scrape has failed. It remembers nothing from one page to the next, and of a page only what it
answers, so that its memory does not grow with the number of paths.

It needs nothing but Python, and so runs from a ConfigMap in an image that has no more than that.
"""

from __future__ import annotations

import argparse
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from http.client import HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

UNMATCHED = b"unmatched"
TEXT = "text/plain; version=0.0.4"
"""The format of Prometheus' clients that needs no negotiation."""
TIMEOUT_SECONDS = 10.0
"""Where the caller does not say how long it waits."""
BLOCK = 1 << 20
"""Bytes that are added up together; as large, most of their lines differ in nothing but the path."""
ENDPOINT = re.compile(rb'endpoint="(?<=[{,]endpoint=")([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
"""The label and its value; it is no other label whose name ends so."""


class IncompleteError(Exception):
    """A page that ended too soon or took too long."""


class Routes:
    """The routes of a service; a template has a name in braces for each part of a path that varies."""

    def __init__(self, templates: Iterable[str]) -> None:
        self._known = {template.encode(): re.escape(template) for template in templates}
        self._patterns = [
            (re.compile(re.sub(r"\\\{.+?\\\}", "[^/]+", pattern).encode()), template)
            for template, pattern in self._known.items()
            if b"{" in template
        ]

    def of(self, path: bytes) -> bytes:
        """The route that a path belongs to."""
        if path in self._known:
            return path
        return next((template for pattern, template in self._patterns if pattern.fullmatch(path)), UNMATCHED)


def added_up(blocks: Iterable[bytes], routes: Routes) -> Iterator[bytes]:
    """The lines of a page with the sums by route, each where the first line of its kind was."""
    page: dict[bytes, float | None] = {}
    for block in blocks:
        parts = ENDPOINT.split(block)  # every second one is a path
        route = {path: b'endpoint="%b"' % routes.of(path) for path in set(parts[1::2])}
        parts[1::2] = [route[path] for path in parts[1::2]]
        for line, times in Counter(b"".join(parts).split(b"\n")).items():
            series, _, value = line.rpartition(b"} ")
            if line.startswith(b"#") or not ENDPOINT.search(series):
                page[line] = None
            else:
                page[series] = (page.get(series) or 0.0) + float(value.partition(b" ")[0]) * times
    for series, total in page.items():
        yield series if total is None else b"%b} %b" % (series, repr(total).encode())


def whole_blocks(page: BytesIO | HTTPResponse, deadline: float) -> Iterator[bytes]:
    """The page in blocks of whole lines; the last line must have an end, too.

    Raises IncompleteError, also at the deadline, which is of the monotonic clock.
    """
    rest = bytearray()
    while chunk := page.read1(BLOCK):
        if time.monotonic() > deadline:
            raise IncompleteError("the page took too long")
        rest += chunk
        if len(rest) >= BLOCK and (end := rest.rfind(b"\n")) >= 0:
            yield bytes(rest[:end])
            del rest[: end + 1]
    missing = page.length if isinstance(page, HTTPResponse) else 0
    if missing or (rest and not rest.endswith(b"\n")):
        raise IncompleteError("the page ended too soon")
    if rest:
        yield bytes(rest[:-1])


class Handler(BaseHTTPRequestHandler):
    """One page for each request."""

    def do_GET(self) -> None:
        """Answer with the sums, 502 if there is no whole page, 400 without a target."""
        asked = urlsplit(self.path)
        query = parse_qs(asked.query)
        if asked.path == "/-/healthy":
            self._answer(200, b"ok\n")
        elif "target" not in query:
            self._answer(400, b"expected target=host:port, and a route=... for each route\n")
        else:
            try:
                self._answer(200, self._page(query["target"][0], asked.path, query.get("route", [])))
            except (OSError, HTTPException, ValueError, IncompleteError) as error:
                self._answer(502, f"{error}\n".encode())

    def _page(self, target: str, path: str, routes: list[str]) -> bytes:
        seconds = float(self.headers.get("X-Prometheus-Scrape-Timeout-Seconds") or TIMEOUT_SECONDS)
        deadline = time.monotonic() + seconds
        request = Request(f"http://{target}{path}", headers={"Accept": TEXT})
        with urlopen(request, timeout=seconds) as page:  # noqa: S310
            lines = added_up(whole_blocks(page, deadline), Routes(routes))
            return b"".join(line + b"\n" for line in lines)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{TEXT}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the parent's name
        """Say nothing of each scrape: Prometheus keeps the reason of one that failed."""


def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", default="0.0.0.0", help="(default %(default)s)")  # noqa: S104 - in a pod
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    ThreadingHTTPServer((arguments.address, arguments.port), Handler).serve_forever()


if __name__ == "__main__":
    main()
