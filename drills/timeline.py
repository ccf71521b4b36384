"""What happened in one drill: plain data, in seconds of the stack's time since it began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


def of_whom(labels: Mapping[str, str]) -> str:
    """What a message of these labels is about: the service, or else the owner."""
    return labels.get("service") or labels.get("owner", "")


@dataclass(frozen=True)
class Message:
    """One message, as a receiver got it."""

    at: float
    channel: str
    alert: str
    """Its alerts, with commas between them if there are several."""
    service: str
    status: str
    """`firing` or `resolved`."""
    alerts: int = 1
    """How many of its alerts fire, as its title says."""


@dataclass(frozen=True)
class Span:
    """A stretch in which an alert was pending or firing."""

    alert: str
    state: str
    labels: dict[str, str]
    begin: float
    end: float

    @property
    def service(self) -> str:
        """What its message is about."""
        return of_whom(self.labels)


@dataclass(frozen=True)
class Sent:
    """When Alertmanager had an alert first."""

    at: float
    alert: str
    service: str


@dataclass(frozen=True)
class Broken:
    """One fault: when it began, was seen in the series (None: never, or nobody looked), and healed."""

    words: str
    planned: float
    """The minute at which the drill says that it begins."""
    begin: float
    healed: float
    shown: float | None = None
    looked: bool = False
    """Whether the drill says how it shows."""


@dataclass
class Timeline:
    """All of one drill."""

    faults: list[Broken] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    remaining: list[str] = field(default_factory=list)
    """What was not over when the drill's patience was."""
    length: float = 0

    def first(self, state: str, alert: str, service: str, since: float) -> float | None:
        """When an alert was first in a state, not before `since`; where it was already, `since`."""
        begins = [
            max(span.begin, since)
            for span in self.spans
            if (span.alert, span.state, span.service) == (alert, state, service) and span.end >= since
        ]
        return min(begins, default=None)

    def first_sent(self, alert: str, service: str, since: float) -> float | None:
        """When Alertmanager had an alert first, not before `since`; where it had one that fired then, `since`."""
        moments = [item.at for item in self.sent if (item.alert, item.service) == (alert, service)]
        if any(at < since for at in moments) and self.first("firing", alert, service, since) == since:
            return since
        return min((at for at in moments if at >= since), default=None)


def of_key(messages: Iterable[Message], alert: str, service: str, channel: str) -> list[Message]:
    """The messages of one alert of one service in one channel, oldest first."""
    found = [item for item in messages if (item.alert, item.service, item.channel) == (alert, service, channel)]
    return sorted(found, key=lambda item: item.at)
