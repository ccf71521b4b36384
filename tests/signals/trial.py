"""Mutants of the rules on trial: where each mistake is made, and whether a promtool test notices it."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from components import rules
from rehearsal.toolchain import tool
from tests.contract.alert_tests import ALERTS, TESTS
from tests.contract.test_rules import CATALOGUE, CHAINS, LINKS
from tests.signals.mutants import Mutation, mutations, numbered

Groups = list[dict[str, Any]]
Place = tuple[int, int]
"""Numbers of a group and of a rule in it."""
Key = tuple[str, str, str]
"""Rule, operator and change: what tells a mutant from all others, and stays when other rules change."""


@dataclass(frozen=True)
class Mutant:
    """One mistake in one rule."""

    file: str
    """Name of the rule file without `.yaml`."""
    rule: str
    """Name of the alert or of the recorded series."""
    mutation: Mutation
    """The mistake; of a generated rule, that of the first service."""
    places: dict[Place, Mutation]
    """The mistake in each rule that has it."""

    @property
    def key(self) -> Key:
        """What the lists of equivalent mutants name it by."""
        return self.rule, self.mutation.operator, self.mutation.change

    @property
    def is_alert(self) -> bool:
        """Whether the rule is an alert, which no other rule reads."""
        return ":" not in self.rule

    def __str__(self) -> str:
        return f"{self.file} {self.rule}, {self.mutation.operator}: {self.mutation.change}\n    {self.mutation.line}"


@dataclass(frozen=True)
class Suite:
    """A file of promtool tests, and the rule files that it loads."""

    text: str
    """The tests as they are written: YAML reads some of promtool's values, such as `0x20`, as numbers."""
    tests: dict[str, str]
    """What each test says, by its name."""
    files: dict[str, Groups]

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Names of the tests that can notice the mutant: of an alert, those that speak of it."""
        return [name for name, said in self.tests.items() if not mutant.is_alert or mutant.rule in said]

    def passes(self, mutant: Mutant | None = None) -> bool:
        """Whether promtool accepts the rules, with the mistake of `mutant`, and the tests pass that can notice it."""
        names = self.tests_of(mutant) if mutant else []
        if mutant and not names:
            return True
        with tempfile.TemporaryDirectory(prefix="mutant-") as scratch:
            for name, groups in self.files.items():
                mutated = with_mistake(groups, mutant) if mutant and mutant.file == name else groups
                Path(scratch, f"{name}.yaml").write_text(json.dumps({"groups": mutated}))  # JSON is YAML
            tests = Path(scratch, "mutant.test.yaml")
            tests.write_text(self.text)
            chosen = [f"--run=^{re.escape(name)}$" for name in names]
            command = [str(tool("promtool")), "test", "rules", *chosen, str(tests)]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0


def suites() -> list[Suite]:
    """All promtool tests: those beside the rule files, and those of the rules as a stack has them."""
    plain = {name: document["groups"] for name, document in rules.read(ALERTS).items()}
    complete = rules.prometheus_rules(ALERTS, CATALOGUE, LINKS)
    return [*(_suite(path, plain) for path in TESTS), *(_suite(path, complete) for path in CHAINS)]


def _suite(path: Path, available: dict[str, Groups]) -> Suite:
    text = path.read_text()
    document = yaml.safe_load(text)
    names = [name.removesuffix(".yaml") for name in document["rule_files"]]
    tests = {test["name"]: json.dumps(test) for test in document["tests"]}
    return Suite(text, tests, {name: available[name] for name in names})


def all_mutants() -> list[Mutant]:
    """The mutants of every rule, in the order of the files."""
    files = rules.prometheus_rules(ALERTS, CATALOGUE, LINKS)
    return [mutant for name, groups in files.items() for mutant in mutants(name, groups)]


def mutants(file: str, groups: Groups) -> Iterator[Mutant]:
    """The mutants of a rule file."""
    by_name: dict[str, dict[Place, list[Mutation]]] = {}
    for place, rule in _placed(groups):
        by_name.setdefault(rule.get("alert") or rule["record"], {})[place] = mutations(rule)
    for name, found in by_name.items():
        each = _together(found) if file == rules.NORMALISATION else _apart(found)
        first = numbered([next(iter(places.values())) for places in each])
        yield from (Mutant(file, name, mutation, places) for mutation, places in zip(first, each, strict=True))


def _together(found: dict[Place, list[Mutation]]) -> list[dict[Place, Mutation]]:
    """Each mistake in all places at once: the rules have one generator, so their mutations correspond."""
    return [dict(zip(found, alike, strict=True)) for alike in zip(*found.values(), strict=True)]


def _apart(found: dict[Place, list[Mutation]]) -> list[dict[Place, Mutation]]:
    return [{place: mutation} for place, several in found.items() for mutation in several]


def with_mistake(groups: Groups, mutant: Mutant) -> Groups:
    """The rule groups with the mistake of a mutant."""
    result = [group | {"rules": list(group["rules"])} for group in groups]
    for (group, rule), mutation in mutant.places.items():
        result[group]["rules"][rule] = mutation.of(groups[group]["rules"][rule])
    return result


def survives(mutant: Mutant, covering: Iterable[Suite]) -> bool:
    """Whether no test notices the mutant."""
    return all(suite.passes(mutant) for suite in covering if mutant.file in suite.files)


def _placed(groups: Groups) -> Iterator[tuple[Place, dict[str, Any]]]:
    for group, content in enumerate(groups):
        for rule, definition in enumerate(content["rules"]):
            yield (group, rule), definition
