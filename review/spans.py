"""Spans of time as sorted lists of (start, end) in Unix seconds, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterable

Span = tuple[float, float]


def union(spans: Iterable[Span], gap: float = 0.0) -> list[Span]:
    """The time that any of them covers; those less than `gap` seconds apart are one."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and (start <= found[-1][1] or start - found[-1][1] < gap):
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def common(one: Iterable[Span], other: Iterable[Span]) -> list[Span]:
    """The time that both cover."""
    others = union(other)
    pairs = ((max(a, c), min(b, d)) for a, b in union(one) for c, d in others)
    return [(start, end) for start, end in pairs if start < end]


def without(one: Iterable[Span], other: Iterable[Span]) -> list[Span]:
    """The time of the first that the second does not cover."""
    rest = union(one)
    for start, end in union(other):
        rest = [piece for a, b in rest for piece in ((a, min(b, start)), (max(a, end), b)) if piece[0] < piece[1]]
    return rest


def length(spans: Iterable[Span]) -> float:
    """Seconds that they cover."""
    return sum(end - start for start, end in union(spans))
