"""The queries of docs/logs.md."""

from __future__ import annotations

import re

from facts import ROOT


def documented() -> dict[str, str]:
    """The queries of the page, by their headings."""
    page = (ROOT / "docs" / "logs.md").read_text()
    return dict(re.findall(r"^### (.+?)\n(?:(?!^#).)*?```logql\n(.+?)```", page, re.MULTILINE | re.DOTALL))
