"""What is only done if a variable of the environment asks for it."""

from __future__ import annotations

import os

from local.errors import RehearsalError


def on(name: str, what: str) -> bool | None:
    """Whether a variable asks for it; None if it is not set.

    Raises RehearsalError if it is neither 1 nor 0; `what` says what 1 would do.
    """
    text = os.environ.get(name, "")
    if text not in {"", "0", "1"}:
        raise RehearsalError(f"{name}={text}: expected 1 to {what}, or nothing")
    return text == "1" if text else None
