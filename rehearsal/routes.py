"""Which routes of Alertmanager's configuration an alert takes: a stand-in for its own matching, held against amtool."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Route = dict[str, Any]


def parsed(matcher: str) -> tuple[str, str, str]:
    """Name, operator and value of a matcher such as `severity=~"warning|info"`. Raises ValueError for other forms."""
    found = re.fullmatch(r'\s*(\w+)\s*(=~|!~|!=|=)\s*"(.*)"\s*', matcher)
    if not found:
        raise ValueError(f'matcher {matcher!r}: expected a form such as severity="critical"')
    return found[1], found[2], found[3]


def accepts(operator: str, value: str, given: str) -> bool:
    """Whether a matcher's operator and value accept what a label is; a missing one is empty."""
    same = re.fullmatch(value, given) is not None if "~" in operator else value == given
    return same != operator.startswith("!")


def matches(matcher: str, labels: Mapping[str, str]) -> bool:
    """Whether labels match. Raises ValueError for a matcher of another form than `name="value"`."""
    name, operator, value = parsed(matcher)
    return accepts(operator, value, labels.get(name, ""))


def taken(root: Route, match: Callable[[str], bool]) -> list[Route]:
    """The routes below the root, with what they inherit, whose matchers all match; the root if there is none.

    They are one level deep.
    """
    found = []
    for route in root["routes"]:
        if all(map(match, route["matchers"])):
            found.append({key: value for key, value in root.items() if key != "routes"} | route)
            if not route.get("continue"):
                break
    return found or [root]
