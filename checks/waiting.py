"""Waits for states: they end as soon as what a test expects is so, on a quick machine or a slow one."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TypeVar

import httpx

T = TypeVar("T")

PATIENCE_SECONDS = 300.0
"""After so long it will not happen any more. No promise: what has to be in time says so by times that it is told."""


def eventually(look: Callable[[], T | None], seconds: float = PATIENCE_SECONDS, what: str = "it did not happen") -> T:
    """What `look` gives as soon as that is something. What cannot be reached yet is asked again.

    Fails after `seconds`, with `what` and the last error.
    """
    deadline = time.monotonic() + seconds
    while True:
        problem, began = "", time.monotonic()
        try:
            if seen := look():
                return seen
        except (OSError, httpx.HTTPError) as error:
            problem = f": {error!r}"
        assert time.monotonic() < deadline, f"after {seconds:g} s: {what}{problem}"
        time.sleep(max(0.1, time.monotonic() - began))  # half of the time is for what is looked at


def until_none(
    missing: Callable[[], Collection[object]], seconds: float = PATIENCE_SECONDS, what: str = "this is missing"
) -> None:
    """Ask until nothing is missing; what cannot be reached yet is. Fails after `seconds` with what still is."""
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if not (found := _or_error(missing)):
            return
        assert time.monotonic() < deadline, "\n".join([f"after {seconds:.0f} s: {what}", *sorted(map(str, found))])
        time.sleep(max(0.5, time.monotonic() - began))  # mostly hundreds of queries are asked again


def _or_error(missing: Callable[[], Collection[object]]) -> Collection[object]:
    try:
        return missing()
    except (OSError, httpx.HTTPError) as error:
        return [repr(error)]
