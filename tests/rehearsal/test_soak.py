"""Ten minutes of a healthy system's noise in a rehearsal of its own: silent, and not because nothing is noticed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.free_ports import claim
from drills.faults import Breaker
from drills.model import Fault
from drills.noise import ABOUT, plan
from drills.silence import problems, report
from drills.soak import OBJECTIVE, Soak
from engine import toolchain
from local.state import State
from rehearsal.deployment import NEEDED_TOOLS
from rehearsal.lifecycle import Rehearsal
from tests.rehearsal.running import interrupted

SPEED = 5
"""Two seconds in which a service restarts are ten to the stack; thirty would be an outage."""
MINUTES, OUTAGE_MINUTES = 10, 3
SEED = 1
pytestmark = pytest.mark.random_order(disabled=True)  # what is not healthy comes last


@pytest.fixture(scope="module")
def soak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Rehearsal, Soak]]:
    toolchain.build(NEEDED_TOOLS)
    rehearsal = Rehearsal(State(tmp_path_factory.mktemp("soak")), claim(), pace=SPEED, rate=0)
    made = Soak(rehearsal, tell=print)  # pytest shows it where a test fails
    try:
        made.up()
        yield rehearsal, made
    finally:
        rehearsal.down()


def test_nobody_is_told_anything_of_ten_minutes_of_noise(soak: tuple[Rehearsal, Soak]) -> None:
    _, made = soak
    made.play(plan(MINUTES, SEED), MINUTES)
    outcome = made.outcome()
    assert outcome.silent, "\n".join(report(outcome, OBJECTIVE))
    assert len({item.noise.kind for item in outcome.played}) > len(ABOUT)  # all kinds, in the night and the day
    assert outcome.beats >= MINUTES / 2
    assert sum(outcome.counts["order-service"].values()) > 100


def test_an_outage_among_it_is_noticed(soak: tuple[Rehearsal, Soak]) -> None:
    rehearsal, made = soak
    killed = Fault.model_validate({"from": 0, "to": 1, "down": "order-service"})
    heal = Breaker(rehearsal).breaks(killed)
    made.play([], MINUTES + OUTAGE_MINUTES + 1)
    heal()
    outcome = made.outcome()
    assert not outcome.silent
    found = "\n".join(problems(outcome))
    assert "ServiceDown fired from" in found
    for channel in ("pagerduty", "slack"):
        assert f"{channel} was told" in found


def test_an_interrupted_soak_leaves_nothing(tmp_path: Path) -> None:
    output = interrupted(tmp_path, "drills.soak", "--hours", "1", "--seed", "7", SPEED="10")
    assert "SEED=7" in output
