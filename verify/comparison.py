"""Whether an object of the API server holds what a program says: by meaning, not by spelling.

What was seen to differ without meaning anything, and so is no difference:

- The API server completes an object with defaults, and with `status` and other metadata: more may be there.
- It writes a quantity in its shortest form: `1000m` comes back as `1`, `1024Mi` as `1Gi`.
- It leaves out what is empty: a map, a list or a text without content, false and zero.
- Whole numbers may come as `1` or `1.0`, and a port as a number or as its text.

Durations come back as they were written. What the evaluation of the program made up (`verify.program`) is unknown, and
not compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from verify.program import is_made_up

_BINARY = {f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)}
_DECIMAL = {unit: Decimal(1000) ** power for power, unit in enumerate(("n", "u", "m", "", "k", "M", "G", "T"), -3)}
_UNITS = _BINARY | _DECIMAL
_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d+)?)([numkMGT]|[KMGTPE]i)?")
_SHOWN = 60
"""Longest value that is shown, in characters."""


@dataclass(frozen=True)
class Difference:
    """One place where an object is not as it should be."""

    path: str
    wanted: Any
    present: Any
    added: bool = False
    """Whether the object has something there of which nothing was said."""

    def __str__(self) -> str:
        """The place, and both values if they are short."""
        if self.added:
            return f"{self.path} was added"
        if max(len(repr(self.wanted)), len(repr(self.present))) > _SHOWN:
            return f"{self.path} is another"
        return f"{self.path} should be {self.wanted!r} and is {self.present!r}"


def differences(wanted: Any, present: Any, path: str = "", *, complete: bool = False) -> Iterator[Difference]:
    """Where `present` does not hold what is wanted; with `complete`, also where it holds more.

    A selector is always complete: an additional label selects fewer, and an empty one everything.
    """
    if isinstance(wanted, Mapping) and (present is None or isinstance(present, Mapping)):
        yield from _of_maps(wanted, present or {}, path, complete=complete)
    elif isinstance(wanted, list) and (present is None or isinstance(present, list)):
        yield from _of_lists(wanted, present or [], path, complete=complete)
    elif not _same(wanted, present):
        yield Difference(path, wanted, present)


def _of_maps(
    wanted: Mapping[str, Any], present: Mapping[str, Any], path: str, *, complete: bool
) -> Iterator[Difference]:
    for key, value in wanted.items():
        whole = complete or key.lower().endswith("selector")
        yield from differences(value, present.get(key), f"{path}.{key}".lstrip("."), complete=whole)
    if complete:
        yield from (Difference(f"{path}.{key}", None, present[key], added=True) for key in present if key not in wanted)


def _of_lists(wanted: list[Any], present: list[Any], path: str, *, complete: bool) -> Iterator[Difference]:
    if len(wanted) != len(present):
        yield Difference(f"the length of {path}", len(wanted), len(present))
        return
    for index, (ours, theirs) in enumerate(zip(wanted, present, strict=True)):
        yield from differences(ours, theirs, f"{path}[{index}]", complete=complete)


def _same(wanted: Any, present: Any) -> bool:
    if wanted is None:
        return True
    if present is None:
        return wanted in ("", False, 0)
    if isinstance(wanted, str) and is_made_up(wanted):
        return True
    if isinstance(wanted, bool) or isinstance(present, bool):
        return wanted is present
    return bool(wanted == present) or (_quantity(wanted) == _quantity(present) is not None)


def _quantity(value: Any) -> Decimal | None:
    """The number that a quantity means; None for what is none."""
    found = _QUANTITY.fullmatch(str(value))
    return Decimal(found[1]) * _UNITS[found[2] or ""] if found else None
