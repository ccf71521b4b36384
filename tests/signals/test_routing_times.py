"""Who hears of which alert and when: `matrix.yaml`, played against the real Alertmanager in scaled time.

The cases of one run share an Alertmanager, and the runs play at the same time: the whole takes as long as the longest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from checks.alert_tests import fired
from components.alerting import routing
from facts import ROOT
from settings import read_stack
from tests.signals.inhibition import mutes
from tests.signals.matrix import Case, Matrix
from tests.signals.player import Played, played

MATRIX = Matrix()
CONFIGURATION = routing.alertmanager_configuration(read_stack(ROOT / "Pulumi.prod.yaml"))
"""That of the production stack."""


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Played]]:
    """All runs, played at the same time."""
    with played(MATRIX.runs, CONFIGURATION, tmp_path_factory.mktemp("alertmanagers")) as runs:
        yield runs


@pytest.mark.parametrize(
    ("run", "case"), [pytest.param(run.name, case, id=case.name) for run in MATRIX.runs for case in run.cases]
)
def test_everything_that_is_heard(run: str, case: Case, heard: dict[str, Played]) -> None:
    wrong = heard[run].wrong(case)
    assert not wrong, "\n".join(wrong)


def test_case_names_are_unique() -> None:
    names = [case.name for run in MATRIX.runs for case in run.cases]
    assert len(names) == len(set(names))


def test_alerts_have_the_labels_that_their_rules_make() -> None:
    """But for those that no rule makes."""
    real: dict[str, set[frozenset[str]]] = {}
    for labels in fired():
        real.setdefault(labels["alertname"], set()).add(frozenset(labels))
    played = [alert for run in MATRIX.runs for case in run.cases for step in case.steps for alert in step.fires]
    for alert in played:
        if alert["alertname"] not in MATRIX.made_up:
            assert frozenset(alert) in real.get(alert["alertname"], set()), alert


@pytest.mark.parametrize("rule", CONFIGURATION["inhibit_rules"], ids=lambda rule: str(rule["source_matchers"]))
def test_every_inhibition_rule_is_played(rule: dict[str, Any]) -> None:
    """In one case something is muted by this rule alone."""
    pairs = [(inhibition.cause, muted) for inhibition in MATRIX.inhibitions for muted in inhibition.mutes]
    assert any([each for each in CONFIGURATION["inhibit_rules"] if mutes(each, *pair)] == [rule] for pair in pairs)
