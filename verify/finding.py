"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass

from verify.cluster import ForbiddenError


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be."""

    what: str
    """What is wrong."""
    do: str
    """What to do about it."""
    unknown: bool = False
    """Whether it could not be seen, so that nothing may be wrong."""


def unreadable(error: ForbiddenError) -> Finding:
    """What this user may not see."""
    return Finding(f"it could not be checked: {error}", "ask with a user who may list that", unknown=True)
