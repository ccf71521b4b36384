"""The two log formats of the application, written to standard output.

Python services: JSON lines with a malformed timestamp, `extra` as JSON inside a string (or null) and the logger's
name, not the process's, in `service`. Gateway: JSON lines as Go encodes them, mixed with two plain access lines for
each request.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from simulation.application.telemetry import Log

Extra = Mapping[str, object]


def emit(line: str) -> None:
    """Write one line and flush it, so that a reader of the log sees it at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def python_line(
    logger: str,
    level: str,
    action: str,
    message: str,
    *,
    user: str | None = None,
    request_id: str | None = None,
    extra: Extra | None = None,
    now: datetime | None = None,
) -> str:
    """Return one line of a Python service.

    The `Z` after `+00:00` is the application's mistake, kept on purpose; so is an id that is unrelated to any request
    where the code has none.
    """
    entry = {
        "timestamp": (now or datetime.now(UTC)).isoformat() + "Z",
        "level": level,
        "service": logger,
        "request_id": request_id or f"req-{uuid4().hex[:8]}",
        "action": action,
        "message": message,
        "user": user or logger,
        "extra": json.dumps(extra) if extra else None,
    }
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False)


def gateway_line(
    level: str, action: str, message: str, extra: Extra | None = None, *, now: datetime | None = None
) -> str:
    """Return one JSON line of the gateway: whole seconds, extras inside the message in no order, no request id."""
    if extra:
        pairs = random.sample(list(extra.items()), len(extra))  # as Go goes over a map
        message += " [" + ", ".join(f"{key}={value}" for key, value in pairs) + "]"
    entry = {
        "timestamp": (now or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "level": level,
        "service": "gateway",
        "action": action,
        "message": message,
    }
    line = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&":  # Go escapes these three in JSON strings
        line = line.replace(character, f"\\u{ord(character):04x}")
    return line


def access_line(
    status: int, seconds: float, client: str, method: str, path: str, *, now: datetime | None = None
) -> str:
    """Return the plain access line of the gateway's web framework."""
    stamp = (now or datetime.now(UTC)).strftime("%Y/%m/%d - %H:%M:%S")
    return f"[GIN] {stamp} | {status} | {_duration(seconds):>13} | {client:>15} | {method:<8} {json.dumps(path)}"


def own_access_line(
    status: int, seconds: float, client: str, method: str, path: str, user_agent: str, *, now: datetime | None = None
) -> str:
    """Return the gateway's own plain access line, which stands before the framework's.

    The decoded path is in it as it is: with a line feed in it, a client writes lines of its choice.
    """
    stamp = (now or datetime.now(UTC)).strftime("%a, %d %b %Y %H:%M:%S UTC")
    return f'{client} - [{stamp}] "{method} {path} HTTP/1.1 {status} {_duration(seconds)} "{user_agent}" "'


def _duration(seconds: float) -> str:
    """As Go writes it: 842.291µs, 53.270881ms or 1.5s."""
    shorter = ((unit, digits) for unit, digits in (("µs", 3), ("ms", 6)) if seconds < 10.0 ** (digits - 6))
    unit, digits = next(shorter, ("s", 9))
    number = f"{seconds * 10 ** (9 - digits):.{digits}f}"
    return number.rstrip("0").rstrip(".") + unit


def python_log(service_logger: str) -> Log:
    """Return what a Python service logs with; `service_logger` is the name of its main logger."""

    def log(
        level: str,
        action: str,
        message: str,
        *,
        logger: str | None = None,
        user: str | None = None,
        request_id: str | None = None,
        extra: Extra | None = None,
    ) -> None:
        name = logger or service_logger
        emit(python_line(name, level, action, message, user=user, request_id=request_id, extra=extra))

    return log
