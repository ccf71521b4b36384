"""The texts that people on call read keep to the words of docs/style.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from facts import ROOT

GUIDE = (ROOT / "docs" / "style.md").read_text()
AVOIDED = re.findall(
    r"^\| (?!avoid)([^-|][^|]*) \| ", GUIDE.split("## Words")[1].split("These depend")[0], re.MULTILINE
)
FORBIDDEN = re.compile(
    rf"\b({'|'.join(re.escape(turn) for row in AVOIDED for turn in row.split(', '))})\b", re.IGNORECASE
)

RULES = sorted(path for path in (ROOT / "alerts").glob("*.yaml") if not path.name.endswith(".test.yaml"))
SOURCES = [
    *sorted((ROOT / "dashboards").rglob("*.py")),
    ROOT / "components" / "alerting" / "messages.py",
    ROOT / "components" / "alerting" / "escalation.py",
]
PAGES = sorted((ROOT / "alerts" / "runbooks").glob("*.md"))
TEMPLATES = sorted((ROOT / "components" / "alerting" / "templates").glob("*.tmpl"))
assert RULES
assert PAGES
assert TEMPLATES


def texts(path: Path) -> Iterator[str]:
    """What people read of a file: no code, no comments, no docstrings."""
    content = path.read_text()
    if path.suffix == ".py":
        tree = ast.parse(content)
        documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        strings = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in documentation)
        yield from (node.value for node in strings if isinstance(node.value, str))
    elif path.suffix == ".yaml":
        rules = (rule for group in yaml.safe_load(content)["groups"] for rule in group["rules"])
        yield from (text for rule in rules for text in rule.get("annotations", {}).values())
    else:
        yield re.sub(r"^```.*?^```$|\{\{/\*.*?\*/\}\}", "", content, flags=re.DOTALL | re.MULTILINE)


def found(path: Path) -> list[str]:
    return [turn for text in texts(path) for turn in FORBIDDEN.findall(" ".join(text.split()))]


@pytest.mark.parametrize("path", [*RULES, *SOURCES, *PAGES, *TEMPLATES], ids=lambda path: path.name)
def test_on_call_reads_the_words_of_the_field(path: Path) -> None:
    assert not found(path), f"docs/style.md says what to write instead of these in {path.relative_to(ROOT)}"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Page.md", "# Page\n\n## Impact\nIt lasts for\never.\n"),
        ("rules.yaml", "groups: [{rules: [{alert: A, annotations: {summary: Nobody answers.}}]}]"),
        ("board.py", 'panel(shows="Time that the agent is "\n    "given anew.")'),
        ("note.tmpl", '{{ define "note" }}Redis is out of reach.{{ end }}'),
    ],
)
def test_a_forbidden_turn_is_found(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert len(found(path)) == 1


def test_code_and_comments_may_use_other_words(tmp_path: Path) -> None:
    path = tmp_path / "Page.md"
    path.write_text("```sh\ntold\n```\n{{/* Somebody\nis told. */}}\n")
    assert not found(path)
