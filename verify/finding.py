"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be."""

    what: str
    """What is wrong."""
    do: str
    """What to do about it."""
