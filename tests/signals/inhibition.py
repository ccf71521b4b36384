"""What an inhibition rule mutes, as documented: a stand-in for Alertmanager's own matching, where none runs."""

from __future__ import annotations

from typing import Any

from rehearsal.routes import matches

Labels = dict[str, str]


def mutes(rule: dict[str, Any], source: Labels, target: Labels) -> bool:
    """Whether a rule mutes a firing target while a source fires."""
    return (
        source != target
        and all(matches(matcher, source) for matcher in rule["source_matchers"])
        and all(matches(matcher, target) for matcher in rule["target_matchers"])
        and all(source.get(name, "") == target.get(name, "") for name in rule["equal"])
    )
