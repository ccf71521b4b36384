"""HTML as a tree: text and attributes are escaped where it is written, so what a log line says stays text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, tostring

Content = Element | str | None

_EMPHASIS = re.compile(r"\*\*(?P<strong>.+?)\*\*|`(?P<code>[^`]+)`", re.DOTALL)


def tag(name: str, /, *content: Content, **attributes: object) -> Element:
    """An element. `class_` is the attribute `class`, `data_at` is `data-at`; what is None is left out."""
    named = {key.rstrip("_").replace("_", "-"): str(value) for key, value in attributes.items() if value is not None}
    element = Element(name, named)
    for item in content:
        _append(element, item)
    return element


def _append(element: Element, item: Content) -> None:
    if isinstance(item, Element):
        element.append(item)
    elif item and len(element):
        element[-1].tail = (element[-1].tail or "") + item
    elif item:
        element.text = (element.text or "") + item


def moment(seconds: float, words: str | None = None) -> Element:
    """A time that the page shows in its viewer's zone; with `words`, those, and the time as their tooltip."""
    written = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return tag("time", words or utc(seconds), datetime=written, data_words=words and "")


def utc(seconds: float) -> str:
    """A time as it is written where no script can know the viewer's zone."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def prose(text: str) -> list[Element]:
    """Paragraphs of a description: Grafana's Markdown, of which **strong** and `code` are kept."""
    return [tag("p", *_inline(paragraph)) for paragraph in text.split("\n\n") if paragraph.strip()]


def _inline(text: str) -> Iterator[Content]:
    end = 0
    for match in _EMPHASIS.finditer(text):
        yield text[end : match.start()]
        yield tag("strong", match["strong"]) if match["strong"] else tag("code", match["code"])
        end = match.end()
    yield text[end:]


def data(value: Any, **attributes: object) -> Element:
    """JSON for the page's script to read; no text in it can end the element."""
    written = json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return tag("script", written, type="application/json", **attributes)


def slug(text: str) -> str:
    """Text as part of an address within the page."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def document(title: str, body: Element, *, style: str, policy: str) -> bytes:
    """The page, in UTF-8; `policy` says what it may load and run."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="dark"),
        tag("title", title),
        tag("style", style),
    )
    root = tag("html", head, body, lang="en")
    return b"<!doctype html>\n" + tostring(root, encoding="unicode", method="html").encode(errors="replace")
