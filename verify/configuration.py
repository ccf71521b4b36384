"""Whether the configuration that Alertmanager runs is the one that was deployed.

The two texts never are the same: the operator and Alertmanager write out every default, sort matchers, shorten
durations and mask secrets. So everything that was deployed must be found in what runs; what runs may say more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from quantities import milliseconds

_MATCHER = re.compile(r'\s*([a-zA-Z_:][\w:]*|"[^"]*")\s*(=~|!~|!=|=)\s*(.*?)\s*', re.DOTALL)
_MASKED = "<secret>"


def differences(deployed: Any, running: Any, path: str = "") -> Iterator[str]:
    """Where the running configuration lacks what was deployed: a path and both values, one line each."""
    if deployed in (None, {}, [], ""):
        return  # what is empty is not written out
    if isinstance(deployed, Mapping):
        for key, value in deployed.items():
            inside = running.get(key) if isinstance(running, Mapping) else None
            yield from differences(value, inside, f"{path}.{key}".lstrip("."))
    elif isinstance(deployed, list):
        yield from _list_differences(deployed, running, path)
    elif _plain(deployed) != _plain(running) and running != _MASKED:
        yield f"{path}: {deployed!r} was deployed, {running!r} runs"


def _list_differences(deployed: list[Any], running: Any, path: str) -> Iterator[str]:
    if not isinstance(running, list) or len(deployed) != len(running):
        number = len(running) if isinstance(running, list) else 0
        yield f"{path}: {len(deployed)} were deployed, {number} run"
        return
    if path.endswith("matchers"):
        deployed, running = sorted(map(_matcher, deployed)), sorted(map(_matcher, running))
    for index, (ours, theirs) in enumerate(zip(deployed, running, strict=True)):
        yield from differences(ours, theirs, f"{path}[{index}]")


def _matcher(text: str) -> str:
    """A matcher without optional blanks and quotes."""
    found = _MATCHER.fullmatch(text)
    if found is None:
        return text
    name, operator, value = found.groups()
    return f'{name}{operator}"{value.removeprefix(chr(34)).removesuffix(chr(34))}"'


def _plain(value: Any) -> Any:
    """A value such that two spellings of one thing are equal: a duration in milliseconds, anything else as text."""
    text = str(value)
    try:
        return milliseconds(text)
    except ValueError:
        return text
