"""Every relative link of a page leads to a file, and to a heading of it if it names one."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

from facts import ROOT

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("alerts/runbooks/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("instrumentation/*.md"),
    ]
)
FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\[\]]*\]\(<?([^\s<>()]+)>?\)|^ *\[[^\[\]]+\]: +(\S+)", re.MULTILINE)


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """The anchors that the repository's host gives to the headings of a page."""
    seen = Counter[str]()
    found = set()
    for heading in re.findall(r"^#+ +(.+?) *$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\[\]]*)\]\([^()]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", text).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def broken(page: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    text = re.sub(r"`[^`]*`", "code", prose(page))
    return [link for link in map("".join, LINK.findall(text)) if not leads(page, link)]


def leads(page: Path, link: str) -> bool:
    """Whether a link leads to an existing file and heading; one to another host is not followed."""
    if re.match(r"[a-z][a-z+.-]*:", link):
        return True
    path, _, anchor = unquote(link).partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or (target.suffix == ".md" and anchor in anchors(target)))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    assert not broken(page)


def test_links_are_found_at_all() -> None:
    assert len(LINK.findall((ROOT / "README.md").read_text())) > 10


@pytest.mark.parametrize(
    ("link", "leads_somewhere"),
    [
        ("other.md", True),
        ("other.md#what-is-proven-and-where", True),
        ("other.md#a-make-up", True),
        ("other.md#twice-1", True),
        ("#here", True),
        ("folder", True),
        ("https://example.org/other.md#nowhere", True),
        ("missing.md", False),
        ("other.md#no-heading", False),
        ("other.md#a-comment", False),
        ("#there", False),
        ("folder#here", False),
    ],
)
@pytest.mark.parametrize("form", ["See [the\npage]({}).", "| [page]({}) | cell |", "[page]: {}"])
def test_a_link_that_leads_nowhere_is_found(form: str, link: str, leads_somewhere: bool, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Here\n\n{form.format(link)}\n\n`[no](link.md)`\n\n```\n[no](link.md)\n```\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "other.md").write_text(
        "# What is proven, and where\n## A `make up`\n### Twice\n### Twice\n```\n# A comment\n```\n"
    )
    assert broken(page) == ([] if leads_somewhere else [link])
