"""The mutation run: which mistakes it makes in a rule, and what it says of its list of equivalent mutants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checks.mutation.mutants import Mutation, mutations
from checks.mutation.mutate import Outcome, equivalents
from checks.mutation.rule_files import Mutant, all_mutants, mutants, with_mistake
from checks.mutation.suite import Groups, Suite
from checks.mutation.trial import controls, trials
from components.alerting.normalisation import NORMALISATION
from invalid import InvalidInputError


def made(operator: str, expression: str, **rest: Any) -> list[str]:
    """The expressions that an operator makes of one."""
    rule = {"record": "a:b:c", "expr": expression, **rest}
    return [mutation.of(rule)["expr"] for mutation in mutations(rule) if mutation.operator == operator]


@pytest.mark.parametrize(
    ("operator", "expression", "expected"),
    [
        ("number", "up > 20", ["up > 10", "up > 18", "up > 22", "up > 40"]),
        ("number", "0 * rate5m", ["1 * rate5m"]),
        ("number", 'rate(a:b:c5{d="1"}[5m] offset 1h) # 7', []),
        ("comparison", 'up{a!="b"} == 0', ['up{a!="b"} != 0']),
        ("comparison", "up >= c", ["up <= c"]),
        ("boundary", "a > b <= c != d", ["a >= b <= c != d", "a > b < c != d"]),
        ("set", "a unless b", ["a and b", "a or b"]),
        ("aggregation", "sum(max_over_time(a[5m]))", [f"{to}(max_over_time(a[5m]))" for to in ("avg", "max", "min")]),
        ("aggregation", "a or 0 * sum(b)", []),
        ("aggregation", "0 * sum(b)", []),
        ("aggregation", "a / 0 * sum(b)", [f"a / 0 * {to}(b)" for to in ("avg", "max", "min")]),
        ("matcher", '{a="x,}", b!~"y"}', ['{b!~"y"}', '{a="x,}"}']),
        ("matcher", 'up{a="b"}', ["up{}"]),
        ("label", "max by (a, b) (c)", ["max by (b) (c)", "max by (a) (c)"]),
        ("label", "a * on (b) c", ["a * on () c"]),
        ("window", "a[5m]", ["a[150s]", "a[600s]"]),
        ("window", "a offset 1h30m", ["a offset 2700s", "a offset 10800s"]),
        ("severity", "up", []),
    ],
)
def test_an_operator_makes_its_mistakes_and_no_others(operator: str, expression: str, expected: list[str]) -> None:
    assert made(operator, expression) == expected


def test_an_alert_is_made_to_wait_otherwise_and_to_be_as_bad_as_others() -> None:
    rule = {"alert": "A", "expr": "up", "for": "5m", "keep_firing_for": "1m", "labels": {"severity": "info", "a": "b"}}
    mutants = [mutation.of(rule) for mutation in mutations(rule)]
    assert [mutant["for"] for mutant in mutants[:3]] == ["0s", "150s", "600s"]
    assert [mutant["keep_firing_for"] for mutant in mutants[3:6]] == ["0s", "30s", "120s"]
    assert [mutant["labels"] for mutant in mutants[6:]] == [
        {"severity": "critical", "a": "b"},
        {"severity": "warning", "a": "b"},
    ]


def test_mistakes_that_are_alike_are_told_apart() -> None:
    groups = [{"name": "g", "rules": [{"record": "a:b:c", "expr": f"{name} > b > c"} for name in "xy"]}]
    changes = [found.mutation.change for found in mutants("things", groups)]
    assert sorted(changes) == [f"> -> {to}{number}" for to in ("<", ">=") for number in ("", " (2)", " (3)", " (4)")]


def test_mutants_have_keys_of_their_own() -> None:
    found = all_mutants()
    assert len({mutant.key for mutant in found}) == len(found)
    assert {mutant.file for mutant in found} >= {NORMALISATION, "services", "resources", "monitoring"}


def test_a_mistake_in_the_generator_is_in_the_rules_of_every_service() -> None:
    groups = [{"name": "g", "rules": [{"record": "a:b:c", "expr": f"sum({service}) > 1"} for service in "xy"]}]
    flipped = next(found for found in mutants(NORMALISATION, groups) if found.mutation.operator == "boundary")
    assert [rule["expr"] for rule in with_mistake(groups, flipped)[0]["rules"]] == ["sum(x) >= 1", "sum(y) >= 1"]
    assert groups[0]["rules"][0] == {"record": "a:b:c", "expr": "sum(x) > 1"}


def test_rules_of_one_name_in_a_file_are_mutated_apart() -> None:
    groups = [{"name": "g", "rules": [{"record": "a:b:c", "expr": f"{service} > b"} for service in "xy"]}]
    apart = [found for found in mutants("things", groups) if found.mutation.operator == "boundary"]
    assert [found.mutation.change for found in apart] == ["> -> >=", "> -> >= (2)"]
    assert [rule["expr"] for rule in with_mistake(groups, apart[1])[0]["rules"]] == ["x > b", "y >= b"]


INFO = {"severity": "info"}
OWNER = {"severity": "info", "owner": "{{ query `other:raw:sum` }}"}
CHAIN: dict[str, Groups] = {
    "things": [
        {
            "name": "things",
            "rules": [
                {"record": "thing:raw:sum", "expr": "sum by (thing) (raw)"},
                {"record": "thing:raw:ratio", "expr": 'thing:raw:sum{a="{"} / 2'},
                {"record": "other:raw:sum", "expr": "sum(raw)"},
                {"alert": "Broken", "expr": "thing:raw:ratio > 1", "labels": OWNER},
                {"alert": "Muted", "expr": 'other:raw:sum unless ALERTS{alertname="Broken"}', "labels": INFO},
                {"alert": "Quiet", "expr": "count(ALERTS) == 0", "labels": INFO},
                {"alert": "Named", "expr": 'count({__name__=~"thing:.*", a="b"})', "labels": INFO},
                {"alert": "Unnamed", "expr": 'count(raw or {a="b"})', "labels": INFO},
            ],
        }
    ]
}
RECORDED = {"thing:raw:sum", "thing:raw:ratio", "other:raw:sum"}
ALERTS = {"Broken", "Muted", "Quiet", "Named", "Unnamed"}


def suite(*tests: str) -> Suite:
    """Tests of the chain, each of which expects what it says."""
    listed = "".join(f"\n  - name: {number}{test}" for number, test in enumerate(tests))
    return Suite.of(f"rule_files: [things.yaml]\nevaluation_interval: 15s\ntests:{listed}\n", CHAIN)


def silent(alert: str, at: str = "1m") -> str:
    return f"\n    alert_rule_test: [{{ alertname: {alert}, eval_time: {at}, exp_alerts: [] }}]"


@pytest.mark.parametrize(
    ("alert", "needed"),
    [
        ("Broken", RECORDED | {"Broken"}),
        ("Muted", RECORDED | {"Broken", "Muted"}),
        ("Quiet", RECORDED | ALERTS),
        ("Named", {"thing:raw:sum", "thing:raw:ratio", "Named"}),
        ("Unnamed", RECORDED | ALERTS),
    ],
)
def test_a_test_needs_all_that_its_alert_reads_directly_or_not(alert: str, needed: set[str]) -> None:
    (part,) = suite(silent(alert)).about(alert)
    assert part.needed == needed


def test_a_mistake_meets_only_the_expectations_that_depend_on_it() -> None:
    absent = "\n    promql_expr_test: [{ expr: 'other:raw:sum + 1', eval_time: 1h, exp_samples: [] }]"
    tests = suite(silent("Broken", "5m") + absent, silent("Named"))
    steps = {rule: [part.steps for part in tests.about(rule)] for rule in ("Broken", "other:raw:sum", "Named", "Muted")}
    assert steps == {"Broken": [20], "other:raw:sum": [240], "Named": [4], "Muted": []}


def test_a_mutant_meets_the_quickest_test_first() -> None:
    groups = CHAIN["things"]
    broken = [found for found in mutants("things", groups) if found.rule == "Broken"]
    (trial,) = trials(broken[:1], [suite(silent("Broken", "1h"), silent("Broken")), suite(silent("Broken", "5m"))])
    assert [part.steps for part in trial.parts] == [4, 20, 240]


def test_each_rule_with_mutants_has_one_control() -> None:
    found = list(mutants("things", [{"name": "g", "rules": [{"record": f"a:b:{n}", "expr": "x > 1"} for n in "cd"]}]))
    assert [(control.rule, control.places) for control in controls(found)] == [("a:b:c", {}), ("a:b:d", {})]


def mutant(change: str) -> Mutant:
    return Mutant("things", "a:b:c", Mutation("boundary", change, "a >= b", {}), {})


SURVIVOR, *KILLED = [mutant(f"{number}") for number in range(20)]


def test_a_survivor_that_is_listed_is_accepted() -> None:
    assert Outcome([SURVIVOR, *KILLED], [SURVIVOR], {SURVIVOR.key}).problems() == []


def test_a_survivor_that_is_not_listed_fails_with_its_remedy() -> None:
    (problem,) = Outcome([SURVIVOR, *KILLED], [SURVIVOR], set()).problems()
    assert problem.startswith("survived: things a:b:c, boundary: 0\n    a >= b\n")
    assert "Add a test" in problem


@pytest.mark.parametrize("key", [KILLED[0].key, ("a:b:c", "boundary", "no longer a mutant")])
def test_an_entry_fails_if_its_mutant_is_killed_or_gone(key: tuple[str, str, str]) -> None:
    (problem,) = Outcome([SURVIVOR, *KILLED], [], {key}).problems()
    assert f"remove it: {' | '.join(key)}" in problem


def test_a_list_of_equivalent_mutants_is_no_excuse_for_a_low_score() -> None:
    several = [SURVIVOR, *KILLED[:5]]
    (problem,) = Outcome([SURVIVOR, *KILLED], several, {found.key for found in several}).problems()
    assert "70.0%" in problem
    assert not Outcome([SURVIVOR], [SURVIVOR], {SURVIVOR.key}, needed=0).problems()


def test_the_list_names_mutants_of_today() -> None:
    listed = [key for entry in equivalents() for key in entry.keys]
    assert len(listed) == len(set(listed))
    assert set(listed) <= {found.key for found in all_mutants()}


def test_an_entry_needs_a_reason(tmp_path: Path) -> None:
    (tmp_path / "services.yaml").write_text("- { rule: A, operator: number, changes: [1 -> 2] }\n")
    with pytest.raises(InvalidInputError, match=r"/services.yaml:1: reason: missing; it has no default"):
        equivalents(tmp_path)
    (tmp_path / "services.yaml").write_text("- { rule: A, operator: number, changes: [1 -> 2], reason: 5 }\n")
    with pytest.raises(
        InvalidInputError, match=r"/services.yaml:1: reason: 5 expected a reason of at least 20 letters"
    ):
        equivalents(tmp_path)
