"""The pods' addresses, in a network namespace of their own: an API server refuses endpoints on the loopback.

Every address of the pods' range belongs to the namespace, so that a process in it can listen for any pod. This machine
reaches the range through a pair of virtual interfaces; nothing else does. The namespace has no name: it lives as long
as one child process, and the kernel removes it, the interfaces and the route with that.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from control_plane.children import Children
from local.errors import RehearsalError

_RANGE = IPv4Network("198.18.0.0/15")
"""Set aside for tests between networks (RFC 2544): no network that a machine is in uses it."""
_PREFIX = 20
"""Each namespace takes one of 32 blocks: one half for the pair of interfaces and the nodes, the other for pods."""
_CLONE_NEWNET = 0x40000000  # setns(2)


class NoNetworkError(RehearsalError):
    """This machine or user may not make a network namespace; the message says why."""


@dataclass(frozen=True)
class PodNetwork:
    """A namespace in which processes answer for pods."""

    block: IPv4Network
    holder: int
    """The process that the namespace belongs to."""

    @property
    def host(self) -> IPv4Address:
        """This machine, as seen from the namespace."""
        return self.block[1]

    @property
    def gateway(self) -> IPv4Address:
        """The namespace's end of the pair."""
        return self.block[2]

    @property
    def nodes(self) -> IPv4Network:
        """Addresses of the nodes, and of pods in their nodes' network."""
        return list(self.block.subnets(2))[1]

    @property
    def pods(self) -> IPv4Network:
        """Addresses of the pods."""
        return list(self.block.subnets(1))[1]

    def inside(self, *command: str | Path) -> list[str]:
        """The command line that runs a command in the namespace."""
        return ["nsenter", "--target", str(self.holder), "--net", "--", *map(str, command)]

    def listen(self, address: str, port: int) -> socket.socket:
        """A socket that listens in the namespace, for this process to serve."""
        return listen(self.holder, address, port)


@contextmanager
def pod_network(logs: Path) -> Iterator[PodNetwork]:
    """Make the namespace, and remove it at the end. Raises NoNetworkError where that is not allowed."""
    with Children(logs) as children:
        process = children.start("network", ["unshare", "--net", "sh", "-c", "echo made; exec sleep infinity"])
        log = children.log("network")
        while "made" not in log.read_text():
            if process.poll() is not None:
                raise NoNetworkError(f"no network namespace can be made: {log.read_text().strip()}")
        network = PodNetwork(_free_block(), process.pid)
        _connect(network)
        yield network


def _free_block() -> IPv4Network:
    """A block that no route of this machine leads to, not the first one, which others would take at the same time."""
    routes = json.loads(_run(["ip", "-json", "-4", "route"]))
    used = [IPv4Network(route["dst"]) for route in routes if route["dst"] != "default"]
    blocks = list(_RANGE.subnets(new_prefix=_PREFIX))
    start = os.getpid() % len(blocks)
    for block in blocks[start:] + blocks[:start]:
        if not any(block.overlaps(other) for other in used):
            return block
    raise NoNetworkError(f"every part of {_RANGE} is in use on this machine; see: ip route")


def _connect(network: PodNetwork) -> None:
    """Connect the namespace with this machine."""
    name = f"pods-{network.holder}"
    _run(["ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(network.holder)])
    _run(["ip", "address", "add", f"{network.host}/30", "dev", name])
    _run(["ip", "link", "set", name, "up"])
    _run(network.inside("ip", "link", "set", "lo", "up"))
    _run(network.inside("ip", "address", "add", f"{network.gateway}/30", "dev", "eth0"))
    _run(network.inside("ip", "link", "set", "eth0", "up"))
    for addresses in (network.nodes, network.pods):
        _run(network.inside("ip", "route", "add", "local", str(addresses), "dev", "lo"))
        _run(["ip", "route", "add", str(addresses), "via", str(network.gateway)])


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoNetworkError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def listen(holder: int, address: str, port: int) -> socket.socket:
    """A socket that listens in the namespace of process `holder`: it stays where it was made, whoever serves it."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(f"/proc/{holder}/ns/net", os.O_RDONLY)
    try:
        _enter(there)  # only this thread
        try:
            return socket.create_server((address, port))
        finally:
            _enter(here)
    finally:
        os.close(here)
        os.close(there)


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "the network namespace cannot be entered")
