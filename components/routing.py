"""Who hears of which alert, and when: Alertmanager's complete configuration. Pure functions.

critical: at once to the engineer on call, and by e-mail while it is neither resolved nor silenced after `emailAfter`
warning:  to the team, if it still fires after `warningAfter`
info:     to the team, in business hours
Watchdog: to the dead man's switch outside the cluster, all the time

Where a channel is missing another takes its place and its messages say so; nothing is routed to nowhere unless there
is no channel at all, and then the receiver's name is `nobody`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from catalogue import Catalogue
from components.messages import TEMPLATES_GLOB, integrations, smtp
from settings import BusinessHours, Notifications, Settings

NOBODY = "nobody"
"""Receiver without an integration, for a stack without any channel for people."""

_CHANNELS = {"pagerduty": "PagerDuty", "slack": "Slack", "email": "e-mail", "heartbeat": "the heartbeat"}

_EACH_ALERT = ("...",)
"""Grouping that makes every alert its own group. An alert that joins a group skips its `group_wait`, so a route that
waits on purpose must not have groups with more than one."""

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

_SYMPTOM = 'symptom=~".+"'
_DOWN = ('alertname="ServiceDown"', 'severity="critical"')


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
HEARTBEAT = Audience("heartbeat", "daily signs of life", ("heartbeat",), ("slack", "email", "pagerduty"))

AUDIENCES = (UNROUTED, HEARTBEAT, ON_CALL, ESCALATION, WARNING, INFO)


def alertmanager_configuration(settings: Settings, catalogue: Catalogue) -> dict[str, Any]:
    """Alertmanager's configuration, whose credentials are files; `messages.templates()` go beside it."""
    notifications = settings.notifications
    hours = settings.business_hours
    return {
        "global": smtp(notifications.email) if notifications.email else {},
        "templates": [TEMPLATES_GLOB],
        "route": _route(settings),
        "inhibit_rules": inhibit_rules(catalogue),
        "receivers": _receivers(notifications),
        "time_intervals": [_business_hours(hours), *_holidays(hours)],
    }


def missing_channels(settings: Settings) -> list[str]:
    """A sentence for every kind of alert that lacks a channel it wants."""
    notes = (audience.note(settings.notifications) for audience in AUDIENCES)
    return [f"{note}." for note in notes if note]


def _route(settings: Settings) -> dict[str, Any]:
    """The routes. Prometheus sends an alert when its `for` has passed; the waits here start then."""
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
                "matchers": ['severity="critical"'],
                "receiver": ON_CALL.receiver(notifications),
                # Not 0s: an alert that arrives together with what inhibits it would leak.
                "group_wait": "5s",
                "group_interval": "1m",
                "repeat_interval": "1h",
                "continue": True,
            },
            {
                "matchers": ['severity="critical"'],
                "receiver": ESCALATION.receiver(notifications),
                "group_by": list(_EACH_ALERT),
                "group_wait": settings.escalation.email_after,
                "group_interval": "5m",
                "repeat_interval": "4h",
            },
            {
                "matchers": ['severity="warning"'],
                "receiver": WARNING.receiver(notifications),
                "group_by": list(_EACH_ALERT),
                "group_wait": settings.escalation.warning_after,
                "group_interval": "5m",
                "repeat_interval": "12h",
            },
            {
                "matchers": ['severity="info"'],
                "receiver": INFO.receiver(notifications),
                "group_wait": "1m",
                "group_interval": "15m",
                # Shorter than a night, so that what fires anew while nobody is there is told in the morning.
                "repeat_interval": "12h",
                "active_time_intervals": ["business-hours"],
                **({"mute_time_intervals": ["holidays"]} if settings.business_hours.holidays else {}),
            },
        ],
    }


def _heartbeat_route(notifications: Notifications) -> dict[str, Any]:
    """Every minute to the dead man's switch, or once a day to people."""
    route = {"matchers": ['alertname="Watchdog"'], "receiver": HEARTBEAT.receiver(notifications), "group_wait": "0s"}
    if notifications.heartbeat:
        # A repeat interval below the group interval makes it exactly the group interval; equal ones would double it.
        return route | {"group_interval": "1m", "repeat_interval": "30s"}
    return route | {"group_interval": "5m", "repeat_interval": "24h"}


