"""The table of what the log agent masks is complete; tests/logs/test_redaction.py proves it with the real agent."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import yaml

from components.logs.redaction_patterns import LEVELS
from components.logs.redaction_rules import rules
from facts import ROOT

FILE = ROOT / "components" / "logs" / "redaction_cases.yaml"


def cases() -> Iterator[tuple[str, str, str]]:
    """The name of a rule, a line, and the line after."""
    for name, text in yaml.safe_load(FILE.read_text()).items():
        lines = text.splitlines()
        assert len(lines) % 2 == 0, f"{FILE.name}: under {name} a line has none after"
        yield from ((name, before, after) for before, after in zip(lines[::2], lines[1::2], strict=True))


def test_each_rule_has_cases_and_each_case_a_rule() -> None:
    """In the order in which they run; nothing is named twice, of which YAML would read the last only."""
    named = re.findall("^([^ #:]+):", FILE.read_text(), re.MULTILINE)
    assert named == list(dict.fromkeys(rule.name for rule in rules()))
    assert {name for name, _, _ in cases()} == set(named)


def test_rules_that_share_a_name_are_tokens() -> None:
    names = [rule.name for rule in rules() if not rule.name.startswith("token-")]
    assert len(names) == len(set(names))


def test_each_case_masks_something_and_no_case_breaks_json() -> None:
    for name, before, after in cases():
        assert before != after, name
        assert not re.search("Z[Qq]|7319", after), name
        if before.startswith('{"'):
            assert json.loads(before).keys() == json.loads(after).keys(), name


def test_attributes_of_spans_know_the_first_level_alone() -> None:
    first = {rule.name for rule in rules(LEVELS[:1])}
    assert {rule.name for rule in rules()} - first == {
        f"{kind}-{depth}" for kind in ("json-list", "json-string", "python-string") for depth in (1, 2, 3)
    }
