"""One rehearsal for all tests of the running stack, as starting it is what takes the time; and what else they share."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog

from rehearsal import toolchain
from rehearsal.deployment import NEEDED_TOOLS
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


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """The package configures the logging of its process: undo it after each test."""
    root = logging.getLogger()
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the test client's own lines
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access"):
        logging.getLogger(name).filters.clear()
        logging.getLogger(name).propagate = True
    logging.captureWarnings(False)
    structlog.reset_defaults()
