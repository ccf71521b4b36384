"""The page: every board on one self-contained page, which needs nothing but the browser that opens it.

plotly's script is put into it once. A content security policy names the digests of the scripts that may run and allows
no address at all, so neither the page nor a label or log line in it can load or run anything else.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import plotly.offline

from local.times import TIMES
from report.gather import Drawing, Drawn, Part
from report.markup import document, moment, prose, slug, tag

HERE = Path(__file__).parent
STATES = {
    "healthy": "empty, which is normal",
    "early": "in need of older data",
    "empty": "without data",
    "elsewhere": "not asked",
    "failed": "failed",
}
"""What the headline says of panels that show no data."""
_SPANS = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "y": "year"}


def page(drawings: Sequence[Drawing], *, stack: str, now: float) -> bytes:
    """The page of these boards, in UTF-8; the first is shown first."""
    content = (_header(drawings, stack, now), _tabs(drawings), *(_board(drawing) for drawing in drawings))
    return drawn_by_script(f"Dashboards of the {stack} stack", *content)


def drawn_by_script(title: str, *content: Element, style: str = "") -> bytes:
    """A page in UTF-8 with the script that draws its graphs; `style` is added to the report's own."""
    scripts = [plotly.offline.get_plotlyjs(), TIMES, (HERE / "page.js").read_text()]
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
        f"script-src {' '.join(_digest(script) for script in scripts)}"
    )
    body = tag(
        "body",
        *content,
        tag("noscript", "This page draws its graphs with a script of its own, which this browser does not run."),
        *(tag("script", script) for script in scripts),
    )
    return document(title, body, style=(HERE / "page.css").read_text() + style, policy=policy)


def headline(drawings: Sequence[Drawing]) -> str:
    """How many boards and panels there are, and how many show no data, and why."""
    states = Counter[str](panel.state for drawing in drawings for panel in drawing.panels)
    counts = [f"{states[state]} {words}" for state, words in STATES.items() if states[state]]
    boards = f"{len(drawings)} dashboard{'s' if len(drawings) > 1 else ''}"
    return ", ".join([f"{boards}, {states.total()} panels", *counts])


def _digest(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _header(drawings: Sequence[Drawing], stack: str, now: float) -> Element:
    return tag(
        "header",
        tag("h1", "Order processor monitoring"),
        tag(
            "p",
            f"Stack {stack}, as its rehearsal on one machine shows it: a simulated application, this machine as its "
            "node, and invented series of Kubernetes and AWS. Drawn ",
            moment(now),
            f". {headline(drawings)}.",
        ),
    )


def _tabs(drawings: Sequence[Drawing]) -> Element:
    links = (tag("a", drawing.board.title, *_badge(drawing), href=f"#{drawing.board.uid}") for drawing in drawings)
    return tag("nav", *links)


def _badge(drawing: Drawing) -> list[Element]:
    """How many panels of a board need a look."""
    states = Counter(panel.state for panel in drawing.panels)
    return [
        tag("span", str(states[state]), class_=f"badge {state}", title=f"{states[state]} panels {STATES[state]}")
        for state in ("failed", "empty")
        if states[state]
    ]


def _board(drawing: Drawing) -> Element:
    board, period = drawing.board, drawing.period
    facts = [tag("span", "From ", moment(period.start), " to ", moment(period.end), class_="fact")]
    facts += [tag("span", f"{label}: ", tag("b", words), class_="fact") for label, words in drawing.chosen.items()]
    rows = [
        tag("a", part.title, href=f"#{_anchor(drawing, part)}") for part in drawing.parts if part.title and part.panels
    ]
    return tag(
        "main",
        tag("h2", board.title),
        tag("p", board.description, class_="about"),
        tag("p", *facts, class_="facts"),
        _marks(drawing),
        tag("p", *rows, class_="contents"),
        *(_part(drawing, part) for part in drawing.parts),
        data_board=board.uid,
        hidden="hidden",
    )


def _anchor(drawing: Drawing, part: Part) -> str:
    return f"{drawing.board.uid}/{slug(part.title)}"


def _marks(drawing: Drawing) -> Element | None:
    if drawing.problem:
        return tag("pre", f"marks on the graphs are missing: {drawing.problem}", class_="error")
    if not drawing.marks:
        return None
    listed = [
        tag(
            "li",
            tag("i", style=f"background:{mark.colour}"),
            moment(mark.start),
            " to ",
            moment(mark.end),
            f" {mark.title}",
        )
        for mark in reversed(drawing.marks)
    ]
    count = len(drawing.marks)
    return tag("details", tag("summary", f"{count} marked on the graphs"), tag("ul", *listed), class_="marks")


def _part(drawing: Drawing, part: Part) -> Element | None:
    if not part.panels:
        return None
    grid = tag("div", *(article(panel) for panel in part.panels), class_="grid")
    return tag("section", tag("h3", part.title) if part.title else None, grid, data_row=_anchor(drawing, part))


def _past(duration: str) -> str:
    """A panel's own time range, such as `30d`, in words."""
    count, unit = duration[:-1], duration[-1]
    return f"Last {count} {_SPANS[unit]}{'' if count == '1' else 's'}"


def article(drawn: Drawn, note: str | None = None) -> Element:
    """A panel with its title; `note` is said beside that."""
    panel = drawn.panel
    queries = [tag("pre", target.expr) for target in panel.targets]
    return tag(
        "article",
        tag(
            "div",
            tag("h4", panel.title, title=panel.title),
            tag("small", _past(panel.raw["timeFrom"])) if panel.since else None,
            tag("small", note, title=note) if note else None,
            tag(
                "details",
                tag("summary", "?", title="What this shows"),
                tag("div", *prose(panel.description), *queries),
                class_="help",
            ),
            class_="title",
        ),
        drawn.body,
        class_=f"panel {panel.kind} {drawn.state}",
        style=f"grid-column:span {panel.width};--rows:{panel.height}",
        data_panel=panel.id,
    )
