"""A readable page of what arrived, for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape

from simulation.receivers.heartbeat import Heartbeat
from simulation.receivers.notifications import Notification, rfc3339
from simulation.receivers.pagerduty import Incident

SHOWN = 200
"""How many of the latest notifications the page lists."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="10">
<title>Received notifications</title>
<style>
:root {{ color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }}
body {{ margin: 2rem; }}
table {{ border-collapse: collapse; margin-bottom: 2rem; }}
caption {{ text-align: left; font-weight: bold; padding-bottom: .5rem; }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem .8rem; border-bottom: 1px solid #8886; }}
pre {{ white-space: pre-wrap; max-width: 60rem; }}
</style>
</head>
<body>
<h1>Received notifications</h1>
<p>These receivers stand in for Slack, PagerDuty, a mail server and a heartbeat service on this machine.</p>
<p>{heartbeat}</p>
{incidents}
{notifications}
<script>
for (const time of document.querySelectorAll("time")) time.textContent = new Date(time.dateTime).toLocaleString();
</script>
</body>
</html>
"""


def render(notifications: Sequence[Notification], incidents: Sequence[Incident], heartbeat: Heartbeat) -> str:
    """Return the page; its script shows times in the viewer's zone, without it they are UTC."""
    latest = list(reversed(notifications))[:SHOWN]
    return _PAGE.format(
        heartbeat=_heartbeat(heartbeat),
        incidents=_table(
            "PagerDuty incidents",
            ("Opened", "Status", "Alerts", "Services", "Summary", "Resolved"),
            [_incident(incident) for incident in reversed(incidents)],
        ),
        notifications=_table(
            f"Messages, latest first ({len(latest)} of {len(notifications)})",
            ("Received", "Receiver", "To", "Status", "Severity", "Alerts", "Services", "Title", "Message"),
            [_notification(notification) for notification in latest],
        ),
    )


def _heartbeat(heartbeat: Heartbeat) -> str:
    last = _time(rfc3339(heartbeat.last)) if heartbeat.last else "never since the start"
    state = "<strong>missed</strong>" if heartbeat.missed else "on time"
    return f"Heartbeat: {state}; last: {last}."


def _incident(incident: Incident) -> list[str]:
    return [
        _time(incident.opened),
        escape(incident.status),
        _list(incident.alertnames),
        _list(incident.services),
        escape(incident.summary or ""),
        _time(incident.resolved) if incident.resolved else "",
    ]


def _notification(notification: Notification) -> list[str]:
    refused = f"<strong>refused: {escape(notification.refused)}</strong> " if notification.refused else ""
    message = escape(json.dumps(notification.raw, indent=2, ensure_ascii=False))
    return [
        _time(notification.received),
        escape(notification.receiver),
        escape(notification.destination or ""),
        escape(notification.status or ""),
        escape(notification.severity or ""),
        _list(notification.alertnames),
        _list(notification.services),
        refused + escape(notification.title or ""),
        f"<details><summary>show</summary><pre>{message}</pre></details>",
    ]


def _time(moment: str) -> str:
    return f'<time datetime="{escape(moment)}">{escape(moment)}</time>'


def _list(items: Iterable[str]) -> str:
    return escape(", ".join(items))


def _table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>\n" for row in rows)
    body = body or f'<tr><td colspan="{len(columns)}">none yet</td></tr>\n'
    return f"<table><caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>"
