"""What a message links to on this machine: runbooks, and dashboards drawn when opened."""

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

from markdown_it import MarkdownIt
from markdown_it.token import Token
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from facts import ROOT
from simulation.receivers import loki, prometheus
from simulation.receivers.document import document

PAGES = "/pages"
"""Below it are the project's Markdown pages by their paths, so that their links to each other lead somewhere."""
DASHBOARDS = "/d"
"""Where Grafana has them, too."""
LONGEST_SECONDS = 7 * 86400
"""How far back a dashboard is drawn at most."""
_PICTURE = re.compile(r"docs/images/[\w-]+\.png")
_TEXT = re.compile(r"LICENSE|NOTICE|examples/stacks/[\w-]+/Pulumi\.[\w-]+\.yaml")
"""Files that pages link to. No stack file but the examples', which have no secrets."""
_ADDRESS = re.compile(r"(?<=//127\.0\.0\.1:)\d+")
"""The port in an address of the rehearsal, as the pages name it; those after `kubectl port-forward` are localhost's."""


@dataclass
class Linked:
    """The endpoints.

    `report` is the command that draws a dashboard; without it there is none to open. `port_offset` is how far the ports
    are from those that the pages name.
    """

    report: Sequence[str] = ()
    port_offset: int = 0
    root: Path = ROOT
    _drawing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def routes(self) -> list[Route]:
        """Return where pages and dashboards are."""
        return [
            Route(PAGES, lambda _: RedirectResponse(f"{PAGES}/docs/runbooks/README.md")),
            Route(PAGES + "/{path:path}", self.page),
            Route(DASHBOARDS, self.index),
            Route(DASHBOARDS + "/{uid}", self.dashboard),
            Route("/favicon.ico", lambda _: Response(status_code=204)),  # browsers ask for it
        ]

    async def page(self, request: Request) -> Response:
        """A Markdown page of the project, or what pages link to: a picture, a licence, the stack file of an example."""
        asked = request.path_params["path"]
        path = (self.root / asked).resolve()
        path = path / "README.md" if path.is_dir() else path
        below = path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else ".."
        hidden = any(part.startswith(".") for part in below.split("/"))
        if not hidden and path.is_file():
            if path.suffix == ".md":
                body = f'<main class="text">{markdown(self._here(path.read_text()))}</main>'
                return HTMLResponse(document(path.stem, body))
            if _PICTURE.fullmatch(below):
                return FileResponse(path)
            if _TEXT.fullmatch(below):
                return PlainTextResponse(path.read_text())
        return _problem(404, f"{asked} is not a page of this project; the alerts' pages are in alerts/runbooks")

    def _here(self, text: str) -> str:
        """A page with the ports of this rehearsal."""
        return _ADDRESS.sub(lambda port: str(int(port[0]) + self.port_offset), text)

    async def index(self, _: Request) -> Response:
        """The dashboards that can be drawn."""
        return _page("Dashboards", self._listed())

    def _listed(self) -> str:
        if not self.report:
            return "<p>Nothing draws dashboards here.</p>"
        links = "".join(f'<li><a href="{DASHBOARDS}/{uid}">{uid}</a></li>' for uid in _dashboards())
        return f"<p>Each is drawn when it is opened, which takes seconds.</p><ul>{links}</ul>"

    async def dashboard(self, request: Request) -> Response:
        """A dashboard as it is now, by the link that Grafana would open: `from` in ms, `var-<name>`."""
        uid = request.path_params["uid"]
        if not self.report or uid not in _dashboards():
            return _page("Dashboards", f"<p>There is no dashboard {escape(uid)} here.</p>{self._listed()}", 404)
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
    """Markdown as HTML: headings with the anchors that repository hosts give them, queries with a link to their result.

    Of HTML in it, comments are left out, and all else is text.
    """
    reader = MarkdownIt("commonmark").enable("table")
    reader.add_render_rule("fence", _block)
    reader.options["html"] = True  # to know what is a comment
    reader.add_render_rule("html_block", _markup)
    reader.add_render_rule("html_inline", _markup)
    tokens = reader.parse(text)
    seen = Counter[str]()
    for heading, content in itertools.pairwise(tokens):
        if heading.type == "heading_open":
            anchor = _anchor(content)
            heading.attrSet("id", f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
            seen[anchor] += 1
    rendered: str = reader.renderer.render(tokens, reader.options, {})
    return rendered


def _block(_: object, tokens: Sequence[Token], place: int, *__: object) -> str:
    """A block of code."""
    code, language = tokens[place].content, tokens[place].info
    link = _LINKS[language](code.strip()) if language in _LINKS else ""
    run = f'<p><a href="{escape(link)}">Run this query</a></p>\n' if link else ""
    return f"<pre><code>{escape(code)}</code></pre>\n{run}"


_LINKS = {"promql": prometheus.link, "logql": loki.link}


def _markup(_: object, tokens: Sequence[Token], place: int, *__: object) -> str:
    return escape(_COMMENT.sub("", tokens[place].content))


_COMMENT = re.compile(r"<!--.*?-->\n?", re.DOTALL)


def _anchor(heading: Token) -> str:
    text = "".join(part.content for part in heading.children or ())
    return re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")


def _dashboards() -> list[str]:
    from dashboards import uids  # only now: it takes memory that few rehearsals need

    return uids()


def _problem(status: int, text: str) -> Response:
    return _page("Not here", f"<p>{escape(text)}</p>", status)


def _page(title: str, content: str, status: int = 200) -> Response:
    return HTMLResponse(document(title, f'<main class="text"><h1>{title}</h1>{content}</main>'), status)
