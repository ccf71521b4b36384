"""What is raised for input that is not valid; apart from what checks it, which takes long to import."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class InvalidInputError(ValueError):
    """Everything wrong with the input, one problem a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(f"  - {problem}" for problem in problems))
        self.problems = problems

    @property
    def alone(self) -> str:
        """All of it where nothing stands before it: a single problem needs no list."""
        return self.problems[0] if len(self.problems) == 1 else f"the input is not valid:\n{self}"


LISTED = 25
"""More names than these nobody reads: the nearest five are shown then."""


def one_of(known: Sequence[str], value: str) -> str:
    """Which values there are, and which of them was probably meant; completes the sentence "expected …"."""
    by_lower = {name.lower(): name for name in known}
    near = [by_lower[name] for name in difflib.get_close_matches(value.lower(), by_lower, n=1, cutoff=0.5)]
    some = (
        known
        if len(known) <= LISTED
        else [by_lower[name] for name in difflib.get_close_matches(value.lower(), by_lower, n=5, cutoff=0)]
    )
    return f"one of {'' if some is known else f'{len(known)} such as '}{', '.join(some)}" + (
        f'; did you mean "{near[0]}"?' if near else ""
    )
