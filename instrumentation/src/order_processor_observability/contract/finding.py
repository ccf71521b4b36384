"""What was found about a service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from prometheus_client import Metric

_SHOWN = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    topic: str
    what: str
    wrong: str | None = None
    """What is wrong, and what to do; None if nothing is."""

    def __str__(self) -> str:
        return f"FAIL  {self.topic}: {self.what}: {self.wrong}" if self.wrong else f"ok    {self.topic}: {self.what}"


def json_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, or None."""
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def some(items: list[str]) -> str:
    """The first of many, and how many more there are."""
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more


def misshapen(family: Metric | None, kind: str, labels: set[str]) -> str | None:
    """What is wrong with a family of metrics that should be of this kind and have exactly these labels."""
    if family is None or not family.samples:
        return "it is missing; series must exist from the start, with the value 0"
    if family.type != kind:
        return f"it is a {family.type}"
    found = {label for sample in family.samples for label in sample.labels} - {"le"}
    return None if found == labels else f"its labels are {', '.join(sorted(found)) or 'none'}"
