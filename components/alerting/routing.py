"""Who hears of which alert: Alertmanager's complete configuration. Pure functions.

critical: to the engineer on call; PageUnresolved, by e-mail, says that one is neither resolved nor acknowledged
warning:  to the team
info:     to the team; it begins in business hours alone: `components.alerting.business_hours`
Watchdog: to the dead man's switch outside the cluster, all the time

All of it at once. What is to be told later fires later: `components.alerting.escalation`.

Where a channel is missing another takes its place and its messages say so; nothing is routed to nowhere unless there
is no channel at all, and then the receiver's name is `nobody`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from components.alerting.escalation import UNRESOLVED
from components.alerting.messages import TEMPLATES_GLOB, integrations, smtp
from settings import Notifications, Settings

REMEMBERED = "336h"
"""For how long Alertmanager remembers what it has told, and silences that have ended.

Longer than any repeat interval: of what it has forgotten it does not tell the end.
"""
NOBODY = "nobody"
"""Receiver without an integration, for a stack without any channel for people."""

_CHANNELS = {"pagerduty": "PagerDuty", "slack": "Slack", "email": "e-mail", "heartbeat": "the heartbeat"}

_SAME_THING = (
    "alertname",
    "service",
    "sli",
    "namespace",
    "deployment",
    "pod",
    "container",
    "persistentvolumeclaim",
    "node",
    "instance",
    "device",
    "job",
    "integration",
    "region",
    "dimension_cache_cluster_id",
    "dimension_currency",
    "dimension_table_name",
)
"""Labels that say that two severities of one alert are about the same thing; one that both lack counts as equal.

Every label that tells instances of one alert apart must be here, or one's page would mute another's warning.
"""


@dataclass(frozen=True)
class Audience:
    """Who hears of one kind of alert."""

    name: str
    """Name of the receiver where all wanted channels are there."""
    alerts: str
    """The kind of alert, in the plural."""
    wanted: tuple[str, ...]
    """Channels that are used together."""
    instead: tuple[str, ...]
    """Where none of them is there, the first of these that is."""

    def channels(self, notifications: Notifications) -> tuple[str, ...]:
        """The channels that are used; none if there is no channel for people."""
        wanted = _configured(self.wanted, notifications)
        return wanted or _configured(self.instead, notifications)[:1]

    def receiver(self, notifications: Notifications) -> str:
        """Name of the receiver; it names the channels where they are not the wanted ones."""
        used = self.channels(notifications)
        if not used:
            return NOBODY
        return self.name if used == self.wanted else f"{self.name}-by-{'-and-'.join(used)}"

    def note(self, notifications: Notifications) -> str:
        """What is missing and what happens instead, as a sentence; empty if nothing is missing."""
        used = self.channels(notifications)
        if used == self.wanted:
            return ""
        missing = tuple(channel for channel in self.wanted if channel not in used)
        verb = "is" if len(missing) == 1 else "are"
        return f"{_names(missing)} {verb} not configured: {self.alerts} go to {_names(used) or NOBODY}"


ON_CALL = Audience("oncall", "critical alerts", ("pagerduty", "slack"), ("email",))
ESCALATION = Audience("escalation", "escalations", ("email",), ("slack", "pagerduty"))
WARNING = Audience("warning", "warnings", ("slack",), ("email", "pagerduty"))
INFO = Audience("info", "info alerts", ("slack",), ("email", "pagerduty"))
UNROUTED = Audience("unrouted", "alerts of no known severity", ("slack",), ("email", "pagerduty"))
HEARTBEAT = Audience("heartbeat", "daily heartbeats", ("heartbeat",), ("slack", "email", "pagerduty"))

AUDIENCES = (UNROUTED, HEARTBEAT, ON_CALL, ESCALATION, WARNING, INFO)


def alertmanager_configuration(settings: Settings) -> dict[str, Any]:
    """Alertmanager's configuration, whose credentials are files; `messages.templates()` go beside it."""
    notifications = settings.notifications
    return {
        "global": smtp(notifications.email) if notifications.email else {},
        "templates": [TEMPLATES_GLOB],
        "route": _route(settings),
        "inhibit_rules": inhibit_rules(),
        "receivers": _receivers(notifications),
    }


