"""Promtool tests, and the part of them that can notice a mistake in one rule.

What else a file expects, and the rules that only this needs, take time and say nothing of the mistake.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from quantities import seconds

Groups = list[dict[str, Any]]
Test = dict[str, Any]

EXPECTATIONS = {"alert_rule_test": "alertname", "promql_expr_test": "expr"}
"""Where a test says what it expects, and of what."""

_SELECTOR = re.compile(r"([\w:]*)\s*\{([^}]*)\}")
_NOT_METRICS = {"", "and", "or", "unless", "atan2", "bool", "group_left", "group_right"}
"""What can be in front of a selector without a metric's name."""
_ANY_ALERT = re.compile(r"\bALERTS(?:_FOR_STATE)?\b(?!\s*\{[^}]*\balertname=\")")


class _AsWritten(yaml.SafeLoader):
    """Reads every scalar as text: of promtool's values YAML takes some for numbers, such as `0x20`."""

    yaml_implicit_resolvers = {"<": yaml.SafeLoader.yaml_implicit_resolvers["<"]}  # noqa: RUF012 - PyYAML's interface


class _Plain(yaml.SafeDumper):
    """Writes text without quotes where it can: what was a number before it was read as text is one again."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's interface


@dataclass(frozen=True)
class Part:
    """The part of a suite that can notice a mistake in one rule."""

    tests: str
    """The tests as promtool reads them."""
    files: dict[str, Groups]
    """The groups of the rule files that the tests load."""
    needed: set[str]
    """Names of the rules that the tests need."""
    steps: float
    """How often these are evaluated."""

    @property
    def evaluations(self) -> float:
        """What the time that it takes is in proportion to."""
        return self.steps * len(self.needed)

    def write(self, directory: Path, changed: dict[str, Groups]) -> Path:
        """The file of the tests, in a new directory with the rules that they need; some rule files may be changed."""
        directory.mkdir()
        for name, groups in (self.files | changed).items():
            kept = [
                group | {"rules": [rule for rule in group["rules"] if name_of(rule) in self.needed]} for group in groups
            ]
            (directory / f"{name}.yaml").write_text(json.dumps({"groups": kept}))  # JSON is YAML
        tests = directory / "tests.yaml"
        tests.write_text(self.tests)
        return tests


@dataclass(frozen=True)
class Suite:
    """A file of promtool tests, and the rule files that it loads."""

    document: dict[str, Any]
    """The file; all its scalars are text."""
    files: dict[str, Groups]
    """The groups of the rule files by name without `.yaml`."""

    @classmethod
    def of(cls, text: str, available: dict[str, Groups]) -> Suite:
        """The suite of a file's text. It takes the rule files that it names from those available."""
        document = yaml.load(text, _AsWritten)  # noqa: S506 - a safe loader
        names = [file.removesuffix(".yaml") for file in document["rule_files"]]
        return cls(document, {name: available[name] for name in names})

    def about(self, rule: str) -> list[Part]:
        """The expectations that depend on a rule, test by test, with the rules they depend on."""
        tests = (part for test in self.document["tests"] if (part := self._about(rule, test)))
        return [self._part(test) for test in tests]

    def _part(self, test: Test) -> Part:
        text = yaml.dump(self.document | {"tests": [test]}, Dumper=_Plain)
        last = max(seconds(expected["eval_time"]) for kind in EXPECTATIONS for expected in test.get(kind, []))
        steps = last / seconds(self.document.get("evaluation_interval", "1m"))
        return Part(text, self.files, self._behind(test), steps)

    def _about(self, rule: str, test: Test) -> Test | None:
        kept = {
            kind: [expected for expected in test.get(kind, []) if rule in self._behind({kind: [expected]})]
            for kind in EXPECTATIONS
        }
        return test | kept if any(kept.values()) else None

    def _behind(self, test: Test) -> set[str]:
        """The rules that what a test expects depends on."""
        texts = [expected[subject] for kind, subject in EXPECTATIONS.items() for expected in test.get(kind, [])]
        return {name for text in texts for read in _read(text, self._needs) for name in self._needs[read]}

    @cached_property
    def _needs(self) -> dict[str, set[str]]:
        """What each rule depends on, directly or not, with itself."""
        rules = [rule for groups in self.files.values() for group in groups for rule in group["rules"]]
        names = {name_of(rule) for rule in rules}
        reads: dict[str, set[str]] = {name: set() for name in names}
        for rule in rules:
            reads[name_of(rule)] |= _read(rule["expr"], names) | _named(str(rule), names)  # templates may query
        return {name: _closure(name, reads) for name in names}


def name_of(rule: dict[str, Any]) -> str:
    """Name of an alert or of a recorded series."""
    return str(rule.get("alert") or rule["record"])


def _read(expression: str, names: Collection[str]) -> set[str]:
    """Which of the names an expression may read: those it says, and those that it selects otherwise."""
    found = _named(expression, names)
    if _ANY_ALERT.search(expression):
        found |= {name for name in names if ":" not in name}
    for metric, matchers in _SELECTOR.findall(expression):
        if metric.lower() in _NOT_METRICS:
            pattern = re.search(r'__name__=~?"([^"]*)"', matchers)
            found |= {name for name in names if not pattern or re.fullmatch(pattern[1], name)}
    return found


def _named(text: str, names: Collection[str]) -> set[str]:
    return set(names).intersection(re.findall(r"[\w:]+", text))


def _closure(name: str, reads: dict[str, set[str]]) -> set[str]:
    reached, new = set(), {name}
    while new:
        reached |= new
        new = {read for reader in new for read in reads[reader]} - reached
    return reached
