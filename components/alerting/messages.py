"""What notifications say: the integration of each channel in Alertmanager's configuration. Pure functions.

The texts are templates in `templates/`, which Alertmanager finds beside its configuration. Credentials are paths of
mounted files, never values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from settings import Email, Notifications, PagerDuty, Slack

CREDENTIALS_SECRET = "alertmanager-credentials"  # noqa: S105 - the name of a Secret, not its content
"""Secret with the channels' credentials; the operator mounts its keys as files in CREDENTIALS_DIRECTORY."""
CREDENTIALS_DIRECTORY = f"/etc/alertmanager/secrets/{CREDENTIALS_SECRET}"
CREDENTIAL_KEYS = {
    "slack": "slack-webhook-url",
    "pagerduty": "pagerduty-routing-key",
    "email": "smtp-password",
    "heartbeat": "heartbeat-url",
}
"""Key of each channel's credential in the Secret."""

TEMPLATES_GLOB = "/etc/alertmanager/config/*.tmpl"
"""Where the operator mounts the other keys of the configuration's Secret."""

_TEMPLATES = Path(__file__).with_name("templates")


def templates() -> dict[str, str]:
    """The message templates by file name."""
    return {path.name: path.read_text() for path in sorted(_TEMPLATES.glob("*.tmpl"))}


def credential(channel: str) -> str:
    """Path of the file with a channel's credential, in Alertmanager's container."""
    return f"{CREDENTIALS_DIRECTORY}/{CREDENTIAL_KEYS[channel]}"


def integrations(notifications: Notifications, note: str) -> dict[str, dict[str, Any]]:
    """The part of a receiver that each configured channel makes, by channel.

    `note` is a sentence that every message carries, to say that it stands in for another; empty says nothing.
    All but the dead man's switch are told when it is over.
    """
    made: dict[str, dict[str, Any]] = {}
    told = {"send_resolved": True}
    if notifications.pagerduty:
        made["pagerduty"] = {"pagerduty_configs": [told | _pagerduty(notifications.pagerduty, note)]}
    if notifications.slack:
        made["slack"] = {"slack_configs": [told | _slack(notifications.slack, note)]}
    if notifications.email:
        made["email"] = {"email_configs": [told | _email(notifications.email, note)]}
    if notifications.heartbeat:
        made["heartbeat"] = {"webhook_configs": [{"url_file": credential("heartbeat"), "send_resolved": False}]}
    return made


def smtp(email: Email) -> dict[str, Any]:
    """The global settings of e-mail."""
    return {
        "smtp_smarthost": email.smarthost,
        "smtp_from": email.sender,
        "smtp_auth_username": email.username,
        "smtp_auth_password_file": credential("email"),
        "smtp_require_tls": True,
    }


def _pagerduty(pagerduty: PagerDuty, note: str) -> dict[str, Any]:
    details = {
        "alertname": _use("message.alert"),
        "service": _use("message.service"),
        "owner": _use("message.owner"),
        "severity": _use("message.severity"),
        "status": "{{ .Status }}",
        # Alertmanager reads each value as YAML: "down: no target" would become an object, but not below a sentence. The
        # summary is in the title, and the addresses are links.
        "description": f"{_use('message.started')}\n{_use('message.description')}",
        # Alertmanager adds its own texts of every alert where there are none: what is over as if it held, and links to
        # Prometheus, which is not exposed; and numbers that the description's lines say.
        **dict.fromkeys(("firing", "resolved", "num_firing", "num_resolved"), ""),
    }
    return {
        "url": pagerduty.url,
        "routing_key_file": credential("pagerduty"),
        # The incident's title to its end: whether it fires, PagerDuty says by itself.
        "description": f"{_use('message.subject')}: {_use('message.summary')}" + (f" ({note})" if note else ""),
        "severity": _use("message.pagerduty_severity"),
        "client": "Order processor monitoring",
        "client_url": "",  # the dashboard is one of the links; without a value it is Alertmanager's address
        "class": _use("message.alert"),
        "component": _use("message.service"),
        "group": "{{ .CommonLabels.namespace }}",
        "details": details,
        "links": [  # Alertmanager leaves out those without an address
            {"href": _use("link.runbook"), "text": "Runbook"},
            {"href": _use("link.service_runbook"), "text": "Service runbook"},
            {"href": _use("link.dashboard"), "text": "Dashboard"},
            {"href": _use("link.silence"), "text": _use("link.silence.text")},
        ],
    }


def _slack(slack: Slack, note: str) -> dict[str, Any]:
    fields = {
        "Alert": _use("message.alert"),
        "Service": _use("message.service"),
        "Owner": _use("message.owner"),
        "Severity": _use("message.severity"),
        "Status": "{{ .Status }}",
    }
    return {
        "api_url_file": credential("slack"),
        "channel": slack.channel,
        "pretext": note,
        "color": _use("message.colour"),
        "title": _use("message.title"),
        "title_link": _use("link.dashboard"),
        "fallback": f"{_use('message.title')}: {_use('message.summary')}",
        "text": _use("slack.text"),
        "fields": [{"title": title, "value": value, "short": True} for title, value in fields.items()],
    }


def _email(email: Email, note: str) -> dict[str, Any]:
    return {
        "to": ", ".join(email.to),
        "headers": {
            "Subject": f"{_use('message.title')}: {_use('message.summary')}",
            "X-Alert-Name": _use("message.alert"),
            "X-Alert-Service": _use("message.service"),
            "X-Alert-Owner": _use("message.owner"),
            "X-Alert-Severity": _use("message.severity"),
            "X-Alert-Status": "{{ .Status }}",
        },
        "html": "",  # plain text alone: it reads the same everywhere
        "text": f"{note}\n\n{_use('email.text')}" if note else _use("email.text"),
    }


def _use(name: str) -> str:
    return f'{{{{ template "{name}" . }}}}'
