"""Drills in a rehearsal of their own: what must hold does, and an expectation that is wrong is found out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.free_ports import claim
from drills.model import Drill, chosen, read
from drills.run import Result, Runner
from drills.stack import deployment
from engine import toolchain
from local.state import State
from rehearsal.deployment import NEEDED_TOOLS
from rehearsal.lifecycle import Rehearsal
from tests.rehearsal.running import interrupted

SPEED = 25
pytestmark = pytest.mark.random_order(disabled=True)  # the longest last


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    toolchain.build(NEEDED_TOOLS)
    rehearsal = Rehearsal(State(tmp_path_factory.mktemp("drills")), claim(), pace=SPEED)
    stack = deployment(rehearsal)
    stack.up()
    try:
        yield Runner(rehearsal, stack.catalogue)
    finally:
        rehearsal.down()


def drill(name: str) -> Drill:
    (found,) = chosen(read(), (name,))
    return found


def problems(result: Result) -> str:
    return "\n".join(result.verdict.problems)


def test_every_drill_can_be_judged_by_what_is_deployed(runner: Runner) -> None:
    for each in read():
        runner.check(each)


def test_a_killed_service_is_one_page_in_time(runner: Runner) -> None:
    result = runner.run(drill("killed"))
    assert result.verdict.held, problems(result)
    assert sorted(item.channel for item in result.verdict.latencies) == ["pagerduty", "slack"]


def test_a_wrong_expectation_fails_and_names_the_first_broken_link(runner: Runner) -> None:
    killed = drill("killed")
    told = killed.told[0].model_copy(update={"service": "user-service"})
    result = runner.run(killed.model_copy(update={"told": (told,), "patience": 4.0}))
    assert (
        "ServiceDown of user-service was told never instead of once; first broken link: series → pending"
        in problems(result)
    )
    assert re.search(r"that ServiceDown of order-service is firing, which the drill does not say", problems(result))


def test_a_symptom_then_its_cause_then_the_symptom_again_are_three_pages(runner: Runner) -> None:
    result = runner.run(drill("told-then-caused"))
    assert result.verdict.held, problems(result)
    pages = [(item.alert, item.status) for item in result.timeline.messages if item.channel == "pagerduty"]
    assert sorted(pages) == sorted(
        [(alert, status) for alert in ("HighErrorRate", "ServiceDown", "HighErrorRate") for status in STATUSES]
    )


STATUSES = ("firing", "resolved")


def test_an_interrupted_run_leaves_nothing(tmp_path: Path) -> None:
    interrupted(tmp_path, "drills", "--name", "killed")
