"""How the log agent counts the events that log lines tell: pure functions of the catalogue.

The agent's configuration makes a counter `log_events_total{event, service_name, k8s_pod_name, …}` of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from catalogue import Event, Telling
from components.logs.ottl import literal


def statements(events: Iterable[Event]) -> list[str]:
    """Statements of the transform processor that name a line's event, where it tells one.

    They read what the agent found in the line: `log.cache`, and the attribute `action`.
    """
    return [
        f'set(log.attributes["event"], {literal(event.name)}) where {_holds(event, telling)}'
        for event in events
        for telling in event.told_by
    ]


def _holds(event: Event, telling: Telling) -> str:
    # The cheapest first: nearly every line fails one of these two.
    logger = literal(telling.logger)
    conditions = [
        f'resource.attributes["service.name"] == {literal(event.service)}',
        f'log.attributes["action"] == {literal(telling.action)}',
        f'(log.cache["logger"] == {logger} or log.cache["service"] == {logger})',
        f'HasPrefix(log.cache["message"], {literal(telling.message)})',
    ]
    return " and ".join(conditions)


def counts(events: Sequence[Event]) -> dict[str, Any]:
    """What the connector `count` counts: for each event every line of the service that can tell it.

    The processor `transform/counts` takes a line of another event as 0, so that a counter is there before its first
    event. An event that no line tells has none: it is not measured.
    """
    return {
        event.name: {
            "description": "Events told by log lines",
            "conditions": [f'resource.attributes["service.name"] == {literal(event.service)}'],
            "attributes": [{"key": "service.name"}, {"key": "event", "default_value": "none"}],
        }
        for event in events
        if event.told_by
    }
