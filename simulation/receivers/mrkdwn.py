"""Slack's mrkdwn as HTML: bold, italic, struck out, code, quotes and links; all else is text.

Source: Slack's documentation "Formatting text for app surfaces".
"""

from __future__ import annotations

import re
from html import escape

_PIECE = re.compile(
    r"```(?P<block>.+?)```|`(?P<code>[^`\n]+)`|<(?P<url>(?:https?://|mailto:)[^\s<>|]+)(?:\|(?P<text>[^<>\n]+))?>",
    re.DOTALL,
)
_STYLES = (("*", "strong"), ("_", "em"), ("~", "del"))


def html(text: str) -> str:
    """A text as Slack shows it."""
    made, end = "", 0
    for piece in _PIECE.finditer(text):
        made += _plain(text[end : piece.start()]) + _piece(piece)
        end = piece.end()
    return _lines(made + _plain(text[end:]))


def link(url: str, text: str) -> str:
    """A link that opens beside the page. Only to be used for addresses of the web and of mail."""
    return f'<a href="{escape(url)}" target="_blank" rel="noreferrer">{escape(text)}</a>'


def linked(text: str) -> str:
    """A plain text as HTML, its addresses as links, as mail programs show it."""
    parts = re.split(r"(https?://[^\s<>\"]+)", text)
    return "".join(link(part, part) if number % 2 else escape(part) for number, part in enumerate(parts))


def _piece(piece: re.Match[str]) -> str:
    if piece["block"] is not None:
        return f"<pre>{_text(piece['block'].strip(chr(10)))}</pre>"
    if piece["code"] is not None:
        return f"<code>{_text(piece['code'])}</code>"
    url = _decoded(piece["url"])
    return link(url, _decoded(piece["text"] or url.removeprefix("mailto:")))


def _plain(text: str) -> str:
    """Text with its styles: a mark counts at the edge of a word, where it touches what it marks."""
    made = _text(text)
    for mark, element in _STYLES:
        sign = re.escape(mark)
        made = re.sub(
            rf"(?<![\w{sign}]){sign}(?=\S)([^{sign}\n]+?)(?<=\S){sign}(?![\w{sign}])",
            rf"<{element}>\1</{element}>",
            made,
        )
    return made


def _text(text: str) -> str:
    return escape(_decoded(text), quote=False)


def _decoded(text: str) -> str:
    """Slack has three entities, and no others."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _lines(made: str) -> str:
    parts = re.split(r"(<pre>.*?</pre>)", made, flags=re.DOTALL)
    return "".join(part if number % 2 else part.replace("\n", "<br>\n") for number, part in enumerate(parts))
