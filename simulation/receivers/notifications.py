"""What arrived: one record per message, kept in memory and in a file that survives a restart."""

from __future__ import annotations

import json
import logging
import os
import re
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

RECEIVERS = ("slack", "pagerduty", "email", "heartbeat")
STATUSES = ("firing", "resolved")


def rfc3339(moment: datetime) -> str:
    """Write a time in UTC with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, kw_only=True)
class Notification:
    """One message; what it does not say is None or empty."""

    receiver: str
    """One of RECEIVERS."""
    received: str = field(default_factory=lambda: rfc3339(datetime.now(UTC)))
    """RFC 3339, UTC."""
    title: str | None = None
    destination: str | None = None
    """Slack channel, mail recipients; none for the others."""
    alertnames: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    status: str | None = None
    """`firing` or `resolved` (PagerDuty also `acknowledged`)."""
    severity: str | None = None
    raw: Any = None
    """The message as it came, without credentials."""
    refused: str | None = None
    """Why it was not accepted: the answer's status and text; None if it was."""


def names(value: object) -> tuple[str, ...]:
    """Return the names in a text that lists them between commas, spaces or lines, each once."""
    return tuple(dict.fromkeys(re.findall(r"[\w.:-]+", value))) if isinstance(value, str) else ()


def word(value: object, allowed: Iterable[str] | None = None) -> str | None:
    """Return the one word of a text in lower case; None if it is none, several, or not among `allowed`."""
    found = names(value)
    if len(found) != 1 or (allowed is not None and found[0].lower() not in allowed):
        return None
    return found[0].lower()


class Store:
    """Every notification, accepted or refused, oldest first.

    `directory`/notifications.jsonl (mode 0600) gets a line at each arrival and is read back at the start.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = directory / "notifications.jsonl"
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._file = os.fdopen(descriptor, "a+", encoding="utf-8")
        self._path.chmod(0o600)
        self._notifications = self._read()
        self.version = time.time_ns()
        """Another number after each change and each start."""

    def add(self, notification: Notification) -> None:
        """Keep a notification."""
        self._notifications.append(notification)
        self.version += 1
        self._file.write(json.dumps(asdict(notification)) + "\n")
        self._file.flush()

    def all(self) -> tuple[Notification, ...]:
        """Return every notification, oldest first."""
        return tuple(self._notifications)

    def clear(self) -> None:
        """Forget every notification, on disk too."""
        self._notifications.clear()
        self.version += 1
        self._file.truncate(0)

    def _read(self) -> list[Notification]:
        self._file.seek(0)
        found = []
        line = ""
        for number, line in enumerate(self._file, 1):
            try:
                found.append(_from_json(line))
            except (ValueError, TypeError):
                log.warning("%s:%d: not a notification; skipped", self._path, number)
        if line and not line.endswith("\n"):  # a crash cut the last line short: the next one must not join it
            self._file.write("\n")
        return found


def _from_json(line: str) -> Notification:
    document = json.loads(line)
    for key in ("alertnames", "services"):
        document[key] = tuple(document[key])
    return Notification(**document)
