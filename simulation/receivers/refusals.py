"""How a receiver says no: the vendor's status and body, or the failure a drill ordered."""

from __future__ import annotations

import json
from dataclasses import dataclass


class RefusedError(Exception):
    """A request that the vendor would refuse."""

    def __init__(self, status: int, body: str | dict[str, object]) -> None:
        self.status = status
        self.media_type = "text/plain" if isinstance(body, str) else "application/json"
        self.body = body if isinstance(body, str) else json.dumps(body)
        super().__init__(f"{status} {self.body}")


@dataclass
class _Outage:
    status: int
    left: int


class Outages:
    """The failures that drills ordered, by receiver."""

    def __init__(self) -> None:
        self._by_receiver: dict[str, _Outage] = {}

    def order(self, receiver: str, status: int, count: int) -> None:
        """Let the next `count` messages of a receiver fail with `status`; a count of 0 heals it."""
        self._by_receiver[receiver] = _Outage(status, count)

    def take(self, receiver: str) -> int | None:
        """Return the status that this message must fail with, if any, and count it."""
        outage = self._by_receiver.get(receiver)
        if outage is None or outage.left <= 0:
            return None
        outage.left -= 1
        return outage.status
