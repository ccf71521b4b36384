"""A page that runs a query of logs, such as that of a runbook, in the rehearsal's Loki, which has no page itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any
from urllib.parse import quote

import httpx
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from simulation.receivers.document import document, moment, table
from simulation.receivers.prometheus import SHOWN, rows

LOKI = "/loki"
"""Where the page is."""
QUERY = "query"
_HOUR_SECONDS = 3600
_PATIENCE_SECONDS = 60
_LABELS = ("service_name", "k8s_pod_name")
"""What says whose line it is, as far as it has them."""


def link(query: str) -> str:
    """Where the result of a query in LogQL is shown."""
    return f"{LOKI}?{QUERY}={quote(query)}"


@dataclass
class LokiPage:
    """The endpoint; `address` is the Loki that is asked."""

    address: str

    def routes(self) -> list[Route]:
        """Return where the page is."""
        return [Route(path, self.page) for path in (LOKI, LOKI + "/")]

    async def page(self, request: Request) -> Response:
        """The form for a query, and its result: the lines of the last hour, or numbers as they are now."""
        query = request.query_params.get(QUERY, "").strip()
        body = f"""<main class="text"><h1>Loki</h1>
<p>Loki has no page; this one of the rehearsal queries it at {escape(self.address)}, whose API takes queries, too.</p>
<form action="{LOKI}">
<p><textarea name="{QUERY}" rows="6" aria-label="Query in LogQL" required>{escape(query)}</textarea></p>
<p><button>Run</button></p>
</form>
{await self._result(query) if query else ""}</main>"""
        return HTMLResponse(document("Loki", body))

    async def _result(self, query: str) -> str:
        now = time.time()
        lines = query.startswith("{")  # all else that LogQL has are numbers
        path, period = "query", {"time": _nanoseconds(now)}
        if lines:
            path = "query_range"
            period = {"start": _nanoseconds(now - _HOUR_SECONDS), "end": _nanoseconds(now), "limit": str(SHOWN)}
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=_PATIENCE_SECONDS) as client:
                answer = await client.get(f"{self.address}/loki/api/v1/{path}", params={QUERY: query, **period})
            if answer.status_code != httpx.codes.OK:
                return f"<pre>{escape(answer.text)}</pre>"
            data = answer.json()["data"]
        except (httpx.HTTPError, ValueError) as error:
            return f"<p>Loki was not reached: {escape(str(error))}</p>"
        if not lines:
            found = [*rows(data)][:SHOWN]
            return f"<h2>Result now</h2>{table(('Series', 'Value'), found, empty='no result')}"
        newest = sorted(_lines(data), reverse=True)
        cells = [(moment(_rfc3339(at)), escape(whose), escape(line)) for at, whose, line in newest]
        title = f"<h2>The newest {SHOWN} lines of the last hour, or all</h2>"
        return title + table(("Time", "Whose", "Line"), cells, empty="no lines")


def _lines(data: dict[str, Any]) -> Iterator[tuple[int, str, str]]:
    """The lines with their times in nanoseconds, and whose they are."""
    for stream in data["result"]:
        whose = " ".join(stream["stream"][name] for name in _LABELS if name in stream["stream"])
        for at, line, *_ in stream["values"]:
            yield int(at), whose, line


def _nanoseconds(seconds: float) -> str:
    return str(round(seconds * 1e9))


def _rfc3339(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
