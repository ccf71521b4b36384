"""The texts that people read keep to the words of docs/style.md."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.alerting import rules
from facts import ROOT

GUIDE = (ROOT / "docs" / "style.md").read_text()
AVOIDED = re.findall(
    r"^\| (?!avoid)([^-|][^|]*) \| ", GUIDE.split("## Words")[1].split("These depend")[0], re.MULTILINE
)
FORBIDDEN = re.compile(
    rf"\b({'|'.join(re.escape(turn) for row in AVOIDED for turn in row.split(', '))})\b", re.IGNORECASE
)

RULES = rules.files(ROOT / "alerts")
SOURCES = [
    *sorted((ROOT / "dashboards").rglob("*.py")),
    ROOT / "components" / "alerting" / "messages.py",
    ROOT / "components" / "alerting" / "escalation.py",
]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(page for page in ROOT.glob("docs/**/*.md") if page.name != "style.md"),
        *ROOT.glob("alerts/runbooks/**/*.md"),
        *ROOT.glob("examples/**/*.md"),
        *ROOT.glob("instrumentation/*.md"),
    ]
)
SCHEMAS = sorted((ROOT / "docs").glob("*.schema.json"))
TEMPLATES = sorted((ROOT / "components" / "alerting" / "templates").glob("*.tmpl"))
assert RULES
for folder in (".", "docs", "docs/decisions", "alerts/runbooks", "examples/stacks", "instrumentation"):
    assert any(page.parent == ROOT / folder for page in PAGES), folder
assert TEMPLATES
assert SCHEMAS


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
    elif path.name == "Makefile":
        yield from re.findall(r"^[\w-]+:.*?## (.*)", content, re.MULTILINE)
    elif path.suffix == ".json":
        yield from descriptions(json.loads(content))
    else:
        yield re.sub(r"^ *```.*?^ *```$|\{\{/\*.*?\*/\}\}", "", content, flags=re.DOTALL | re.MULTILINE)


def descriptions(schema: Any) -> Iterator[str]:
    """What a JSON Schema says of its keys, at any depth."""
    for name, value in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if name == "description" and isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            yield from descriptions(value)


def found(path: Path) -> list[str]:
    return [turn for text in texts(path) for turn in FORBIDDEN.findall(" ".join(text.split()))]


@pytest.mark.parametrize(
    "path",
    [*RULES, *SOURCES, *PAGES, *TEMPLATES, *SCHEMAS, ROOT / "Makefile"],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_people_read_the_words_of_the_field(path: Path) -> None:
    assert not found(path), f"docs/style.md says what to write instead of these in {path.relative_to(ROOT)}"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Page.md", "# Page\n\n## Impact\nIt lasts for\never.\n"),
        ("rules.yaml", "groups: [{rules: [{alert: A, annotations: {summary: Nobody answers.}}]}]"),
        ("board.py", 'panel(shows="Time that the agent is "\n    "given anew.")'),
        ("keys.schema.json", '{"properties": {"tell": {"description": "Who is told."}}, "required": ["tell"]}'),
        ("Makefile", "# made anew\nlock: ready ## Lock anew\n\t@echo told\n"),
        ("note.tmpl", '{{ define "note" }}Redis is out of reach.{{ end }}'),
    ],
)
def test_a_forbidden_turn_is_found(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(content)
    assert len(found(path)) == 1


def test_code_and_comments_may_use_other_words(tmp_path: Path) -> None:
    path = tmp_path / "Page.md"
    path.write_text("```sh\ntold\n```\n1. Do:\n\n   ```\n   told\n   ```\n{{/* Somebody\nis told. */}}\n")
    assert not found(path)
