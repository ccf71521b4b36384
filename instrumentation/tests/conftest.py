"""The package from this tree, and a process whose logging is as before after each test."""

import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

SOURCE = Path(__file__).parents[1] / "src"
sys.path.insert(0, str(SOURCE))
sys.path.insert(0, str(Path(__file__).parent))

_UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.asgi", "uvicorn.access")


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook
    logging.getLogger("httpx").setLevel(logging.WARNING)  # the test client's own lines
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks
    for name in _UVICORN:
        logger = logging.getLogger(name)
        logger.filters.clear()
        logger.propagate = True
    logging.captureWarnings(False)
    structlog.reset_defaults()
