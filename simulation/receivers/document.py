"""A whole HTML page of the receivers, with their style."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from local.times import TIMES

STYLE = Path(__file__).with_name("page.css").read_text()


def document(title: str, body: str, script: str = "") -> str:
    """The page around a body that is HTML already; `script` is JavaScript, which may call what `TIMES` has."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}\n"
        f"{f'<script>{TIMES}{script}</script>' if script else ''}</body>\n</html>\n"
    )


def moment(rfc3339: str) -> str:
    """A time, which a script may show in the viewer's zone."""
    return f'<time datetime="{escape(rfc3339)}">{escape(rfc3339)}</time>'


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str = "none", caption: str = "") -> str:
    """A table of cells that are HTML already; `empty` is what it says without rows."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    body = body or f'<tr><td colspan="{len(columns)}">{escape(empty)}</td></tr>\n'
    title = f"<caption>{escape(caption)}</caption>\n" if caption else ""
    return f"<table>{title}<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"
