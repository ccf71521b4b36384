"""What is lost when things break: the deployed agent and Loki, broken in short. `make bench-logs` does it in full."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from checks.logs.node import node
from checks.logs.scenarios import SCENARIOS, Outcome, outcome, settle
from checks.logs.small_disk import NoMountError

NAMES = [scenario.name for scenario in SCENARIOS if scenario.short]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome | NoMountError]:
    """All scenarios, one after the other on one node; they settle together, which is quicker."""
    broken, impossible = {}, {}
    with node(tmp_path_factory.mktemp("loss") / "state") as running:
        for scenario in SCENARIOS:
            if scenario.short:
                try:
                    broken[scenario] = scenario.run(running, scenario.name, scenario.short)
                except NoMountError as error:
                    impossible[scenario.name] = error
        settle(running, list(broken.values()))
        found = {scenario.name: outcome(running, scenario, each) for scenario, each in broken.items()}
    return found | impossible


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost_beyond_the_stated_bound_and_nothing_comes_twice(
    outcomes: Mapping[str, Outcome | NoMountError], name: str
) -> None:
    found = outcomes[name]
    if isinstance(found, NoMountError):
        pytest.skip(f"a full disk needs one of our own: {found}")
    assert not found.problems
