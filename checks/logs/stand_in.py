"""A stand-in between the agent and the real Loki: hands requests on, or answers with an error of one's choice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle

import httpx

from local.ports import HOST


class FaultInjector:
    """Hands every request on to Loki, unless it is told to answer with a status itself."""

    def __init__(self, loki: str) -> None:
        self._statuses: Iterator[int] | None = None
        self.refused = 0
        """Requests that were answered so."""
        self._client = httpx.Client(base_url=loki, timeout=30, trust_env=False)
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                kept = ("content-type", "content-encoding")
                headers = {name: value for name, value in self.headers.items() if name.lower() in kept}
                status, answer = stand_in.answer(self.path, headers, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self._server.server_port}"

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        """Status and body for one request; 502 where Loki does not answer."""
        if self._statuses is not None:
            self.refused += 1
            return next(self._statuses), b"a stand-in refuses this"
        try:
            answer = self._client.post(path, headers=headers, content=body)
        except httpx.HTTPError as error:
            return 502, str(error).encode()
        return answer.status_code, answer.content

    @contextmanager
    def answering(self, *statuses: int) -> Iterator[None]:
        """Refuse everything until the block ends, with each of these in turn."""
        self._statuses = cycle(statuses)
        try:
            yield
        finally:
            self._statuses = None

    @contextmanager
    def running(self) -> Iterator[FaultInjector]:
        """Serve until the block ends."""
        thread = threading.Thread(target=self._server.serve_forever, name="stand-in", daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            self._client.close()
            thread.join()
