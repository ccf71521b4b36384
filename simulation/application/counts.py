"""What the load generator sent and got, and which series should have grown by it: the truth for later comparisons.

Exact for every answered request. Not known is what a service did with a request whose answer never came
(`unanswered`). Today's gateway also counts `/metrics` and `/health`, which others request: leave these endpoints out.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from simulation.dialect import DEFAULT, TODAY

GATEWAY = "gateway"
BAD_TOKEN = "token validation failed:"  # noqa: S105 - what the gateway's 401 says when auth-service refused the token
AUTH_FAILED = "auth service returned status"  # and when auth-service failed; the status follows
REDIRECTED_PATHS = frozenset({"/api/v1/orders"})


class Series(NamedTuple):
    """A series by name and labels, as scraped but without `endpoint` and the target's labels."""

    name: str
    labels: tuple[tuple[str, str], ...]


def series(name: str, **labels: str) -> Series:
    """Return a series with its labels in order."""
    return Series(name, tuple(sorted(labels.items())))


@dataclass(frozen=True)
class Exchange:
    """One answered request, as the client saw it."""

    service: str  # where the path leads; "gateway" for paths that lead nowhere
    path: str
    status: int
    with_token: bool
    message: str = ""  # the gateway's own error message, if it is one
    seconds: float = 0.0  # from sending it to its whole answer


@dataclass
class Counts:
    """Running counts of one load generator, for services of one dialect; amounts are in US dollars."""

    dialect: str = DEFAULT
    started_at: float = field(default_factory=time.time)
    sent: int = 0
    answered: int = 0
    unanswered: int = 0
    skipped: int = 0  # not sent, because too many requests were open
    responses: Counter[tuple[str, int]] = field(default_factory=Counter)
    expected: dict[Series, float] = field(default_factory=dict)
    latencies: dict[str, Counter[int]] = field(default_factory=dict)  # by service: milliseconds, rounded up

    def add(self, what: Series, amount: float = 1.0) -> None:
        """Expect a series to have grown."""
        self.expected[what] = self.expected.get(what, 0.0) + amount

    def business(self, name: str, amount: float = 1.0, **labels: str) -> None:
        """Expect a business series to have grown; today there are none."""
        if self.dialect != TODAY:
            self.add(series(name, **labels), amount)

    def note(self, exchange: Exchange) -> None:
        """Take one answered request into account."""
        self.answered += 1
        self.responses[exchange.service, exchange.status] += 1
        self.latencies.setdefault(exchange.service, Counter())[math.ceil(1000 * exchange.seconds)] += 1
        for grown in request_series(exchange, self.dialect):
            self.add(grown)

    def as_json(self) -> Mapping[str, object]:
        """Return everything as JSON-ready values.

        `expected` is a list of {series, labels, value}; `latency_ms` says by service how many requests took how many
        milliseconds, rounded up.
        """
        by_service: dict[str, dict[str, int]] = {}
        for (service, status), number in sorted(self.responses.items()):
            by_service.setdefault(service, {})[str(status)] = number
        return {
            "started_at": self.started_at,
            "sent": self.sent,
            "answered": self.answered,
            "unanswered": self.unanswered,
            "in_flight": self.sent - self.answered - self.unanswered,
            "skipped": self.skipped,
            "responses": by_service,
            "expected": [
                {"series": what.name, "labels": dict(what.labels), "value": round(value, 2)}
                for what, value in sorted(self.expected.items())
            ],
            "latency_ms": {service: dict(sorted(taken.items())) for service, taken in sorted(self.latencies.items())},
        }


def request_series(exchange: Exchange, dialect: str) -> Iterator[Series]:
    """Yield the request series that an answered request has made grow by one each, in all services it passed."""
    today = dialect == TODAY
    refused = exchange.status == 401 and exchange.message.startswith("Token validation failed")
    if exchange.with_token:
        yield from _auth(exchange, refused)
    turned_away = refused or exchange.status == 429
    if not (turned_away and today):  # today's gateway answers these before it counts
        yield from _counted("gateway", exchange.status)
    if turned_away:
        return
    target = exchange.service.replace("-", "_")
    if exchange.status == 503:  # the gateway's own answer: the backend did not get, or not finish, the request
        yield series("gateway_proxy_errors_total", target_service=target, error_type="request_failed")
        return
    if exchange.service == GATEWAY or (exchange.status >= 500 and exchange.message):
        return  # the path leads nowhere, or the gateway itself failed
    if exchange.status >= 500:
        yield series("gateway_proxy_errors_total", target_service=target, error_type=str(exchange.status))
    if not (today and exchange.service == "insights-service"):  # which exports nothing today
        yield from _backend(exchange)


def _auth(exchange: Exchange, refused: bool) -> Iterator[Series]:
    if not refused or BAD_TOKEN in exchange.message:
        yield from _counted("auth", 200)  # 200 even for a bad token
    elif AUTH_FAILED in exchange.message:
        _, _, status = exchange.message.partition(AUTH_FAILED)
        yield from _counted("auth", int(status.partition(":")[0]))


def _backend(exchange: Exchange) -> Iterator[Series]:
    prefix = exchange.service.removesuffix("-service")
    if exchange.path in REDIRECTED_PATHS:
        yield from _counted(prefix, 307)
    yield from _counted(prefix, exchange.status)


def _counted(prefix: str, status: int) -> Iterator[Series]:
    yield series(f"{prefix}_requests_total", status_code=str(status))
    if status >= 400:
        yield series(f"{prefix}_errors_total", status_code=str(status))
