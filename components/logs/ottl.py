"""Texts of the collector's transformation language."""

from __future__ import annotations


def literal(text: str) -> str:
    """A string of the language. The collector expands `$` in its configuration itself, so that one is doubled."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'
