"""Texts of the collector's transformation language (OTTL). Nothing else escapes for it: `literal` does."""

from __future__ import annotations

import re

BODY = "log.body"
"""The line."""


def literal(text: str) -> str:
    """A string of the language. The collector expands `$` in its configuration itself, so that one is doubled."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'


def matches(*patterns: str, of: str = BODY) -> str:
    """Whether one of the patterns matches; one that begins with a text is searched for as fast as the text."""
    return " or ".join(f"IsMatch({of}, {literal(pattern)})" for pattern in patterns)


def has(*texts: str, of: str = BODY) -> str:
    """Whether one of these texts is in it, which costs next to nothing."""
    return matches(*map(re.escape, texts), of=of)


def every(*conditions: str) -> str:
    """Whether all of these hold."""
    return " and ".join(f"({each})" if " or " in each else each for each in conditions)


def replace_pattern(pattern: str, replacement: str, where: str = "", of: str = BODY) -> str:
    """The statement that replaces what matches, for the lines of which the condition holds."""
    return f"replace_pattern({of}, {literal(pattern)}, {literal(replacement)}){f' where {where}' if where else ''}"
