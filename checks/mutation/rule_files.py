"""Mutants of the rule files: where each mistake is made.

A mistake in a generated rule is made in all that are made alike at once, as one in their generator would be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from checks.alert_tests import ALERTS, known, watched
from checks.mutation.mutants import Mutation, mutations, numbered
from checks.mutation.suite import Groups, name_of
from components.alerting import rules
from components.alerting.normalisation import NORMALISATION

GENERATED = {NORMALISATION, rules.ESCALATION}
"""Files whose rules are made by the program."""

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

    def __str__(self) -> str:
        return f"{self.file} {self.rule}, {self.mutation.operator}: {self.mutation.change}\n    {self.mutation.line}"


def all_mutants() -> list[Mutant]:
    """The mutants of every rule, in the order of the files."""
    files = rules.prometheus_rules(ALERTS, known(), watched())
    return [mutant for name, groups in files.items() for mutant in mutants(name, groups)]


def mutants(file: str, groups: Groups) -> Iterator[Mutant]:
    """The mutants of a rule file."""
    by_name: dict[str, dict[Place, list[Mutation]]] = {}
    for place, rule in _placed(groups):
        by_name.setdefault(name_of(rule), {})[place] = mutations(rule)
    for name, found in by_name.items():
        each = _together(found) if file in GENERATED else _apart(found)
        first = numbered([next(iter(places.values())) for places in each])
        yield from (Mutant(file, name, mutation, places) for mutation, places in zip(first, each, strict=True))


def _together(found: dict[Place, list[Mutation]]) -> list[dict[Place, Mutation]]:
    """Each mistake in all rules that are made alike at once: the same operators apply to them."""
    kinds: dict[tuple[str, ...], dict[Place, list[Mutation]]] = {}
    for place, mutations_ in found.items():
        kinds.setdefault(tuple(mutation.operator for mutation in mutations_), {})[place] = mutations_
    return [
        dict(zip(places, alike, strict=True))
        for places in kinds.values()
        for alike in zip(*places.values(), strict=True)
    ]


def _apart(found: dict[Place, list[Mutation]]) -> list[dict[Place, Mutation]]:
    return [{place: mutation} for place, several in found.items() for mutation in several]


def with_mistake(groups: Groups, mutant: Mutant) -> Groups:
    """The rule groups with the mistake of a mutant."""
    result = [group | {"rules": list(group["rules"])} for group in groups]
    for (group, rule), mutation in mutant.places.items():
        result[group]["rules"][rule] = mutation.of(groups[group]["rules"][rule])
    return result


def _placed(groups: Groups) -> Iterator[tuple[Place, dict[str, Any]]]:
    for group, content in enumerate(groups):
        for rule, definition in enumerate(content["rules"]):
            yield (group, rule), definition
