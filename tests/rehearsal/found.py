"""Lines that LogQL finds in a running stack."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tests.documented import documented
from tests.rehearsal.running import Running

SECOND = 10**9


@dataclass(frozen=True)
class Entry:
    """A line as Loki gives it back."""

    at: int
    text: str
    labels: dict[str, str]


def asked(rehearsal: Running, title: str, **values: str) -> list[Entry]:
    """What a documented query finds in the last ten minutes, in the order of the answer."""
    query = documented()[title]
    for name, value in values.items():
        assert f"${name}" in query
        query = query.replace(f"${name}", value)
    return entries(rehearsal, query)


def entries(rehearsal: Running, query: str) -> list[Entry]:
    """Lines of the last ten minutes, oldest first, as Explore shows them."""
    found = [
        Entry(int(at), text, series["stream"])
        for series in result(rehearsal, query, direction="forward")
        for at, text in series["values"]
    ]
    return sorted(found, key=lambda entry: entry.at)


def result(rehearsal: Running, query: str, **parameters: str) -> list[dict[str, Any]]:
    now = time.time_ns()
    window = {"start": str(now - 600 * SECOND), "end": str(now), "limit": "1000"}
    answer = rehearsal.get("loki", "/loki/api/v1/query_range", query=query, **window, **parameters)
    streams: list[dict[str, Any]] = answer["data"]["result"]
    return streams


def logged(rehearsal: Running, query: str) -> list[str]:
    """The newest lines of the last ten minutes that a LogQL query finds."""
    now = time.time_ns()
    answer = rehearsal.get(
        "loki", "/loki/api/v1/query_range", query=query, start=str(now - 600 * 10**9), end=str(now), limit="100"
    )
    return [line for stream in answer["data"]["result"] for _, line in stream["values"]]
