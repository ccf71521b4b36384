"""What points at this machine's receivers: the channels' secrets, known to them only, and the links of messages."""

from __future__ import annotations

import json
import secrets

from local.ports import Ports
from local.state import State, write
from simulation.receivers.alertmanager import ALERTMANAGER
from simulation.receivers.linked import PAGES


def channel_secrets(state: State, ports: Ports) -> dict[str, str]:
    """The stack's secret keys and their values, which point at this machine's receivers."""
    tokens = _tokens(state)
    receivers = ports.url("receivers")
    return {
        "slackWebhookUrl": f"{receivers}/slack/{tokens['slack']}",
        "pagerdutyRoutingKey": tokens["pagerduty"],
        "smtpPassword": tokens["smtp"],
        "heartbeatUrl": f"{receivers}/heartbeat/{tokens['heartbeat']}",
        "grafanaAdminPassword": tokens["grafana"],
    }


def links(ports: Ports, *, grafana: bool) -> dict[str, str]:
    """The stack's setting `links` for this machine; the receivers stand in for what does not run here.

    Without a Grafana they draw the dashboards. Alertmanager is built without its own page, so its form is theirs, too.
    """
    return {
        "grafana": ports.url("grafana" if grafana else "receivers"),
        "alertmanager": f"{ports.url('receivers')}{ALERTMANAGER}",
        "runbooks": f"{ports.url('receivers')}{PAGES}/alerts/runbooks",
    }


def _tokens(state: State) -> dict[str, str]:
    path = state.credentials / "tokens.json"
    if not path.exists():
        tokens = {name: secrets.token_hex(16) for name in ("slack", "pagerduty", "smtp", "heartbeat", "grafana")}
        write(path, json.dumps(tokens))
    found: dict[str, str] = json.loads(path.read_text())
    return found
