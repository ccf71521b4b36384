"""A whole HTML page of the receivers, with their style."""

from __future__ import annotations

from html import escape
from pathlib import Path

STYLE = Path(__file__).with_name("page.css").read_text()


def document(title: str, body: str, script: str = "") -> str:
    """The page around a body that is HTML already; `script` is JavaScript."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{body}\n"
        f"{f'<script>{script}</script>' if script else ''}</body>\n</html>\n"
    )
