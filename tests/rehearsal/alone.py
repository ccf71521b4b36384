"""Programs of the stack that tests run by themselves."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from checks.waiting import eventually
from engine.toolchain import tool


@contextmanager
def running(program: str, arguments: list[str], health: str, **environment: str) -> Iterator[None]:
    """A process from when it answers until the block ends."""
    command = [str(tool(program)), *arguments]
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: httpx.get(health).is_success, what=program)
            yield
        finally:
            process.terminate()


def free_address() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"
