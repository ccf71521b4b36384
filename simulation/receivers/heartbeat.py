"""A dead man's switch: it says when the heartbeat that must come, does not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime

from simulation.receivers.notifications import Notification, Store, rfc3339

HEARTBEAT_PERIOD_SECONDS, HEARTBEAT_GRACE_SECONDS = 60.0, 60.0
"""How often a beat must come, and how late one may be before it is missed: what users are told to set.

Alertmanager goes on for up to 4 minutes after the last word of Prometheus (four times its resend delay), so that the
death of either is noticed within 6 minutes.
"""

ALERT = "HeartbeatMissed"
"""Name under which a missed heartbeat appears among the notifications."""


@dataclass
class Heartbeat:
    """Expects a beat every `period` seconds and raises a record when none came for `period` + `grace`.

    The time counts from the start too: a heartbeat that never began is missed like one that ended.
    """

    store: Store
    period: float
    grace: float
    last: datetime | None = None
    """When the last beat came; None if none did since the start."""
    count: int = 0
    missed: bool = field(init=False)
    _beaten: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        earlier = [record for record in self.store.all() if ALERT in record.alertnames]
        self.missed = bool(earlier) and earlier[-1].status == "firing"

    def beat(self) -> None:
        """Note a beat; the first after a miss resolves it."""
        self.last = datetime.now(UTC)
        self.count += 1
        self._beaten.set()
        if self.missed:
            self._record(missed=False)

    async def watch(self) -> None:
        """Raise the record of each miss, until cancelled."""
        while True:
            try:
                await asyncio.wait_for(self._beaten.wait(), None if self.missed else self.period + self.grace)
                self._beaten.clear()
            except TimeoutError:
                self._record(missed=True)

    def _record(self, *, missed: bool) -> None:
        self.missed = missed
        since = f"since {rfc3339(self.last)}" if self.last else "since the start"
        self.store.add(
            Notification(
                receiver="heartbeat",
                title=f"No heartbeat {since}" if missed else "The heartbeat is back",
                alertnames=(ALERT,),
                status="firing" if missed else "resolved",
                severity="critical",
            )
        )
