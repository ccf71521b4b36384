"""Settings of access: who reaches the monitoring from other namespaces, and what it may reach."""

from __future__ import annotations

import ipaddress
from typing import Annotated

from validation import Flag, List, Name, Section, Some, text, whole


def _block(text: str) -> str | None:
    """A block of addresses as Kubernetes takes it: with its length, and no bit set behind it."""
    if "/" not in text:
        return None
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        return f"not this one: {error}"
    return None


Source = Annotated[
    str,
    text(
        r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?|[0-9a-fA-F.:]+/[0-9]{1,3}",
        "a namespace such as ingress-nginx, or a block of addresses such as 10.0.0.0/16",
        _block,
    ),
]
Port = Annotated[int, whole(1, 65535)]


class Access(Section):
    """Who reaches the monitoring, and what it reaches: what the network policies admit beyond its own flows."""

    grafana_from: List[Source] = ()
    """Namespaces whose pods may reach Grafana, such as an ingress controller's, and blocks of addresses, such as the
    subnets of a load balancer. None: people come by port-forward."""
    alertmanager_from: List[Source] = ()
    """The same for Alertmanager, which asks for no log-in: name only the namespace of a proxy that does. None: people
    come by port-forward, or silence in Grafana."""
    obeyed_namespaces: List[Name] = ()
    """Namespaces whose rules, monitors and probes Prometheus takes, beside those of `monitoring`. Whoever may write
    them there can page on-call."""
    notification_ports: Some[Port] = (443,)
    """Ports of the addresses of Slack, PagerDuty and the heartbeat. That of SMTP is in `smarthost`."""
    api_server_ports: Some[Port] = (443, 6443)
    """Ports of the API server: of its Service, and those that it listens on."""
    enforced: Flag = True
    """Whether the cluster enforces network policies, which `make verify` tests; false accepts that it does not."""
