"""In place of Prometheus' own page, which is not built: a query, such as that of an alert, and its result now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

import httpx
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from simulation.receivers.document import document, table

PROMETHEUS = "/prometheus"
"""Where the page is; Prometheus names it as its own address in each alert's link to its expression."""
GRAPH = PROMETHEUS + "/graph"
EXPRESSION = "g0.expr"
SHOWN = 200
"""How many series the page lists."""
_SECONDS = 60


def link(expression: str) -> str:
    """Where the result of a query is shown."""
    return f"{GRAPH}?{EXPRESSION}={quote(expression)}"


@dataclass
class PrometheusPage:
    """The endpoint; `address` is the Prometheus that is asked."""

    address: str

    def routes(self) -> list[Route]:
        """Return where the page is."""
        return [Route(path, self.page) for path in (PROMETHEUS, PROMETHEUS + "/", GRAPH, PROMETHEUS + "/query")]

    async def page(self, request: Request) -> Response:
        """The form for a query, and its result."""
        expression = request.query_params.get(EXPRESSION, "").strip()
        body = f"""<main class="text"><h1>Prometheus</h1>
<p>This page of the rehearsal replaces Prometheus' own, which is not built. It queries the real one at
{escape(self.address)}, whose API takes queries, too.</p>
<form action="{GRAPH}">
<p><textarea name="{EXPRESSION}" rows="6" aria-label="Query in PromQL" required>{escape(expression)}</textarea></p>
<p><button>Run</button></p>
</form>
{await self._result(expression) if expression else ""}</main>"""
        return HTMLResponse(document("Prometheus", body))

    async def _result(self, expression: str) -> str:
        try:
            async with httpx.AsyncClient(trust_env=False, timeout=_SECONDS) as client:
                answer = (await client.post(f"{self.address}/api/v1/query", data={"query": expression})).json()
        except (httpx.HTTPError, ValueError) as error:
            return f"<p>Prometheus was not reached: {escape(str(error))}</p>"
        if answer.get("status") != "success":
            return f"<pre>{escape(str(answer.get('error')))}</pre>"
        found = list(rows(answer["data"]))
        more = f"<p>The first {SHOWN} of {len(found)} series.</p>" if len(found) > SHOWN else ""
        return f"<h2>Result now</h2>{more}{table(('Series', 'Value'), found[:SHOWN], empty='no result')}"


def rows(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Each series of a result with its values, as HTML."""
    if data["resultType"] in ("scalar", "string"):
        yield "", escape(str(data["result"][1]))
        return
    for series in data["result"]:
        labels = ", ".join(f'{name}="{value}"' for name, value in series["metric"].items() if name != "__name__")
        samples = series["values"] if "values" in series else [series["value"]]
        yield escape(f"{series['metric'].get('__name__', '')}{{{labels}}}"), escape("\n".join(at[1] for at in samples))
