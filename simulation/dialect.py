"""The dialect in which the simulated services tell what they do: with the instrumentation package, or as today."""

from __future__ import annotations

import os
from collections.abc import Iterable

from invalid import one_of
from local.errors import RehearsalError

DEFAULT, TODAY = "package", "today"
DIALECTS = (DEFAULT, TODAY)


def from_environment() -> str | None:
    """The dialect that `DIALECT` names; None if it is not set.

    Raises RehearsalError if there is no such dialect.
    """
    text = os.environ.get("DIALECT")
    if text and text not in DIALECTS:
        raise RehearsalError(f"DIALECT={text}: expected {one_of(DIALECTS, text)}")
    return text or None


def instrumented(dialect: str, services: Iterable[str]) -> list[str]:
    """Which of these services the stack's setting `instrumentedServices` must name: all, or none."""
    return [] if dialect == TODAY else list(services)


def choose(asked: str | None, used: str | None) -> str:
    """The dialect asked for, else the one in use by what runs, else the one with the package."""
    return asked or used or DEFAULT
