"""When to expect the page of a fault, and its end: upper bounds, from the rules and routes that run, in real time.

Only how long a fault takes to show in what a rule measures over a window is said here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from local.state import State
from quantities import milliseconds
from rehearsal.routes import matches, taken
from simulation import redis

ON_THE_WAY_SECONDS = 15
"""For the evaluation of what the rule reads, and for sending."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Effect:
    """The page that a kind of fault causes. Minutes are those of the stack's time."""

    alert: str
    rises: float = 0
    """Minutes until what the rule measures over a window is above its threshold."""
    falls: float = 0
    """Minutes for which it stays above that once the fault is over: at most the window."""


EFFECTS = {
    "down": Effect("ServiceDown"),
    "errors": Effect("HighErrorRate", rises=1.5, falls=5),
    "latency": Effect("ErrorBudgetBurningFast", rises=3, falls=3),
}
"""By the kind of fault. Of 5 min 5 % must have failed, where a third fail; of 15 min a fifth must have been slow."""
_REDIS = Effect("RedisDown")
_BY_ALERT = {effect.alert: effect for effect in (*EFFECTS.values(), _REDIS)}
_OTHERS_FALL = 5
"""Minutes of the longest window that most rules read, for alerts of which no more is known."""


class Expected:
    """Reads the configuration that the processes of one rehearsal run with."""

    def __init__(self, state: State, speed: int) -> None:
        self._speed = speed
        prometheus = _read(state.configuration / "prometheus" / "prometheus.yaml")
        self._routing = _read(state.configuration / "alertmanager" / "alertmanager.yaml")["route"]
        self._evaluation = _seconds(prometheus["global"]["evaluation_interval"])
        scrapes = (job.get("scrape_interval", "0") for job in prometheus.get("scrape_configs", []))
        self._scrape = max(map(_seconds, (prometheus["global"]["scrape_interval"], *scrapes)))
        self._rules = dict(_alerts(state.configuration / "prometheus" / "rules"))

    def page(self, kind: str, service: str) -> tuple[str, float]:
        """The alert that pages for a fault, and the seconds within which."""
        effect = _REDIS if service == redis.NAME else EFFECTS[kind]
        group, rule = self._rules[effect.alert]
        waits = _seconds(rule.get("for", "0")) + self._route(rule)[0]
        return effect.alert, self._seen(group) + effect.rises * 60 / self._speed + waits

    def waits(self, alert: str) -> float:
        """The seconds for which the condition of an alert must hold before it fires."""
        return _seconds(self._rules[alert][1].get("for", "0"))

    def end(self, alert: str) -> float:
        """The seconds within which the end of an alert is sent, once its cause is gone."""
        group, rule = self._rules.get(alert, ({}, {}))
        falls = _BY_ALERT[alert].falls if alert in _BY_ALERT else _OTHERS_FALL
        waits = _seconds(rule.get("keep_firing_for", "0")) + self._route(rule)[1]
        return self._seen(group) + falls * 60 / self._speed + waits

    def _seen(self, group: Json) -> float:
        """From a change to the rule that reads it."""
        evaluation = _seconds(group["interval"]) if "interval" in group else self._evaluation
        return self._scrape + evaluation + ON_THE_WAY_SECONDS

    def _route(self, rule: Json) -> tuple[float, float]:
        """How long the alert's first route waits before its first message, and before the next."""
        labels: Mapping[str, str] = rule.get("labels", {}) | {"alertname": rule.get("alert", "")}
        route = taken(self._routing, partial(matches, labels=labels))[0]
        return _seconds(route["group_wait"]), _seconds(route["group_interval"])


def words(seconds: float) -> str:
    """Seconds in words, rounded up: `50 s`, `2 min 10 s`, `8 min`."""
    tens = -(-round(seconds) // 10) * 10
    minutes, rest = (tens // 60, tens % 60) if tens < 300 else (-(-tens // 60), 0)
    return " ".join(f"{number} {unit}" for number, unit in ((minutes, "min"), (rest, "s")) if number)


def _alerts(directory: Path) -> Iterator[tuple[str, tuple[Json, Json]]]:
    """Every alert by name, with its group."""
    for path in sorted(directory.glob("*.yaml")):
        for group in _read(path)["groups"]:
            yield from ((rule["alert"], (group, rule)) for rule in group["rules"] if "alert" in rule)


def _read(path: Path) -> Json:
    document: Json = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return document


def _seconds(duration: str) -> float:
    return milliseconds(duration) / 1000
