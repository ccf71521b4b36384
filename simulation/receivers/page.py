"""A readable page of what arrived, for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from simulation.receivers import shown
from simulation.receivers.document import document, moment, table
from simulation.receivers.heartbeat import Heartbeat
from simulation.receivers.notifications import Notification, rfc3339
from simulation.receivers.pagerduty import Incident

SHOWN = 200
"""How many of the latest notifications, and of the latest incidents, the page lists."""

_NAMES = {"slack": "Slack", "pagerduty": "PagerDuty", "email": "E-mail", "heartbeat": "Heartbeat"}
_SCRIPT = Path(__file__).with_name("page.js").read_text()
"""Adds what is new, and shows times in the viewer's zone; without it they are UTC."""


def render(notifications: Sequence[Notification], incidents: Sequence[Incident], heartbeat: Heartbeat) -> str:
    """Return the page, the latest message first."""
    latest = list(enumerate(notifications))[::-1][:SHOWN]
    body = f"""<h1>Notifications received</h1>
<p>These receivers stand in for Slack, PagerDuty, a mail server and a heartbeat service on this machine. New messages
appear by themselves.</p>
<p id="heartbeat">{_heartbeat(heartbeat)}</p>
<div id="incidents">{_incidents(incidents)}</div>
<h2>Messages, latest first (<span id="count">{len(latest)} of {len(notifications)}</span>)</h2>
<div id="messages">
{"".join(_message(number, message) for number, message in latest)}</div>
"""
    return document("Notifications received", body, _SCRIPT)


def _heartbeat(heartbeat: Heartbeat) -> str:
    last = moment(rfc3339(heartbeat.last)) if heartbeat.last else "never since the start"
    state = "<strong>missed</strong>" if heartbeat.missed else "on time"
    return f"Heartbeat: {state}; last: {last}."


def _incidents(incidents: Sequence[Incident]) -> str:
    columns = ("Opened", "Status", "Alerts", "Services", "Summary", "Resolved")
    rows = [_incident(incident) for incident in incidents[::-1][:SHOWN]]
    return table(columns, rows, empty="none yet", caption="PagerDuty incidents")


def _incident(incident: Incident) -> tuple[str, ...]:
    return (
        moment(incident.opened),
        escape(incident.status),
        _list(incident.alertnames),
        _list(incident.services),
        escape(incident.summary or ""),
        moment(incident.resolved) if incident.resolved else "",
    )


def _message(number: int, message: Notification) -> str:
    said = filter(None, (message.destination, message.status, message.severity))
    head = " ".join(f"<span>{escape(text)}</span>" for text in said)
    name = _NAMES.get(message.receiver, escape(message.receiver))
    refused = f'<p class="refused">refused: {escape(message.refused)}</p>' if message.refused else ""
    raw = escape(json.dumps(message.raw, indent=2, ensure_ascii=False))
    # The time is part of the name: after all is forgotten, numbers begin again.
    return (
        f'<article class="message" id="m{number}-{escape(message.received)}">\n'
        f"<header><strong>{name}</strong> {moment(message.received)} {head}</header>\n"
        f"{refused}{shown.body(message)}\n"
        f"<details><summary>as JSON</summary><pre>{raw}</pre></details>\n</article>\n"
    )


def _list(items: Iterable[str]) -> str:
    return escape(", ".join(items))
