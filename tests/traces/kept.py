"""Traces that the running stack has kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from tests.rehearsal.running import Running


@dataclass(frozen=True)
class Span:
    """A span as Jaeger gives it back."""

    id: str
    parent: str | None
    service: str
    tags: dict[str, Any]


def spans_of(rehearsal: Running, trace: str) -> list[Span]:
    """The spans of a trace by its id; none if it is not kept, or not yet."""
    answer = httpx.get(f"{rehearsal.ports.url('jaeger')}/api/traces/{trace}", timeout=60)
    if answer.status_code == httpx.codes.NOT_FOUND:
        return []
    (found,) = answer.raise_for_status().json()["data"]
    return [
        Span(
            span["spanID"],
            next((one["spanID"] for one in span["references"] if one["refType"] == "CHILD_OF"), None),
            found["processes"][span["processID"]]["serviceName"],
            {tag["key"]: tag["value"] for tag in span["tags"]},
        )
        for span in found["spans"]
    ]
