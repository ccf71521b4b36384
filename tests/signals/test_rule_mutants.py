"""The mutation run: it fails on a mistake in a rule that no test notices, and one mistake has no effect on another."""

from __future__ import annotations

import os
from threading import Event

import pytest

from checks.mutation import mutate
from checks.mutation.rule_files import all_mutants, mutants
from checks.mutation.suite import Suite
from checks.mutation.trial import controls, survivors, trials

RULES = [{"name": "things", "rules": [{"record": "a:b:c", "expr": "sum by (a) (x)"}]}]
TESTS = """
rule_files: [things.yaml]
tests:
  - input_series:
      - { series: 'x{a="1", b="1"}', values: 0x20 }
      - { series: 'x{a="1", b="2"}', values: 1x20 }
    promql_expr_test:
      - { expr: 'a:b:c', eval_time: 15m, exp_samples: [{ labels: 'a:b:c{a="1"}', value: 1 }] }
"""


def test_every_mistake_in_a_rule_is_noticed_or_explained(capsys: pytest.CaptureFixture[str]) -> None:
    console = mutate.plain_console()
    with capsys.disabled():
        console.print()  # pytest has begun a line
        outcome = mutate.run(all_mutants(), os.cpu_count() or 1, console)
        mutate.report(outcome, console)
    if problems := outcome.problems():
        pytest.fail("\n".join(problems), pytrace=False)


def test_a_mutant_that_is_not_promql_dies_alone() -> None:
    invalid, *_ = mutants("things", [{"name": "things", "rules": [{"record": "a:b:c", "expr": "sum by (a (x) + 1"}]}])
    batch = [invalid, *controls([invalid]), *mutants("things", RULES)]
    living = survivors(trials(batch, [Suite.of(TESTS, {"things": RULES})]), Event())
    assert [mutant.mutation.change for mutant in living] == ["no mistake", "sum -> max"]
