"""The two log dialects of the application, written to standard output.

Python services: JSON lines with a malformed timestamp, `extra` as JSON inside a string (or null) and the logger's
name, not the process's, in `service`. Gateway: JSON lines as Go encodes them, mixed with plain access lines.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

Extra = Mapping[str, object]


def emit(line: str) -> None:
    """Write one line and flush it, so that a reader of the log sees it at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def random_request_id() -> str:
    """Return an id as the services make one up where none was handed down: unrelated to any request."""
    return f"req-{uuid4().hex[:8]}"


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
    """Return one line of a Python service. The `Z` after `+00:00` is the application's mistake, kept on purpose."""
    entry = {
        "timestamp": (now or datetime.now(UTC)).isoformat() + "Z",
        "level": level,
        "service": logger,
        "request_id": request_id or random_request_id(),
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


@dataclass(frozen=True)
class PythonLogger:
    """A named logger of a Python service."""

    name: str

    def log(
        self,
        level: str,
        action: str,
        message: str,
        *,
        user: str | None = None,
        request_id: str | None = None,
        extra: Extra | None = None,
    ) -> None:
        """Write one line at `level` (DEBUG, INFO, WARN, ERROR or CRITICAL)."""
        emit(python_line(self.name, level, action, message, user=user, request_id=request_id, extra=extra))
