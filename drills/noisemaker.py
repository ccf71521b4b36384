"""Makes the noise of a healthy system in a running rehearsal, one thing at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from drills.faults import LOAD, Breaker, Undo, nothing
from drills.model import Fault
from drills.noise import DAY, NIGHT, Noise
from local.ports import SERVICES
from rehearsal import health
from rehearsal.lifecycle import Rehearsal

USUAL, BURST, BURST_AT_MOST, LULL = 6.0, 5.0, 40.0, 1 / 6
"""Steps that customers take in a second; how many times as many in a burst, and at most, and in a lull."""
VISITS = 1 / 60
"""Requests in a second of the stack's time by night, of visitors who do not order."""
SCANS, WRONG_TOKENS, WRONG_PASSWORDS = 3.0, 2.0, 1.0
"""Requests in a second that somebody makes who is no customer."""
LINES = 100
"""Log lines more at each request in a burst of them."""
FAILED = 4
"""Requests that fail if all go to the service that fails some: so of most services one does."""
ANSWERED_SECONDS = 0.3
"""What requests under way take to be answered, by the real clock."""
AWAY_WITHOUT_NOTICE = frozenset({"loki"})
"""What says for a quarter of a minute after its start that it is not ready yet, and works."""


class Noisemaker:
    """Of one rehearsal, which was started without customers."""

    def __init__(self, rehearsal: Rehearsal) -> None:
        self._ports, self._supervisor, self._speed = rehearsal.ports, rehearsal.supervisor, rehearsal.speed
        self._breaker = Breaker(rehearsal)
        self._paces = {"rate": 0.0, "visits": 0.0}
        self.usual = min(USUAL * self._speed, LOAD)
        """Steps a second by day: in faster time more, as a window of 5 min is shorter, but no more than drills have."""

    def makes(self, noise: Noise) -> tuple[float, Undo]:
        """Begin it. Returns for how many seconds of the stack's time what it restarted was away, and what ends it."""
        moments: dict[str, Callable[[str], float]] = {
            NIGHT: self._night,
            DAY: self._day,
            "restart": self._service_restarted,
            "roll-out": lambda _: max([self._replaced(service) for service in SERVICES]),
            "part restarted": self._restarted,
            "reload": self._reloaded,
        }
        if noise.kind in moments:
            return moments[noise.kind](noise.target), nothing
        return 0, self._lasting(noise)

    def _lasting(self, noise: Noise) -> Undo:
        service = noise.target
        kinds: dict[str, Callable[[], Undo]] = {
            "missed scrape": lambda: self._breaker.stands_still(noise.target),
            "scanner": lambda: self._beside("random-paths", SCANS),
            "wrong tokens": lambda: self._beside("wrong-tokens", WRONG_TOKENS),
            "wrong passwords": lambda: self._beside("failed-logins", WRONG_PASSWORDS),
            "log burst": lambda: self._broken({"flood": {"service": service, "lines": LINES}}),
            "single failures": lambda: self._broken(
                {"errors": {"service": service, "share": self._few(noise.minutes)}}
            ),
            "burst": lambda: self._customers(min(BURST * self.usual, BURST_AT_MOST)),
            "lull": lambda: self._customers(LULL * self.usual),
        }
        return kinds[noise.kind]()

    def _night(self, _: str) -> float:
        self._pace("rate", 0)
        self._pace("visits", VISITS * self._speed)
        return 0

    def _day(self, _: str) -> float:
        self._pace("rate", self.usual)
        self._pace("visits", 0)
        return 0

    def _service_restarted(self, service: str) -> float:
        """In faster time the seconds that it takes are as many times longer, and would be an outage to customers."""
        return self._restarted(service) if self._speed == 1 else self._replaced(service)

    def _replaced(self, service: str) -> float:
        """Restart a service that no request reaches meanwhile.

        Kubernetes sends requests to the new pod before the old one ends; here is one process, so that customers wait.
        """
        before = dict(self._paces)
        for name in before:
            self._pace(name, 0)
        try:
            time.sleep(ANSWERED_SECONDS)
            return self._restarted(service)
        finally:
            for name, rate in before.items():
                self._pace(name, rate)

    def _restarted(self, name: str) -> float:
        began = time.monotonic()
        self._supervisor.stop_program(name)
        self._supervisor.start_program(name)
        if name not in AWAY_WITHOUT_NOTICE:
            health.wait_for_processes([name], self._ports, self._supervisor)
        return (time.monotonic() - began) * self._speed

    def _reloaded(self, name: str) -> float:
        self._breaker.reload(name)
        return 0

    def _broken(self, fault: dict[str, object]) -> Undo:
        return self._breaker.breaks(Fault.model_validate({"from": 0, "to": 1} | fault))

    def _few(self, minutes: float) -> float:
        """The share of failures that makes them single ones, in so many minutes of the stack's time."""
        return min(1.0, FAILED * self._speed / (60 * minutes * self.usual))

    def _customers(self, rate: float) -> Undo:
        before = self._paces["rate"]
        self._pace("rate", rate)
        return lambda: self._pace("rate", before)

    def _beside(self, name: str, rate: float) -> Undo:
        self._pace(name, rate)
        return lambda: self._pace(name, 0)

    def _pace(self, name: str, rate: float) -> None:
        self._paces[name] = rate
        self._breaker.pace(name, rate)


@contextmanager
def undone(undo: Undo) -> Iterator[None]:
    """What a noise has begun ends with the block."""
    try:
        yield
    finally:
        undo()
