"""One rehearsal for all tests of the running stack: starting it is what takes the time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rehearsal import toolchain
from rehearsal.lifecycle import NEEDED_TOOLS
from rehearsal.ports import Ports
from tests.rehearsal.running import Running
from tests.tree import copy_tree


@pytest.fixture(scope="session")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A rehearsal that is up."""
    toolchain.build(NEEDED_TOOLS)
    running = Running(copy_tree(tmp_path_factory.mktemp("rehearsal")), Ports(15000))
    code, output = running.run("up")
    assert code == 0, output
    try:
        yield running
    finally:
        running.run("down")
