"""What an inhibition rule mutes, as documented: a stand-in for Alertmanager's own matching, where none runs."""

from __future__ import annotations

import re
from typing import Any

Labels = dict[str, str]


def matches(matcher: str, labels: Labels) -> bool:
    """Whether labels match a matcher such as `severity=~"warning|info"`. Raises ValueError for other operators."""
    found = re.fullmatch(r'(\w+)(=~|=)"(.*)"', matcher)
    if not found:
        raise ValueError(f"{matcher}: only = and =~ are understood here")
    name, operator, value = found.groups()
    given = labels.get(name, "")
    return bool(re.fullmatch(value, given)) if operator == "=~" else given == value


def mutes(rule: dict[str, Any], source: Labels, target: Labels) -> bool:
    """Whether a rule mutes a firing target while a source fires."""
    return (
        source != target
        and all(matches(matcher, source) for matcher in rule["source_matchers"])
        and all(matches(matcher, target) for matcher in rule["target_matchers"])
        and all(source.get(name, "") == target.get(name, "") for name in rule["equal"])
    )
