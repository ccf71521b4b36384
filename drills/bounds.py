"""How long it may take from a fault to a message, as the deployed configuration says; in seconds of stack time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from components.alerting import CONFIGURATION_KEY, CONFIGURATION_SECRET
from components.metrics import RELEASE
from drills.model import Told
from rehearsal.deployed import Deployed
from rehearsal.errors import RehearsalError
from rehearsal.speed import milliseconds
from validation import seconds

_MATCHER = re.compile(r'(?P<name>\w+)\s*(?P<sign>=~|!~|!=|=)\s*"(?P<text>.*)"')
ON_THE_WAY_SECONDS = 15
"""For what is neither a scrape, an evaluation nor a `for`: the evaluation of what the rule reads, the group's wait."""


class Bounds:
    """Reads the objects of one deployment."""

    def __init__(self, deployed: Deployed) -> None:
        spec = deployed.release(RELEASE)["prometheus"]["prometheusSpec"]
        monitors = [item["spec"] for kind in ("ServiceMonitor", "Probe") for item in deployed.objects(kind)]
        intervals = [spec["scrapeInterval"], *(text for item in monitors for text in _intervals(item))]
        self.scrape_seconds = max(map(seconds, intervals))
        self.evaluation_seconds = seconds(spec["evaluationInterval"])
        groups = [group for item in deployed.objects("PrometheusRule") for group in item["spec"]["groups"]]
        self._rules = {rule["alert"]: (group, rule) for group in groups for rule in group["rules"] if "alert" in rule}
        self._routing = yaml.safe_load(deployed.secret(CONFIGURATION_SECRET)[CONFIGURATION_KEY])

    def of(self, told: Told, channel: str) -> float:
        """From the beginning of the fault to the message in this channel.

        Raises RehearsalError if the drill says no bound and no such rule or route is deployed.
        """
        if told.within:
            return seconds(told.within)
        if told.alert not in self._rules:
            raise RehearsalError(f"told {told.alert}: no such alert is deployed; correct it, or say `within`")
        group, rule = self._rules[told.alert]
        evaluation = seconds(group["interval"]) if "interval" in group else self.evaluation_seconds
        waits = seconds(rule.get("for", "0s")) + self._waits(rule, channel)
        return self.scrape_seconds + 60 * told.rises + evaluation + waits + ON_THE_WAY_SECONDS

    def _waits(self, rule: dict[str, Any], channel: str) -> float:
        """What the route to the channel waits on purpose; a wait of seconds is within what is on the way."""
        receivers = {item["name"]: item for item in self._routing["receivers"]}
        for route in _routes(self._routing["route"], rule["labels"] | {"alertname": rule["alert"]}):
            if f"{channel}_configs" in receivers[route["receiver"]]:
                wait = milliseconds(route["group_wait"]) / 1000
                return wait if wait > ON_THE_WAY_SECONDS else 0
        raise RehearsalError(f"told {rule['alert']}: no route leads to {channel}; correct `by`")


def _intervals(spec: dict[str, Any]) -> Iterator[str]:
    for section in (spec, *spec.get("endpoints", [])):
        if "interval" in section:
            yield section["interval"]


def _routes(route: dict[str, Any], labels: dict[str, str]) -> Iterator[dict[str, Any]]:
    """The routes that an alert with these labels takes, as Alertmanager decides it; ours are one level deep."""
    for child in route.get("routes", []):
        if all(_matches(matcher, labels) for matcher in child["matchers"]):
            yield child
            if not child.get("continue"):
                return
    yield route


def _matches(matcher: str, labels: dict[str, str]) -> bool:
    found = _MATCHER.fullmatch(matcher)
    if not found:
        raise RehearsalError(f"matcher {matcher} of a route: not understood; teach drills/bounds.py to read it")
    value = labels.get(found["name"], "")
    same = re.fullmatch(found["text"], value) is not None if "~" in found["sign"] else value == found["text"]
    return same != found["sign"].startswith("!")
