"""A message as its receiver shows it to people: Slack's attachments, PagerDuty's incident, a mail. As HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from simulation.receivers import mrkdwn
from simulation.receivers.notifications import Notification

_COLOURS = {"good": "#2eb67d", "warning": "#ecb22e", "danger": "#d72631"}
"""Slack's names of colours; others are written as `#rrggbb`."""
_SEVERITIES = {"critical": "danger", "error": "danger", "warning": "warning"}


def body(message: Notification) -> str:
    """What people see of a message; its title, if it is not known how its receiver shows it."""
    raw = message.raw if isinstance(message.raw, dict) else {}
    match message.receiver:
        case "slack" if raw:
            return _slack(raw)
        case "pagerduty" if raw:
            return _pagerduty(message, raw)
        case "email" if raw:
            return _mail(raw)
    return f"<p>{escape(message.title or 'no text')}</p>"


def _slack(message: Mapping[str, Any]) -> str:
    text = f"<p>{mrkdwn.html(_str(message.get('text')))}</p>" if message.get("text") else ""
    return text + "".join(map(_attachment, _objects(message.get("attachments"))))


def _attachment(attachment: Mapping[str, Any]) -> str:
    title, address = _str(attachment.get("title")), _str(attachment.get("title_link"))
    heading = mrkdwn.link(address, title) if _of_the_web(address) else escape(title)
    pretext = f"<p>{mrkdwn.html(_str(attachment.get('pretext')))}</p>" if attachment.get("pretext") else ""
    text = f"<div>{mrkdwn.html(_str(attachment.get('text')))}</div>" if attachment.get("text") else ""
    fields = [(_str(item.get("title")), _str(item.get("value"))) for item in _objects(attachment.get("fields"))]
    made = (f"<h3>{heading}</h3>" if title else "") + text + _fields((key, mrkdwn.html(value)) for key, value in fields)
    return pretext + _bar(_str(attachment.get("color")), made)


def _pagerduty(message: Notification, event: Mapping[str, Any]) -> str:
    payload = event.get("payload") if isinstance(event.get("payload"), dict) else {}
    payload = payload or {}
    details = payload.get("custom_details")
    details = details if isinstance(details, dict) else {}
    shown = ((key, value) for key, value in details.items() if value and not isinstance(value, dict | list))
    links = [
        mrkdwn.link(_str(item.get("href")), _str(item.get("text")) or _str(item.get("href")))
        for item in _objects(event.get("links"))
        if _of_the_web(_str(item.get("href")))
    ]
    client = _str(event.get("client_url"))
    if _of_the_web(client):
        links.append(mrkdwn.link(client, f"View in {_str(event.get('client')) or client}"))
    title = message.title or f"{_str(event.get('event_action'))} {_str(event.get('dedup_key'))[:12]}"
    made = f"<h3>{escape(title)}</h3>" + _fields((key, mrkdwn.linked(_str(value))) for key, value in shown)
    colour = "good" if message.status == "resolved" else _SEVERITIES.get(message.severity or "", "")
    return _bar(colour, made + (f"<p>{' · '.join(links)}</p>" if links else ""))


def _mail(mail: Mapping[str, Any]) -> str:
    headers = mail.get("headers") if isinstance(mail.get("headers"), dict) else {}
    known = [(name, _str((headers or {}).get(name))) for name in ("From", "To", "Subject")]
    made = _fields((name, escape(value)) for name, value in known if value)
    if mail.get("html"):
        # Sandboxed: its scripts do not run, and it cannot reach this page; its links open beside it.
        page = escape(f'<base target="_blank">{mail["html"]}')
        return f'{made}<iframe sandbox="allow-popups" title="The mail" srcdoc="{page}"></iframe>'
    return f"{made}<pre>{mrkdwn.linked(_str(mail.get('text')))}</pre>"


def _bar(colour: str, made: str) -> str:
    given = _COLOURS.get(colour, colour)
    style = f' style="--colour: {given}"' if re.fullmatch(r"#[0-9A-Fa-f]{6}", given) else ""
    return f'<div class="bar"{style}>{made}</div>'


def _fields(items: Iterable[tuple[str, str]]) -> str:
    """A list of names with their values, which are HTML already."""
    made = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in items)
    return f'<dl class="fields">{made}</dl>' if made else ""


def _of_the_web(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def _objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _str(value: object) -> str:
    return "" if value is None else str(value)
