"""The loopback ports of the rehearsal: the well-known ones, all moved by one offset where they are taken."""

from __future__ import annotations

import itertools
import os
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from local.errors import RehearsalError
from local.state import in_use

HOST = "127.0.0.1"

SERVICES = {
    "gateway": 8080,
    "user-service": 8000,
    "inventory-service": 8001,
    "order-service": 8002,
    "auth-service": 8003,
    "insights-service": 8004,
}
"""Ports of the simulated services, as the application's own."""

STACK = {
    "prometheus": 9090,
    "alertmanager": 9093,
    "loki": 3100,
    "loki-grpc": 9095,
    "agent-health": 13133,
    "agent-metrics": 8888,
    "agent-otlp-grpc": 4317,
    "agent-otlp-http": 4318,
    "blackbox": 9115,
    "route-sums": 9180,
    "node-exporter": 9100,
    "redis": 6379,
    "exporters": 9150,
    "receivers": 9501,
    "smtp": 2525,
    "load": 9502,
}
"""Ports of everything else that always runs."""

TRACES = {
    "jaeger": 3200,
    "jaeger-grpc": 3201,
    "jaeger-otlp": 4319,
    "sampler": 4320,
    "sampler-health": 13132,
    "sampler-metrics": 8889,
}
"""Ports of what keeps traces; 3200 is Tempo's own."""

OPTIONAL = {"grafana": 3000, **TRACES}
"""Ports of what runs only if asked for."""

_NO_CLIENTS = range(61_000, 65_536)
"""Ports that Linux gives to no outgoing connection, which could have one before who asked for it listens."""
_FIRST = os.getpid() * 101 % len(_NO_CLIENTS)
_unused = itertools.cycle([*_NO_CLIENTS[_FIRST:], *_NO_CLIENTS[:_FIRST]])
_handing_out = threading.Lock()


@dataclass(frozen=True)
class Ports:
    """Every port of one rehearsal."""

    offset: int = 0

    def __getitem__(self, name: str) -> int:
        """The port of a part or service."""
        return (STACK | SERVICES | OPTIONAL)[name] + self.offset

    def address(self, name: str) -> str:
        """`host:port` of a part or service."""
        return f"{HOST}:{self[name]}"

    def url(self, name: str) -> str:
        """`http://host:port` of a part or service."""
        return f"http://{self.address(name)}"

    def taken(self, names: Iterable[str] = (*STACK, *SERVICES)) -> dict[str, int]:
        """The ports, by name, that something else listens on now; by default of all that always run."""
        return {name: self[name] for name in names if not _free(self[name])}


def from_environment() -> Ports | None:
    """The ports, moved by `PORT_OFFSET`; None if it is not set.

    Raises RehearsalError if it is not a number that leaves the ports valid.
    """
    text = os.environ.get("PORT_OFFSET")
    if not text:
        return None
    highest = 65535 - max((STACK | SERVICES).values())
    if not text.isdecimal() or int(text) > highest:
        raise RehearsalError(f"PORT_OFFSET={text}: expected a whole number from 0 to {highest}")
    return Ports(int(text))


def choose(asked: Ports | None, used: Ports | None) -> Ports:
    """The ports in use by what runs, else those asked for, else the well-known ones.

    Raises RehearsalError if others are asked for than those in use.
    """
    asked_offset, used_offset = (ports.offset if ports else None for ports in (asked, used))
    return Ports(in_use("PORT_OFFSET", asked_offset, used_offset, otherwise=Ports.offset))


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on now, for processes that soon will; each is given to one of them only."""
    with _handing_out:
        return list(itertools.islice(filter(_free, _unused), count))


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
