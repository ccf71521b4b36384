"""What differs between two renderings, by component: as text for a terminal, and as the summary of a pull request."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

COMPONENT = "# component: "
"""How the first line of a rendered file names the component that its object is part of."""
LONGEST_SUMMARY = 900_000
"""Bytes of a summary; GitHub drops one of more than 1 MiB as a whole."""
LONGEST_DIFFERENCE = 400
"""Lines of one object in a summary; those of a new dashboard are thousands."""
_FENCE = "`" * 8  # longer than any in what is shown


@dataclass(frozen=True)
class Difference:
    """One object that differs."""

    component: str
    change: str
    """`added`, `removed` or `changed`."""
    path: str
    lines: tuple[str, ...]
    """The unified diff of its file."""

    @property
    def title(self) -> str:
        """One line that says what became of the object."""
        return f"{self.change}: {self.path}"


def differences(old: Mapping[str, str], new: Mapping[str, str]) -> list[Difference]:
    """Each object that differs between two renderings, those of a component together."""
    found = []
    for path in old.keys() | new.keys():
        before, after = old.get(path), new.get(path)
        if before != after:
            change = "added" if before is None else "removed" if after is None else "changed"
            lines = difflib.unified_diff(
                (before or "").splitlines(), (after or "").splitlines(), f"a/{path}", f"b/{path}", lineterm=""
            )
            found.append(Difference(_component(after or before or ""), change, path, tuple(lines)))
    return sorted(found, key=lambda difference: (difference.component, difference.path))


def _component(text: str) -> str:
    first = text.partition("\n")[0]
    return first.removeprefix(COMPONENT) if first.startswith(COMPONENT) else "objects"


def as_text(found: Sequence[Difference]) -> Iterator[str]:
    """A heading for each component, and below it each object with its diff."""
    for heading, members in _by_component(found):
        yield heading
        for difference in members:
            yield difference.title
            yield from difference.lines


def in_short(found: Sequence[Difference]) -> str:
    """How many objects of each component differ, on one line."""
    return "; ".join(heading for heading, _ in _by_component(found))


def as_markdown(stack: str, base: str, found: Sequence[Difference]) -> str:
    """The summary of a pull request: each object folded below its component, cut where it grows too long."""
    if not found:
        return f"## {stack}: deploys the same as {base}\n"
    rest = f"`make diff STACK={stack} BASE={base}` shows"
    parts, size, left_out = [f"## {stack}: what changes to {base}\n"], 0, 0
    for heading, members in _by_component(found):
        parts.append(f"\n### {heading}\n\n")
        for difference in members:
            section = _section(difference, rest)
            size += len(section.encode())
            left_out += size > LONGEST_SUMMARY
            parts.append(section if size <= LONGEST_SUMMARY else f"- {difference.title}\n")
    if left_out:
        parts.append(f"\nThe summary was too long for {left_out} of these; {rest} them.\n")
    return "".join(parts)


def _section(difference: Difference, rest: str) -> str:
    lines = list(difference.lines[:LONGEST_DIFFERENCE])
    if more := len(difference.lines) - len(lines):
        lines.append(f"… {more} more lines: {rest} them")
    body = "\n".join(lines)
    return f"<details><summary>{escape(difference.title)}</summary>\n\n{_FENCE}diff\n{body}\n{_FENCE}\n\n</details>\n"


def _by_component(found: Sequence[Difference]) -> Iterator[tuple[str, list[Difference]]]:
    """Each component with its heading, such as `Logs: 1 added, 2 changed`, and its objects."""
    for component, group in groupby(found, key=lambda difference: difference.component):
        members = list(group)
        counts = Counter(difference.change for difference in members)
        yield f"{component}: {', '.join(f'{counts[change]} {change}' for change in sorted(counts))}", members
