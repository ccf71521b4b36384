"""What the real application wrote: `recorded/<service>/<outcome>.log`, and its lines once more for other requests.

Each file is what one container of the unmodified application wrote for one request of its kind, or while it started,
stopped, or fetched prices; names, addresses and ids are replaced by invented ones, and a traceback by a short one. Only
`unhandled-error` of auth-service is user-service's, under the other name: its code for it is the same. All texts of
today's Python services stand there. The web servers' lines do too, but each server writes its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from uuid import uuid4

from starlette.requests import Request

from simulation.application.simulation import request_id_of, values_of
from simulation.application.today.logs import emit, gateway_line, python_line

DIRECTORY = Path(__file__).with_name("recorded")
REQUEST_ID = "req-1796140901123456789"
"""The recorded id that the gateway hands down; lines with another one have none of the request."""
VALUES = {
    "user_5f1c2a3b": "user",
    "user_5f1c2a3b@example.com": "email",
    "10.0.3.17": "ip_address",
    "Mozilla/5.0 (X11; Linux x86_64)": "user_agent",
    "market_buy": "order_type",
    "market_sell": "order_type",
    "limit_buy": "order_type",
    "ADA": "asset_id",
    "DOGE": "asset_id",
    "Cardano": "asset_name",
    "15000.5": "quantity",
    "7800.260": "total_amount",
    "4100.57": "amount",
    "order_a1b17efb_1796140901": "order_id",
    "lock_b64a8e4b_20261201_160141": "lock_id",
    "req-1796140901123": "validation_id",
    "#1": "cycle",
}
"""The names and numbers of the recorded lines that are another request's own, and what they are."""
_ANY = re.compile("|".join(rf"(?<![\w.]){re.escape(text)}(?!\w)" for text in sorted(VALUES, key=len, reverse=True)))
_ANSWERED = re.compile(r'INFO: +\S+ - "\S+ \S+ HTTP/1\.1" (?P<status>[0-9]{3}) ')
_SERVER = re.compile(r"INFO: |\[GIN\] |[0-9.]+ - \[")


@dataclass(frozen=True)
class Line:
    """One recorded line: of JSON, or plain without an `entry`."""

    text: str
    entry: Mapping[str, str | None] | None

    def written(self, values: Mapping[str, object], request_id: str | None = None) -> str:
        """The line as another request would have written it."""
        if self.entry is None:
            return self.text
        own = {name: str(value) for name, value in values.items() if value is not None}
        logger, level, action, message = (str(self.entry[key]) for key in ("service", "level", "action", "message"))
        if "request_id" not in self.entry:
            return gateway_line(level, action, _with(own, message))
        return python_line(
            logger,
            level,
            action,
            _with(own, message),
            user=None if self.entry["user"] == logger else own.get("user"),
            request_id=request_id if self.entry["request_id"] == REQUEST_ID else None,
            extra=_extra(own, self.entry["extra"]),
        )


def _with(own: Mapping[str, str], text: str) -> str:
    return _ANY.sub(lambda found: own.get(VALUES[found[0]], found[0]), text)


def _extra(own: Mapping[str, str], text: str | None) -> dict[str, object] | None:
    if text is None:
        return None
    return {key: _with(own, value) if isinstance(value, str) else value for key, value in json.loads(text).items()}


@dataclass(frozen=True)
class Recording:
    """What one container wrote, without the lines of its web server."""

    lines: tuple[Line, ...]
    status: int | None
    """Of the answer; None where there was no request."""

    def replay(self, values: Mapping[str, object], request_id: str | None = None) -> None:
        """Write the lines as if they were another request's, or another start's."""
        for line in self.lines:
            emit(line.written(values, request_id))


@cache
def recordings(service: str) -> Mapping[str, Recording]:
    """All recordings of a service by outcome."""
    return {file.stem: _read(file) for file in (DIRECTORY / service).glob("*.log")}


def _read(file: Path) -> Recording:
    written = file.read_text().splitlines()
    answers = [int(found["status"]) for line in written if (found := _ANSWERED.match(line))]
    lines = [
        Line(line, json.loads(line) if line.startswith("{") else None) for line in written if not _SERVER.match(line)
    ]
    return Recording(tuple(lines), answers[-1] if answers else None)


class Recorded:
    """Tells what became of the requests to one service, as it was recorded."""

    def __init__(self, service: str) -> None:
        self._recordings = recordings(service)

    def __contains__(self, outcome: object) -> bool:
        """Whether it was recorded."""
        return outcome in self._recordings

    def __call__(self, outcome: str, request: Request, **values: object) -> int:
        """Write the recorded lines with the request's own values; returns the recorded status."""
        recording = self._recordings[outcome]
        if recording.status is None:
            raise KeyError(f"{outcome}: no request was answered when it was recorded")
        recording.replay(_ids() | values_of(request) | values, request_id_of(request))
        return recording.status


def _ids() -> dict[str, object]:
    """Ids that each request makes up."""
    now = datetime.now(UTC)
    return {
        "lock_id": f"lock_{uuid4().hex[:8]}_{now:%Y%m%d_%H%M%S}",
        "validation_id": f"req-{int(now.timestamp() * 1000)}",
    }
