"""What the page of `make incident` says."""

from __future__ import annotations

from datetime import datetime
from html.parser import HTMLParser


class Page(HTMLParser):
    """Rows of tables and lists, and texts, by heading, and where links lead; times are minutes since `zero`."""

    def __init__(self, text: str, zero: float) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self.texts: dict[str, str] = {}
        self.links: list[str] = []
        self.panels: list[str] = []
        self._heading = ""
        self._tag = ""
        self._zero = zero
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._tag = tag
        given = dict(attrs)
        rows = self.rows.setdefault(self._heading, [])
        if tag in ("tr", "li"):
            rows.append([])
        if tag in ("td", "li"):
            rows[-1].append("")
        if tag == "time" and rows and rows[-1]:
            seconds = datetime.fromisoformat(given["datetime"] or "").timestamp() - self._zero
            rows[-1][-1] = str(round(seconds / 60, 2))
        if given.get("href"):
            self.links.append(given["href"] or "")
        if tag == "h3":
            self._heading = ""
        if tag == "h4":
            self.panels.append(given["title"] or "")

    def handle_data(self, data: str) -> None:
        if self._tag == "h3":
            self._heading += data
        elif self._tag not in ("time", "script", "style"):
            self.texts[self._heading] = self.texts.get(self._heading, "") + data
            rows = self.rows.get(self._heading)
            if rows and rows[-1]:
                rows[-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag in ("h3", "time", "script", "style"):
            self._tag = ""
