"""What goes on in a healthy system, planned from a seed: nothing of it is for anybody to be told.

The plan begins in the night, with a request a minute and no customer: a stack without a memory would take a busy first
minute for the usual. Then the day begins. All along one kind of noise follows another, each as often as the others.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from local.ports import SERVICES

NIGHT, DAY = "night", "day"
ABOUT = {
    "restart": "one service ends and is started again",
    "roll-out": "every service is started anew, one after the other",
    "part restarted": "one part of the monitoring ends and is started again",
    "missed scrape": "one part of the monitoring stands still for longer than a scrape waits",
    "reload": "a configuration is read again",
    "scanner": "somebody asks for paths that lead nowhere",
    "wrong tokens": "somebody uses a token that is none",
    "log burst": "one service writes a hundred lines more at each request",
    "wrong passwords": "somebody tries passwords, for minutes",
    "single failures": "one or a few requests to one service fail",
    "burst": "customers come several times as often",
    "lull": "customers come a sixth as often",
}
"""Kinds of noise, and what happens."""
BY_DAY = frozenset({"wrong passwords", "single failures", "burst", "lull"})
"""What takes customers."""
SERVICES_RESTARTED = frozenset({"restart", "roll-out"})
MOMENTS = SERVICES_RESTARTED | {"part restarted", "reload"}
"""What is over when it is done; the others last."""
RELOADED = ("prometheus", "alertmanager")
PARTS = (*RELOADED, "loki", "log-agent", "blackbox", "node-exporter", "exporters")
STANDING = ("prometheus", "blackbox", "node-exporter", "exporters")
"""Parts that may stand still: each is scraped or scrapes, and no request of a customer passes it."""
TARGETS = {
    "restart": tuple(SERVICES),
    "part restarted": PARTS,
    "missed scrape": STANDING,
    "reload": RELOADED,
    "log burst": tuple(service for service in SERVICES if service != "gateway"),
    "single failures": ("user-service", "inventory-service", "order-service"),
}
"""What may be hit; single failures are of what most requests go to."""

# In minutes of the stack's time.
NIGHT_AT_MOST, SLOT_AT_MOST = 30.0, 4.0
NIGHT_SHARE = 0.2
"""Of a soak that is short."""
STANDS = 20 / 60
"""For how long what misses a scrape stands still: more than the timeout of 10 s, less than two intervals."""
RESTART_EVERY = 30.0
"""By day a restart of a service that has one process fails requests: one in half an hour is within its objective."""


@dataclass(frozen=True)
class Noise:
    """One thing that happens; times in minutes of the stack's time since the soak began."""

    at: float
    kind: str
    """One of ABOUT, or the beginning of the night or the day."""
    target: str = ""
    minutes: float = 0
    """For how long, where it lasts."""

    @property
    def words(self) -> str:
        """What happens, for people."""
        return f"{self.kind}: {self.target}" if self.target else self.kind


def plan(minutes: float, seed: int) -> list[Noise]:
    """The noise of so many minutes, in order and none beside another; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311 - noise, no secret
    day = min(NIGHT_AT_MOST, NIGHT_SHARE * minutes)
    slot = min(SLOT_AT_MOST, (minutes - day) / (len(ABOUT) + 0.5))
    at_night = [kind for kind in ABOUT if kind not in BY_DAY]
    night = _dealt(at_night, 0, day, slot, rng)
    by_day = _dealt(list(ABOUT), day, minutes, slot, rng)
    return [Noise(0, NIGHT), *night, Noise(day, DAY), *_spaced(by_day)]


def _dealt(kinds: list[str], begins: float, ends: float, slot: float, rng: random.Random) -> Iterator[Noise]:
    """A kind in each slot, as from a deck of cards that is shuffled whenever it is used up."""
    deck: list[str] = []
    for number in range(int((ends - begins) / slot)):
        deck = deck or rng.sample(kinds, len(kinds))
        kind = deck.pop()
        drawn = slot * rng.uniform(0.3, 0.8)
        lasts = 0 if kind in MOMENTS else STANDS if kind == "missed scrape" else drawn
        at = begins + slot * number + rng.uniform(0, slot - lasts)
        yield Noise(at, kind, rng.choice(TARGETS.get(kind, ("",))), lasts)


def _spaced(noises: Iterable[Noise]) -> Iterator[Noise]:
    """Without the restarts that come too soon after another."""
    last = -RESTART_EVERY
    for noise in noises:
        if noise.kind == "restart":
            if noise.at - last < RESTART_EVERY:
                continue
            last = noise.at
        yield noise
