"""Lets processes in the pods' network namespace reach the API server, at the address that it has on this machine.

The listening socket is made in the namespace and served from outside of it: a socket stays where it was made.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

from control_plane.access import HOST
from control_plane.network import listen

_CHUNK = 65536


def main(holder: int, port: int) -> None:
    """Relay what arrives at a port of the namespace of process `holder`, on any address, to this machine's loopback."""
    listener = listen(holder, "", port)
    print("listening", flush=True)  # noqa: T201 - what the parent waits for
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(listener, port))


async def _serve(listener: socket.socket, port: int) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            server_reader, server_writer = await asyncio.open_connection(HOST, port)
            await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))
        writer.close()

    server = await asyncio.start_server(connected, sock=listener)
    await server.serve_forever()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    target.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
