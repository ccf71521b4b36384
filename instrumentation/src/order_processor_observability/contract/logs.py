"""Are a service's log lines those of the contract?"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from order_processor_observability.contract.finding import Finding, json_object, some
from order_processor_observability.logs import LEVELS

WAIT = 5.0
"""Seconds for a line to appear."""
KEYS = ("timestamp", "level", "service", "request_id", "username", "message", "context")
REQUEST_KEYS = ("operation", "method", "endpoint", "path", "status_code", "duration_ms")
LONGEST = 16 * 1024
"""Bytes, from which on container runtimes break a line in two."""
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?Z")


def logs(path: Path, sent: str) -> Iterator[Finding]:
    """Findings about a log file; a request has been made with `sent` as its id and that of its trace."""
    lines = _wait_for(path, sent)
    entries = [(number, json_object(line)) for number, line in enumerate(lines, 1)]
    broken = [f"line {number}" for number, entry in entries if entry is None]
    wrong = f"{some(broken)}; one JSON object in one line for each event, exceptions within it" if broken else None
    yield Finding("logs", f"{len(lines)} lines are JSON objects", wrong)
    long = [f"line {number}" for number, line in enumerate(lines, 1) if len(line.encode()) >= LONGEST]
    yield Finding("logs", f"each is shorter than {LONGEST} bytes", f"{some(long)}; cut long values" if long else None)
    good = [(number, entry) for number, entry in entries if entry is not None]
    for what, problem in _LINE_CHECKS.items():
        bad = [f"line {number}: {found}" for number, entry in good if (found := problem(entry))]
        yield Finding("logs", what, some(bad) if bad else None)
    ours = any(entry.get("request_id") == sent for _, entry in good)
    wrong = f"no line has the request_id {sent} of a request that was sent; is this the service's file?"
    yield Finding("logs", "a request's lines have its id", None if ours else wrong)
    traced = any(entry.get("request_id") == entry.get("trace_id") == sent for _, entry in good)
    wrong = f"no line with the request_id {sent} has the trace_id {sent} of its traceparent"
    yield Finding("logs", "a request's lines have its caller's trace", None if traced else wrong)
    finished = [entry for _, entry in good if entry.get("request_id") == sent and _is_finished(entry)]
    wrong = f"none of those with the request_id {sent} has all of {', '.join(REQUEST_KEYS)}"
    yield Finding("logs", "a finished request has a line with its context", None if finished else wrong)


def _wait_for(path: Path, sent: str) -> list[str]:
    deadline = time.monotonic() + WAIT
    while sent not in (text := path.read_text("utf-8", "replace")) and time.monotonic() < deadline:
        time.sleep(0.1)
    return text.rstrip("\n").split("\n") if text.strip() else []


def _is_finished(entry: dict[str, Any]) -> bool:
    """Whether a line is that of a finished request, with the id of the chain that it belongs to."""
    context = entry.get("context")
    if not isinstance(context, dict) or not set(REQUEST_KEYS) <= set(context):
        return False
    return context["operation"] == "http_request" and bool(entry.get("correlation_id"))


def _missing_keys(entry: dict[str, Any]) -> str | None:
    missing = [key for key in KEYS if key not in entry]
    return f"no {', '.join(missing)}" if missing else None


def _bad_timestamp(entry: dict[str, Any]) -> str | None:
    value = str(entry.get("timestamp"))
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return f"{value!r}"
    return None if _TIMESTAMP.fullmatch(value) else f"{value!r}"


def _bad_level(entry: dict[str, Any]) -> str | None:
    return None if entry.get("level") in LEVELS else f"{entry.get('level')!r}"


def _bad_context(entry: dict[str, Any]) -> str | None:
    context = entry.get("context")
    return None if isinstance(context, dict) else f"{type(context).__name__}"


_LINE_CHECKS: dict[str, Callable[[dict[str, Any]], str | None]] = {
    f"each has {', '.join(KEYS)}": _missing_keys,
    "timestamps are RFC 3339 in UTC, with Z": _bad_timestamp,
    f"levels are {', '.join(LEVELS)}": _bad_level,
    "context is an object": _bad_context,
}
