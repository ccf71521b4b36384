"""A kubectl whose `port-forward` goes straight to the address of a pod, as the simulated nodes have no kubelet for it.

It looks for the pod, and asks for the right to forward, as the user that kubectl is. What it does not show: the way
through the API server and a kubelet into the network of a pod.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from facts import ROOT

_SCRIPT = """#!/bin/sh
for word in "$@"; do
  if [ "$word" = port-forward ]; then
    PYTHONPATH={root} exec {python} -P -m control_plane.port_forward {kubectl} "$@"
  fi
done
exec {kubectl} "$@"
"""


def write_kubectl(path: Path, kubectl: Path) -> None:
    """Write such a kubectl, which leaves all but port-forwards to a real one."""
    words = {"root": ROOT, "python": sys.executable, "kubectl": kubectl}
    path.write_text(_SCRIPT.format_map({name: shlex.quote(str(word)) for name, word in words.items()}))
    path.chmod(0o755)


class _Refused(Exception):  # noqa: N818 - what kubectl says
    """The forward cannot be; the message is kubectl's."""


def _ask(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise _Refused(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def _target(kubectl: list[str], service: str, port: int) -> tuple[str, int]:
    """Address and port of a pod behind a Service's port. Raises _Refused."""
    found = json.loads(_ask(*kubectl, "get", "service", service, "--output=json"))["spec"]
    selector = ",".join(f"{key}={value}" for key, value in found["selector"].items())
    pods = json.loads(_ask(*kubectl, "get", "pods", f"--selector={selector}", "--output=json"))["items"]
    running = [pod for pod in pods if pod["status"].get("podIP") and "deletionTimestamp" not in pod["metadata"]]
    if not running:
        raise _Refused("error: timed out waiting for the condition")
    try:
        _ask(*kubectl, "auth", "can-i", "create", "pods", "--subresource=portforward", "--quiet")
    except _Refused as error:
        raise _Refused(f'error: pods "{running[0]["metadata"]["name"]}" is forbidden') from error
    asked = next(each["targetPort"] for each in found["ports"] if each["port"] == port)
    return running[0]["status"]["podIP"], asked if isinstance(asked, int) else _named(running[0], asked)


def _named(pod: Any, name: str) -> int:
    ports = (port for container in pod["spec"]["containers"] for port in container.get("ports", []))
    return next(int(port["containerPort"]) for port in ports if port.get("name") == name)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def _serve(address: str, port: int) -> None:
    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, back = await asyncio.open_connection(address, port)
            await asyncio.gather(_copy(reader, back), _copy(there, writer), return_exceptions=True)
        except OSError:
            writer.close()

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    print(f"Forwarding from 127.0.0.1:{server.sockets[0].getsockname()[1]} -> {port}", flush=True)  # noqa: T201
    await server.serve_forever()


def main(kubectl: str, *arguments: str) -> None:
    """Forward until it is ended, as kubectl does."""
    parser = argparse.ArgumentParser()
    for option in ("--context", "--namespace", "--address", "--pod-running-timeout"):
        parser.add_argument(option, required=True)
    for word in ("command", "service", "port"):
        parser.add_argument(word)
    given = parser.parse_args(arguments)
    asked = [kubectl, f"--context={given.context}", f"--namespace={given.namespace}"]
    try:
        address, port = _target(asked, given.service.removeprefix("service/"), int(given.port.removeprefix(":")))
    except _Refused as error:
        sys.exit(str(error))
    asyncio.run(_serve(address, port))


if __name__ == "__main__":
    main(*sys.argv[1:])