def inhibit_rules(catalogue: Catalogue) -> list[dict[str, Any]]:
    """What mutes what, the cause before its symptoms.

    Each rule names severities on both sides, or the highest on the side of the cause: what mutes is never less severe
    than what it mutes, so that no page is muted by what pages nobody. Rules have no names: the operator refuses that
    key.
    """
    lower = 'severity=~"warning|info"'
    return [
        _inhibit(['severity="critical"'], [lower], _SAME_THING),
        _inhibit(['severity="warning"'], ['severity="info"'], _SAME_THING),
        # Two thresholds of one symptom are two alerts: HighErrorRate mutes ErrorRateElevated.
        _inhibit(
            ['severity="critical"', _SYMPTOM, 'service=~".+"'],
            [lower, _SYMPTOM, 'service=~".+"'],
            ("service", "symptom"),
        ),
        # Whatever requests pass is down, traffic that stops is its consequence.
        _inhibit(
            [*_DOWN, _one_of([service.name for service in catalogue.measured])], ['alertname="TrafficCeased"'], ()
        ),
        _inhibit(['alertname="PublicUrlDown"', 'severity="critical"'], ['alertname="TrafficCeased"'], ()),
        _inhibit(['alertname="NodeNotReady"', 'severity=~"critical|warning"'], ['scope="pod"', lower], ("node",)),
        _inhibit([*_DOWN], [_SYMPTOM], ("service",)),
        *_dependency_down(catalogue),
        *_caller_down(catalogue),
    ]


def _dependency_down(catalogue: Catalogue) -> list[dict[str, Any]]:
    """What is down mutes the symptoms of the services that depend on it directly: one level, not the whole chain.

    A service of the catalogue is down when ServiceDown says so; anything else when a critical alert has it as its
    label `dependency`.
    """
    dependants: dict[str, list[str]] = {}
    for service in catalogue.services:
        for dependency in service.dependencies:
            dependants.setdefault(dependency, []).append(service.name)
    own = {service.name for service in catalogue.services}
    return [
        _inhibit(
            [*_DOWN, f'service="{name}"'] if name in own else ['severity="critical"', f'dependency="{name}"'],
            [_SYMPTOM, _one_of(callers)],
            (),
        )
        for name, callers in dependants.items()
    ]


def _caller_down(catalogue: Catalogue) -> list[dict[str, Any]]:
    """A service that is down explains that no requests reach the services that it calls."""
    own = {service.name for service in catalogue.services}
    called = {service.name: [name for name in service.dependencies if name in own] for service in catalogue.services}
    return [
        _inhibit([*_DOWN, f'service="{caller}"'], ['symptom="traffic"', _one_of(names)], ())
        for caller, names in called.items()
        if names
    ]


def _one_of(services: list[str]) -> str:
    return f'service=~"{"|".join(services)}"'


def _inhibit(source: list[str], target: list[str], equal: tuple[str, ...]) -> dict[str, Any]:
    return {"source_matchers": source, "target_matchers": target, "equal": list(equal)}


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


def _business_hours(hours: BusinessHours) -> dict[str, Any]:
    working = {
        "weekdays": list(hours.days),
        "times": [{"start_time": hours.start, "end_time": hours.end}],
        "location": hours.time_zone,
    }
    return {"name": "business-hours", "time_intervals": [working]}


def _holidays(hours: BusinessHours) -> list[dict[str, Any]]:
    days = [
        {
            "years": [str(day.year)],
            "months": [str(day.month)],
            "days_of_month": [str(day.day)],
            "location": hours.time_zone,
        }
        for day in hours.holidays
    ]
    return [{"name": "holidays", "time_intervals": days}] if days else []


def _configured(channels: tuple[str, ...], notifications: Notifications) -> tuple[str, ...]:
    return tuple(channel for channel in channels if getattr(notifications, channel) is not None)


def _names(channels: tuple[str, ...]) -> str:
    return " and ".join(_CHANNELS[channel] for channel in channels)