def missing_channels(settings: Settings) -> list[str]:
    """A sentence for every kind of alert that lacks a channel it wants."""
    notes = (audience.note(settings.notifications) for audience in AUDIENCES)
    return [f"{note}." for note in notes if note]


def _route(settings: Settings) -> dict[str, Any]:
    """The routes. They wait for no longer than it takes alerts of one cause to arrive."""
    notifications = settings.notifications
    return {
        "receiver": UNROUTED.receiver(notifications),  # reaching this is a defect of a rule
        "group_by": ["alertname", "service", "namespace"],
        "group_wait": "30s",
        "group_interval": "5m",
        "repeat_interval": "4h",
        "routes": [
            _heartbeat_route(notifications),
            {
                "matchers": [f'alertname="{UNRESOLVED}"'],
                "receiver": ESCALATION.receiver(notifications),
                "group_by": ["alertname", "page", "service", "namespace"],
            },
            {
                "matchers": ['severity="critical"'],
                "receiver": ON_CALL.receiver(notifications),
                # Not 0s: what several Prometheus and rules tell at once is one message.
                "group_wait": "5s",
                "group_interval": "1m",
                "repeat_interval": "1h",
            },
            {
                "matchers": ['severity="warning"'],
                "receiver": WARNING.receiver(notifications),
                # What befalls forty pods of a node at once is one message. It names each of them.
                "group_by": ["alertname"],
                "repeat_interval": "12h",
            },
            {
                "matchers": ['severity="info"'],
                "receiver": INFO.receiver(notifications),
                # A repeat knows no business hours: a week later it is the same hour of the same day.
                "repeat_interval": "168h",
            },
        ],
    }


def _heartbeat_route(notifications: Notifications) -> dict[str, Any]:
    """Every half minute to the dead man's switch, or once a day to people.

    The switch waits for two minutes. A restart of a single Alertmanager leaves one until the next heartbeat, the time
    that it takes, and the minute in which Prometheus tells it again.
    """
    route = {"matchers": ['alertname="Watchdog"'], "receiver": HEARTBEAT.receiver(notifications), "group_wait": "0s"}
    if notifications.heartbeat:
        # A repeat interval below the group interval makes it exactly the group interval; equal ones would double it.
        return route | {"group_interval": "30s", "repeat_interval": "15s"}
    return route | {"group_interval": "5m", "repeat_interval": "24h"}


def inhibit_rules() -> list[dict[str, Any]]:
    """What mutes what: of two severities of one alert the higher one the lower, which lasts as long or longer.

    Nothing else, and no page. Alertmanager mutes the resolve of what it mutes, too, and forgets it after the 15 minutes
    in which Prometheus repeats it: what had been told would stay open, and its next time not be told before the repeat
    interval ends (alertmanager #2754). What stands for what is in the rules (`rules.py`). The operator refuses names of
    inhibition rules.
    """
    return [
        _inhibit('severity="critical"', 'severity=~"warning|info"'),
        _inhibit('severity="warning"', 'severity="info"'),
    ]


def _inhibit(source: str, target: str) -> dict[str, Any]:
    return {"source_matchers": [source], "target_matchers": [target], "equal": list(_SAME_THING)}


def _receivers(notifications: Notifications) -> list[dict[str, Any]]:
    """The receivers of all audiences; `nobody` once."""
    receivers: dict[str, dict[str, Any]] = {}
    for audience in AUDIENCES:
        name = audience.receiver(notifications)
        made = integrations(notifications, audience.note(notifications))
        receivers[name] = {"name": name}
        for channel in audience.channels(notifications):
            receivers[name] |= made[channel]
    return list(receivers.values())


def _configured(channels: tuple[str, ...], notifications: Notifications) -> tuple[str, ...]:
    return tuple(channel for channel in channels if getattr(notifications, channel) is not None)


def _names(channels: tuple[str, ...]) -> str:
    return " and ".join(_CHANNELS[channel] for channel in channels)
