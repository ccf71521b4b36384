"""PagerDuty's Events API v2: what it accepts, how it refuses, and the incidents that the events make.

The alert is read from `payload.custom_details` (`alertname`, `service`, `severity`), else from `payload.class`
(alert name), `payload.component` (service) and `payload.severity`; the status from the event's action.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from simulation.receivers.credentials import ROUTING_KEY_LENGTH, same
from simulation.receivers.notifications import Notification, names, word
from simulation.receivers.refusals import RefusedError

MAX_EVENT_BYTES = 512 * 1024
"""PagerDuty's limit for one event."""

MAX_SUMMARY_LENGTH = 1024
MAX_DEDUP_KEY_LENGTH = 255
SEVERITIES = ("critical", "warning", "error", "info")
STATUS_BY_ACTION = {"trigger": "firing", "acknowledge": "acknowledged", "resolve": "resolved"}


def read(body: bytes, routing_key: str) -> Notification:
    """Return the event of a request body. Raises RefusedError as PagerDuty would."""
    if len(body) > MAX_EVENT_BYTES:
        raise RefusedError(413, "Payload too large")
    try:
        event = json.loads(body)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        raise RefusedError(
            400,
            {
                "status": "Unrecognized object",
                "message": "Event object format is unrecognized",
                "errors": ["JSON parse error"],
            },
        )
    problems = [*_routing_problems(event.get("routing_key"), routing_key), *_problems(event)]
    if problems:
        raise RefusedError(400, {"status": "invalid event", "message": "Event object is invalid", "errors": problems})
    return _notification({**event, "dedup_key": event.get("dedup_key") or uuid.uuid4().hex})


def without_key(event: Any) -> Any:
    """Return an event without the routing key in it."""
    if isinstance(event, dict) and "routing_key" in event:
        return {**event, "routing_key": "(not kept)"}
    return event


def answer(notification: Notification) -> dict[str, str]:
    """Return the body of the 202 that PagerDuty answers."""
    dedup_key = notification.raw["dedup_key"]
    return {"status": "success", "message": "Event processed", "dedup_key": dedup_key}


def _routing_problems(given: object, expected: str) -> list[str]:
    if not isinstance(given, str) or not given:
        return ["'routing_key' is missing or blank"]
    if len(given) != ROUTING_KEY_LENGTH:
        return [f"Length of 'routing_key' is incorrect (should be {ROUTING_KEY_LENGTH} characters)"]
    return [] if same(given, expected) else ["Invalid routing key"]


def _problems(event: dict[str, Any]) -> list[str]:
    action = event.get("event_action")
    if action not in STATUS_BY_ACTION:
        return ["'event_action' is missing or invalid (must be 'trigger', 'acknowledge' or 'resolve')"]
    problems = []
    dedup_key = event.get("dedup_key")
    if dedup_key is not None and not isinstance(dedup_key, str):
        problems.append("'dedup_key' is invalid (must be a string)")
    elif not dedup_key and action != "trigger":
        problems.append("'dedup_key' is missing or blank")
    elif dedup_key and len(dedup_key) > MAX_DEDUP_KEY_LENGTH:
        problems.append(f"'dedup_key' is too long (maximum {MAX_DEDUP_KEY_LENGTH} characters)")
    if action == "trigger":
        problems += _payload_problems(event.get("payload"))
    return problems


def _payload_problems(payload: object) -> list[str]:
    if not isinstance(payload, dict):
        return ["'payload' is missing or blank"]
    problems = [
        f"'payload.{key}' is missing or blank"
        for key in ("summary", "source", "severity")
        if not isinstance(payload.get(key), str) or not payload[key].strip()
    ]
    if not problems and payload["severity"] not in SEVERITIES:
        allowed = ", ".join(f"'{severity}'" for severity in SEVERITIES)
        problems.append(f"'payload.severity' is invalid (must be one of the following: {allowed})")
    if not problems and len(payload["summary"]) > MAX_SUMMARY_LENGTH:
        problems.append(f"'payload.summary' is too long (maximum {MAX_SUMMARY_LENGTH} characters)")
    return problems


def _notification(event: dict[str, Any]) -> Notification:
    payload = event.get("payload") or {}
    details = payload.get("custom_details")
    details = details if isinstance(details, dict) else {}
    return Notification(
        receiver="pagerduty",
        title=payload.get("summary"),
        alertnames=names(details.get("alertname")) or names(payload.get("class")),
        services=names(details.get("service")) or names(payload.get("component")),
        status=STATUS_BY_ACTION[event["event_action"]],
        severity=word(details.get("severity")) or word(payload.get("severity")),
        raw=without_key(event),
    )


@dataclass
class Incident:
    """What PagerDuty makes of the events with one deduplication key, until they resolve it."""

    dedup_key: str
    status: str
    """`triggered`, `acknowledged` or `resolved`."""
    summary: str | None
    severity: str | None
    alertnames: tuple[str, ...]
    services: tuple[str, ...]
    opened: str
    """RFC 3339, UTC; so are the others."""
    acknowledged: str | None = None
    resolved: str | None = None
    triggers: int = 1


def incidents(notifications: Iterable[Notification]) -> list[Incident]:
    """Return the incidents that accepted events made, oldest first; a trigger after a resolve makes a new one."""
    made: list[Incident] = []
    unresolved: dict[str, Incident] = {}
    for event in notifications:
        if event.receiver != "pagerduty" or event.refused:
            continue
        key = event.raw["dedup_key"]
        incident = unresolved.get(key)
        if incident is not None:
            _update(incident, event)
            if incident.resolved:
                del unresolved[key]
        elif event.status == "firing":
            unresolved[key] = _opened(key, event)
            made.append(unresolved[key])
    return made


def _opened(key: str, event: Notification) -> Incident:
    return Incident(
        dedup_key=key,
        status="triggered",
        summary=event.title,
        severity=event.severity,
        alertnames=event.alertnames,
        services=event.services,
        opened=event.received,
    )


def _update(incident: Incident, event: Notification) -> None:
    if event.status == "firing":
        incident.triggers += 1
    elif event.status == "acknowledged":
        incident.status, incident.acknowledged = "acknowledged", event.received
    else:
        incident.status, incident.resolved = "resolved", event.received
