"""Looks at a running rehearsal: which alerts there are, what was sent and received."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from drills.model import Drill
from drills.timeline import Message, Sent, Span, of_whom
from local.ports import Ports
from rehearsal import health, speed

NOT_WATCHED = health.ABOUT_THE_NODE | {"Watchdog"}
"""What is about this machine, whatever is drilled, and what fires all the time."""

BY_CHANCE = frozenset({"LoginFailures", "OrderFailures"})
"""What is pending now and then: one login in a hundred and one order in two hundred fail, and a window holds few."""


@dataclass
class Watch:
    """What one drill saw. `began` is its first moment in seconds since the epoch, `speed` that of the stack's time."""

    ports: Ports
    speed: int
    began: float
    evaluation_seconds: float
    """Between two evaluations of rules, in the stack's time."""
    not_watched: frozenset[str] = NOT_WATCHED
    _sent: dict[tuple[str, str, str], Sent] = field(default_factory=dict)

    def stack(self, moment: float) -> float:
        """A moment of the real clock in seconds of the stack's time since the beginning."""
        return (moment - self.began) * self.speed

    def look(self) -> list[dict[str, Any]] | None:
        """Note which alerts Alertmanager has now, and return them: its API tells only of those of the moment.

        None if it is away.
        """
        found: list[dict[str, Any]] | None = self._asked(f"{self.ports.url('alertmanager')}/api/v2/alerts")
        for alert in found or []:
            name, service = alert["labels"]["alertname"], of_whom(alert["labels"])
            if name not in self.not_watched:
                key = (name, service, alert["startsAt"])
                self._sent.setdefault(key, Sent(self.stack(time.time()), name, service))
        return found

    @property
    def sent(self) -> list[Sent]:
        """The alerts that Alertmanager had, each time that they began."""
        return list(self._sent.values())

    def messages(self) -> list[Message]:
        """What the receivers have received since the beginning."""
        found = self._asked(f"{self.ports.url('receivers')}/notifications") or []
        messages = [
            Message(
                self.stack(datetime.fromisoformat(item["received"]).timestamp()),
                item["receiver"],
                ", ".join(item["alertnames"]),
                ", ".join(item["services"]),
                item["status"],
                firing(item["title"] or ""),
            )
            for item in found
        ]
        return [item for item in messages if item.at >= 0 and item.alert not in self.not_watched]

    def active(self) -> list[str] | None:
        """Look: every alert that is pending or firing, at Prometheus or still at Alertmanager; None if one is away.

        What is pending by chance is left out.
        """
        prometheus = self._asked(f"{self.ports.url('prometheus')}/api/v1/alerts")
        alertmanager = self.look()
        if prometheus is None or alertmanager is None:
            return None
        alerts = prometheus["data"]["alerts"]
        pending, fires = ({_name(item) for item in alerts if item["state"] == state} for state in ("pending", "firing"))
        return sorted((pending - BY_CHANCE | fires | set(map(_name, alertmanager))) - self.not_watched)

    def spans(self, end: float) -> list[Span]:
        """When alerts were pending and firing, by the samples that Prometheus stored of them up to `end`."""
        window = f"{max(1, round(1000 * (end - self.began)))}ms"
        others = "|".join(sorted(self.not_watched))
        return sorted(
            (
                span
                for series in self._query(f'ALERTS{{alertname!~"{others}"}}[{window}]', end)
                for span in self._stretches(series)
            ),
            key=lambda span: span.begin,
        )

    def first_shown(self, promql: str, begin: float, end: float) -> float | None:
        """When an expression, whose durations are of the stack's time, had a result first; in seconds of that."""
        step = self.evaluation_seconds / self.speed / 5  # no more than a fifth of an evaluation late
        scaled = speed.expression(promql, self.speed)
        parameters: dict[str, Any] = {"query": scaled, "start": begin, "end": end, "step": step}
        answer = health.CLIENT.get(
            f"{self.ports.url('prometheus')}/api/v1/query_range", params=parameters, timeout=30
        ).raise_for_status()
        moments = [float(series["values"][0][0]) for series in answer.json()["data"]["result"]]
        return self.stack(min(moments)) if moments else None

    def _query(self, promql: str, moment: float) -> list[dict[str, Any]]:
        answer = health.CLIENT.get(
            f"{self.ports.url('prometheus')}/api/v1/query", params={"query": promql, "time": moment}, timeout=30
        )
        result: list[dict[str, Any]] = answer.raise_for_status().json()["data"]["result"]
        return result

    def _stretches(self, series: dict[str, Any]) -> Iterator[Span]:
        labels = dict(series["metric"])
        name, state = labels.pop("alertname"), labels.pop("alertstate")
        labels.pop("__name__", None)
        moments = [self.stack(float(moment)) for moment, _ in series["values"]]
        for begin, end in stretches(moments, 2.5 * self.evaluation_seconds):
            yield Span(name, state, labels, begin, end)

    @staticmethod
    def _asked(address: str) -> Any:
        try:
            return health.get(address)
        except httpx.HTTPError:
            return None  # it is away, which may be what the drill is about


def left_out(drill: Drill) -> frozenset[str]:
    """The alerts that a drill does not watch; of those about this machine, it watches what it says something of."""
    return NOT_WATCHED.difference(drill.not_firing, (told.alert for told in drill.told))


def _name(alert: dict[str, Any]) -> str:
    return str(alert["labels"]["alertname"])


def firing(title: str) -> int:
    """How many alerts fire by the title of a message, `[FIRING:40] ...`."""
    found = re.match(r"\[\w+:(\d+)\]", title)
    return int(found[1]) if found else 1


def stretches(moments: Iterable[float], gap: float) -> Iterator[tuple[float, float]]:
    """First and last of moments that follow each other within `gap`."""
    begin = last = None
    for moment in moments:
        if begin is None or last is None:
            begin = moment
        elif moment - last > gap:
            yield begin, last
            begin = moment
        last = moment
    if begin is not None and last is not None:
        yield begin, last
