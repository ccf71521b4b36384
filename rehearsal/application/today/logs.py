"""The two log formats of the application, written to standard output.

Python services: JSON lines with a malformed timestamp, `extra` as JSON inside a string (or null) and the logger's
name, not the process's, in `service`. Gateway: JSON lines as Go encodes them, mixed with plain access lines.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from rehearsal.application.telemetry import Log

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
    """Return one JSON line of the gateway: whole seconds, extras inside the message, no request id."""
    if extra:
        message += " [" + ", ".join(f"{key}={value}" for key, value in extra.items()) + "]"
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
    """Return one plain access line of the gateway's web framework."""
    stamp = (now or datetime.now(UTC)).strftime("%Y/%m/%d - %H:%M:%S")
    return f'[GIN] {stamp} | {status} | {seconds * 1000:10.6f}ms | {client:>15} | {method:<7} "{path}"'


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
