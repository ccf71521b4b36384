"""Rehearsals for the tests of the running stack, as starting them is what takes the time; and what else they share."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator

import pytest
import structlog

from tests.rehearsal.running import Running, up


@pytest.fixture(scope="session")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A rehearsal that is up, for tests that only look at it; files that change theirs have a `own_rehearsal`."""
    with up(tmp_path_factory.mktemp("rehearsal")) as running:
        yield running


@pytest.fixture(scope="module")
def own_rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A rehearsal that is up, and that the tests of one file may change."""
    with up(tmp_path_factory.mktemp("rehearsal")) as running:
        yield running


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
