"""In place of Alertmanager's own page, which is not built: what fires, the silences, and the form for a new one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from simulation.receivers.document import document, moment, table

ALERTMANAGER = "/alertmanager"
"""Where the page is, whose address the links of messages name."""
_SCRIPT = Path(__file__).with_name("silence.js").read_text()
_SILENCES = "/api/v2/silences"
_SILENCE = "/api/v2/silence"
_SECONDS = 10

# The script shows one of the two explanations, by what the link names.
_FORM = f"""<p id="none" hidden>This address names no labels of what to silence. Open the link <em>Silence</em> or
<em>Acknowledge</em> of a message.</p>
<section id="new" hidden>
<div data-of="page"><h2>Acknowledge a page</h2>
<p>You say that you work on this page. Its reminder, the alert PageUnresolved that is sent by e-mail, is muted for
as long as you choose.</p>
<ul><li>The page itself is not muted. It is repeated while it fires, and its resolved message is sent.</li>
<li>When the time is over and the page still fires, the reminder is sent within minutes. The silence does not end with
the page: if the page fires again before, it counts as acknowledged.</li>
<li>Everyone who opens Alertmanager sees your name and comment. PagerDuty does not: acknowledge the incident there,
too.</li></ul></div>
<div data-of="others"><h2>Silence alerts</h2>
<p>No message is sent of any alert that has all of the labels below, for as long as you choose: of those that fire now,
and of those that start.</p>
<ul><li>No message is sent that such an alert is resolved, either.</li>
<li>When the time is over, what still fires is sent again within minutes.</li>
<li>Everyone who opens Alertmanager sees your name and comment.</li></ul></div>
<p>Labels of what is muted:</p>
<pre id="matchers"></pre>
<form action="{ALERTMANAGER}{_SILENCES}">
<p><label>For how many hours <input name="hours" type="number" min="0.1" step="any" value="2" required></label></p>
<p><label>Your name <input name="author" required></label></p>
<p><label>Comment <input name="comment" size="60" required></label></p>
<p><button>Create</button></p>
</form>
<p id="said" role="status"></p></section>"""


@dataclass
class AlertmanagerPage:
    """The endpoints; `address` is the Alertmanager that is asked."""

    address: str

    def routes(self) -> list[Route]:
        """Return where the page is, and where its form sends a silence."""
        return [
            Route(ALERTMANAGER, self.page),
            Route(ALERTMANAGER + "/", self.page),
            Route(ALERTMANAGER + _SILENCES, self.forward, methods=["POST"]),
            Route(ALERTMANAGER + _SILENCE + "/{id}", self.end, methods=["DELETE"]),
        ]

    async def page(self, _: Request) -> Response:
        """What fires and what is silenced; and the form, if the address names after its # what to silence."""
        lists = await asyncio.gather(
            self._list("Alerts that fire", "/api/v2/alerts", _alerts), self._list("Silences", _SILENCES, _silences)
        )
        body = f"""<main class="text"><h1>Alertmanager</h1>
<p>This page of the rehearsal replaces Alertmanager's own, which is not built. It shows and changes the real one at
{escape(self.address)}.</p>
{_FORM}
<div id="lists">{"".join(lists)}</div></main>"""
        return HTMLResponse(document("Alertmanager", body, _SCRIPT))

    async def forward(self, request: Request) -> Response:
        """Hand a new silence on: Alertmanager takes none from a page of another address."""
        if request.headers.get("content-type") != "application/json":  # what another site's form cannot send
            return PlainTextResponse("a silence is sent as application/json", 415)
        try:
            answer = await self._ask("POST", _SILENCES, await request.json())
        except (httpx.HTTPError, ValueError) as error:
            return PlainTextResponse(f"Alertmanager was not reached: {error}", 502)
        return Response(answer.content, answer.status_code, media_type="application/json")

    async def end(self, request: Request) -> Response:
        """End a silence now. No page of another address can: browsers ask first whether it may delete."""
        try:
            answer = await self._ask("DELETE", f"{_SILENCE}/{quote(request.path_params['id'], safe='')}")
        except httpx.HTTPError as error:
            return PlainTextResponse(f"Alertmanager was not reached: {error}", 502)
        return Response(answer.content, answer.status_code)

    async def _list(self, title: str, path: str, rows: Any) -> str:
        try:
            found = rows((await self._ask("GET", path)).raise_for_status().json())
        except (httpx.HTTPError, ValueError) as error:
            found = f"<p>Alertmanager was not reached: {escape(str(error))}</p>"
        return f"<h2>{title}</h2>{found}"

    async def _ask(self, method: str, path: str, body: Any = None) -> httpx.Response:
        async with httpx.AsyncClient(trust_env=False, timeout=_SECONDS) as client:
            return await client.request(method, f"{self.address}{path}", json=body)


def _alerts(alerts: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            escape(alert["labels"].get("alertname", "")),
            escape(alert["labels"].get("service", "")),
            escape(alert["labels"].get("severity", "")),
            moment(alert["startsAt"]),
            "silenced" if alert["status"]["silencedBy"] else "",
        )
        for alert in alerts
    ]
    return table(("Alert", "Service", "Severity", "Since", "Silenced"), rows)


def _silences(silences: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        (
            "<br>".join(map(_matcher, silence["matchers"])),
            moment(silence["endsAt"]),
            escape(silence["createdBy"]),
            escape(silence["comment"]),
            f'<button data-ends="{ALERTMANAGER}{_SILENCE}/{escape(silence["id"])}">End it now</button>',
        )
        for silence in _in_force(silences)
    ]
    return table(("Labels of what is muted", "Until", "By", "Comment", ""), rows)


def _in_force(silences: Iterable[Mapping[str, Any]]) -> Iterable[Mapping[str, Any]]:
    return (silence for silence in silences if silence["status"]["state"] != "expired")


def _matcher(matcher: Mapping[str, Any]) -> str:
    sign = {(True, False): "=", (False, False): "!=", (True, True): "=~", (False, True): "!~"}
    return escape(f'{matcher["name"]}{sign[matcher["isEqual"], matcher["isRegex"]]}"{matcher["value"]}"')
