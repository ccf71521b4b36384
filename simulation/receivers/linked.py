"""What a message links to on this machine: runbooks, dashboards drawn when opened, and a form for a silence."""

from __future__ import annotations

import asyncio
import itertools
import re
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import httpx
from markdown_it import MarkdownIt
from markdown_it.token import Token
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from facts import ROOT
from simulation.receivers.document import document

PAGES = "/pages"
"""Below it are the project's Markdown pages by their paths, so that their links to each other lead somewhere."""
ALERTMANAGER = "/alertmanager"
"""Where Alertmanager's own page would be, whose address its links name: it is built without that page."""
_SILENCE = Path(__file__).with_name("silence.js").read_text()
_SILENCES = "/api/v2/silences"
_FORWARD_SECONDS = 10
LONGEST_SECONDS = 7 * 86400
"""How far back a dashboard is drawn at most."""
_UID = re.compile(r"[\w-]+")


@dataclass
class Linked:
    """The endpoints.

    `report` is the command that draws a dashboard; without it there is none to open. `alertmanager` is the address to
    send silences to.
    """

    report: Sequence[str] = ()
    alertmanager: str = ""
    root: Path = ROOT
    _drawing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def routes(self) -> list[Route]:
        """Return where pages, dashboards and the form are."""
        return [
            Route(PAGES + "/{path:path}", self.page),
            Route("/d/{uid}", self.dashboard),
            Route(ALERTMANAGER, self.silence),
            Route(ALERTMANAGER + "/", self.silence),
            Route(ALERTMANAGER + _SILENCES, self.forward, methods=["POST"]),
        ]

    async def silence(self, _: Request) -> Response:
        """The form for a new silence, whose matchers the link names after its #."""
        form = f"""<main class="text"><h1>New silence</h1>
<p>It replaces the form of Alertmanager's own page, and creates a real silence in {escape(self.alertmanager)}.</p>
<pre id="matchers"></pre>
<form action="{ALERTMANAGER}{_SILENCES}" hidden>
<p><label>Hours <input name="hours" type="number" min="0.1" step="any" value="2" required></label></p>
<p><label>Author <input name="author" required></label></p>
<p><label>Comment <input name="comment" size="60" required></label></p>
<p><button>Create</button></p>
</form>
<p id="said" role="status"></p></main>"""
        return HTMLResponse(document("New silence", form, _SILENCE))

    async def forward(self, request: Request) -> Response:
        """Hand a new silence on: Alertmanager takes none from a page of another address."""
        if request.headers.get("content-type") != "application/json":  # what another site's form cannot send
            return _problem(415, "a silence is sent as application/json")
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                answer = await client.post(
                    f"{self.alertmanager}{_SILENCES}", json=await request.json(), timeout=_FORWARD_SECONDS
                )
            except (httpx.HTTPError, ValueError) as error:
                return PlainTextResponse(f"Alertmanager was not reached: {error}", 502)
        return Response(answer.content, answer.status_code, media_type="application/json")

    async def page(self, request: Request) -> Response:
        """A Markdown page of the project."""
        asked = request.path_params["path"]
        path = (self.root / asked).resolve()
        path = path / "README.md" if path.is_dir() else path
        below = path.relative_to(self.root).parts if path.is_relative_to(self.root) else (".",)
        if path.suffix != ".md" or any(part.startswith(".") for part in below) or not path.is_file():
            return _problem(404, f"{asked} is not a page of this project; the alerts' pages are in alerts/runbooks")
        return HTMLResponse(document(path.stem, f'<main class="text">{markdown(path.read_text())}</main>'))

    async def dashboard(self, request: Request) -> Response:
        """A dashboard as it is now, by the link that Grafana would open: `from` in ms, `var-<name>`."""
        uid = request.path_params["uid"]
        if not self.report or not _UID.fullmatch(uid):
            return _problem(404, f"there is no dashboard {uid} here")
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / "dashboard.html"
            command = [*self.report, "--board", uid, "--out", str(file), *_options(request)]
            async with self._drawing:  # each takes seconds of a processor
                process = await asyncio.create_subprocess_exec(
                    *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
                )
                output, _ = await process.communicate()
            if not file.exists():
                return _problem(502, f"the dashboard could not be drawn: {output.decode(errors='replace').strip()}")
            return HTMLResponse(file.read_bytes())


def _options(request: Request) -> list[str]:
    """The report's options for what the link's query says."""
    options = []
    start = request.query_params.get("from", "")
    if start.isdecimal():
        since = time.time() - int(start) / 1000
        options += ["--since", f"{int(min(max(since, 60), LONGEST_SECONDS))}s"]
    for name, value in request.query_params.multi_items():
        if name.startswith("var-") and value:
            options += ["--choose", f"{name.removeprefix('var-')}={value}"]
    return options


def markdown(text: str) -> str:
    """Markdown as HTML; its headings have the anchors that repository hosts give them."""
    reader = MarkdownIt("commonmark").enable("table")
    reader.options["html"] = False
    tokens = reader.parse(text)
    seen = Counter[str]()
    for heading, content in itertools.pairwise(tokens):
        if heading.type == "heading_open":
            anchor = _anchor(content)
            heading.attrSet("id", f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
            seen[anchor] += 1
    rendered: str = reader.renderer.render(tokens, reader.options, {})
    return rendered


def _anchor(heading: Token) -> str:
    text = "".join(part.content for part in heading.children or ())
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def _problem(status: int, text: str) -> Response:
    return HTMLResponse(document("Not here", f'<main class="text"><p>{escape(text)}</p></main>'), status)
