"""How long it may take from a fault to a message, as the deployed configuration says; in seconds of stack time."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import yaml

from components.alerting.component import CONFIGURATION_KEY, CONFIGURATION_SECRET
from components.alerting.escalation import UNRESOLVED
from drills.model import Told
from local.errors import RehearsalError
from parts import STACK
from quantities import milliseconds, seconds
from rehearsal.deployed import Deployed
from rehearsal.routes import matches, taken

Json = dict[str, Any]

ON_THE_WAY_SECONDS = 15
"""For what is neither a scrape, an evaluation nor a `for`: the evaluation of what the rule reads, the group's wait."""


class Bounds:
    """Reads the objects of one deployment."""

    def __init__(self, deployed: Deployed) -> None:
        spec = deployed.release(STACK)["prometheus"]["prometheusSpec"]
        monitors = [item["spec"] for kind in ("ServiceMonitor", "Probe") for item in deployed.objects(kind)]
        intervals = [spec["scrapeInterval"], *(text for item in monitors for text in _intervals(item))]
        self.scrape_seconds = max(map(seconds, intervals))
        self.evaluation_seconds = seconds(spec["evaluationInterval"])
        groups = [group for item in deployed.objects("PrometheusRule") for group in item["spec"]["groups"]]
        alerts = [(group, rule) for group in groups for rule in group["rules"] if "alert" in rule]
        self._rules = {rule["alert"]: (group, rule) for group, rule in alerts}
        self.alerts = {name: rule for name, (_, rule) in self._rules.items()}
        """The deployed alerts by name."""
        self._unresolved = {rule["labels"].get("page", ""): (group, rule) for group, rule in alerts}
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
        since = self.scrape_seconds + 60 * told.rises + ON_THE_WAY_SECONDS
        return since + self._fires_after(group, rule) + self._told_after(rule, channel)

    def _fires_after(self, group: Json, rule: Json) -> float:
        evaluation = seconds(group["interval"]) if "interval" in group else self.evaluation_seconds
        return evaluation + seconds(rule.get("for", "0s"))

    def _told_after(self, rule: Json, channel: str) -> float:
        """What passes from the alert to this channel: its route's wait, or that of the alert on what is unresolved."""
        wait = self._route_waits(rule["labels"] | {"alertname": rule["alert"]}, channel)
        if wait is not None:
            return wait
        group, unresolved = self._unresolved.get(rule["alert"], ({}, {}))
        wait = self._route_waits(unresolved.get("labels", {}) | {"alertname": UNRESOLVED}, channel)
        if not unresolved or wait is None:
            raise RehearsalError(f"told {rule['alert']}: no route leads to {channel}; correct `by`")
        return wait + self._fires_after(group, unresolved)

    def _route_waits(self, labels: dict[str, str], channel: str) -> float | None:
        """A wait of seconds is within what is on the way. None if no route leads from these labels to the channel."""
        receivers = {item["name"]: item for item in self._routing["receivers"]}
        for route in taken(self._routing["route"], partial(matches, labels=labels)):
            if f"{channel}_configs" in receivers[route["receiver"]]:
                wait = milliseconds(route["group_wait"]) / 1000
                return wait if wait > ON_THE_WAY_SECONDS else 0
        return None


def _intervals(spec: dict[str, Any]) -> Iterator[str]:
    for section in (spec, *spec.get("endpoints", [])):
        if "interval" in section:
            yield section["interval"]
