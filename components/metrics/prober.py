"""The prober: what the blackbox exporter asks, and which answers are well. Pure functions."""

from __future__ import annotations

from typing import Any

import parts
from components import priorities, sizing
from settings import Redis

HTTP_2XX = "http_2xx"
"""Module that any address of users passes which answers with 2xx."""
HEALTH = "health"
"""Module for the health pages of services: 2xx, and no word of being degraded."""
REDIS = "redis"
"""Module for Redis."""

DEGRADED = r'"status"\s*:\s*"degraded'
"""What a health page says that answers 200 and yet lacks something: today's gateway without Redis, and `/health` of the
instrumentation package. The probe then fails by `probe_failed_due_to_regex`, which does not count as down."""

WELL = r"^(\+PONG|-NOAUTH )"
"""Answers to PING of a Redis that is well. One that wants a password proves its life by saying so, and the prober needs
none. PING is refused, as the services' commands are, where Redis loads its data (-LOADING), has lost its master
(-MASTERDOWN), cannot save (-MISCONF), is held up by a script (-BUSY), or has no connection left (-ERR max number of
clients reached); of a Redis with a password only the last is seen, as it asks for that first."""

_TIMEOUT = "5s"


def values(redis: Redis | None) -> dict[str, Any]:
    """Values of the blackbox exporter's chart."""
    return {
        "fullnameOverride": parts.BLACKBOX_EXPORTER.workload,
        "resources": sizing.SMALL,
        "priorityClassName": priorities.ALERTING,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},  # the chart's own has the rest
        "config": {"modules": modules(redis)},
        "serviceMonitor": {"selfMonitor": {"enabled": True}},
    }


def modules(redis: Redis | None) -> dict[str, Any]:
    """The modules, by name."""
    http: dict[str, Any] = {
        # As the chart has it: Helm would add it, so it is said here, where the whole module is read.
        "valid_http_versions": ["HTTP/1.1", "HTTP/2.0"],
        "follow_redirects": True,
        "preferred_ip_protocol": "ip4",
    }
    found: dict[str, Any] = {
        HTTP_2XX: {"prober": "http", "timeout": _TIMEOUT, "http": http},
        HEALTH: {"prober": "http", "timeout": _TIMEOUT, "http": http | {"fail_if_body_matches_regexp": [DEGRADED]}},
    }
    if redis:
        ping = [{"send": "PING"}, {"expect": WELL}]
        tcp = {"preferred_ip_protocol": "ip4", "tls": redis.tls, "query_response": ping}
        found[REDIS] = {"prober": "tcp", "timeout": _TIMEOUT, "tcp": tcp}
    return found
