"""How the log agent counts the events that log lines tell: pure functions of the catalogue.

The agent's configuration makes a counter `log_events_total{event, service_name, k8s_pod_name, …}` of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from catalogue import Event, Telling
from components.logs.ottl import literal

_LINE = 'log.attributes["line"]'
COUNTED = "log.events"


def statements(events: Iterable[Event]) -> list[dict[str, Any]]:
    """Statements of the transform processor that name a line's event, where it tells one: a group for each service.

    They read what the agent found in the line: the attributes `line` and `action`.
    """
    by_service: dict[str, list[str]] = {}
    for event in events:
        named = f'set(log.attributes["event"], {literal(event.name)})'
        found = by_service.setdefault(event.service, [])
        found += [f"{named} where {_holds(telling)}" for telling in event.told_by]
    return [
        {
            "context": "log",
            "conditions": [f'resource.attributes["service.name"] == {literal(service)} and {_LINE} != nil'],
            "statements": found,
        }
        for service, found in by_service.items()
        if found
    ]


def _holds(telling: Telling) -> str:
    # The cheapest first: nearly every line fails it.
    logger = literal(telling.logger)
    conditions = [
        f'log.attributes["action"] == {literal(telling.action)}',
        f'({_LINE}["logger"] == {logger} or {_LINE}["service"] == {logger})',
        f'HasPrefix({_LINE}["message"], {literal(telling.message)})',
    ]
    return " and ".join(conditions)


def counts(events: Iterable[Event]) -> dict[str, Any]:
    """What the connector `count` counts for events: every line of the services that tell any, once, by what it tells.

    An event that no line tells is not measured.
    """
    return {
        COUNTED: {
            "description": "Events told by log lines",
            "conditions": [f'resource.attributes["service.name"] == {literal(service)}' for service in _told(events)],
            "attributes": [{"key": "service.name"}, {"key": "event", "default_value": "none"}],
        }
    }


def copies(events: Iterable[Event]) -> list[str]:
    """Statements that make of what is counted a metric for each event of the service, named after it.

    `transform/counts` takes lines of another event as 0 there, so that a counter is there before its first event.
    """
    return [
        f"{statement} where metric.name == {literal(COUNTED)}"
        f' and resource.attributes["service.name"] == {literal(service)}'
        for service, names in _told(events).items()
        for statement in (
            *(f"copy_metric(name={literal(name)})" for name in names[:-1]),
            f"set(metric.name, {literal(names[-1])})",
        )
    ]


def _told(events: Iterable[Event]) -> dict[str, list[str]]:
    """By service, the names of the events that its lines tell."""
    found: dict[str, list[str]] = {}
    for event in events:
        if event.told_by:
            found.setdefault(event.service, []).append(event.name)
    return found
