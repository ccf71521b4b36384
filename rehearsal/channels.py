"""The secrets of the rehearsal's notification channels: made once, known to the local receivers only."""

from __future__ import annotations

import json
import secrets

from local.ports import Ports
from local.state import State, write


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


def _tokens(state: State) -> dict[str, str]:
    path = state.credentials / "tokens.json"
    if not path.exists():
        tokens = {name: secrets.token_hex(16) for name in ("slack", "pagerduty", "smtp", "heartbeat", "grafana")}
        write(path, json.dumps(tokens))
    found: dict[str, str] = json.loads(path.read_text())
    return found
