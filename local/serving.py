"""Serve one ASGI application on the loopback interface: until SIGTERM or Ctrl-C, or beside what else a program does."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import uvicorn

HOST = "127.0.0.1"
"""Nothing of the rehearsal listens anywhere else."""

GRACE_SECONDS = 1
"""How long open requests may take to finish after the signal to end."""


def listen(port: int, option: str) -> socket.socket:
    """Bind `port` on the loopback interface before anything else is started.

    `option` is the command-line option that chose the port; it is named in the message.
    Raises SystemExit with one line (exit code 1) if the port cannot be had.
    """
    # With TCP named, asyncio sets TCP_NODELAY on each connection; without, an answer waits 40 ms for an ACK.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()
        return listener
    except OSError as error:
        listener.close()
        raise SystemExit(
            f"cannot listen on {HOST}:{port}: {error.strerror}; end the process that has it "
            f"or choose another port with {option}"
        ) from None


def serve(app: Any, listener: socket.socket) -> None:
    """Serve `app` on `listener`; return after Ctrl-C, exit with 0 after SIGTERM."""
    import uvicorn  # only now: a port in use is reported before anything large is loaded

    # uvicorn raises the signal again after its graceful end; without this handler that would kill us.
    signal.signal(signal.SIGTERM, _exit)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(_config(app)).run(sockets=[listener])


@asynccontextmanager
async def serving(app: Any, listener: socket.socket) -> AsyncIterator[None]:
    """Serve `app` on `listener` in the running event loop while the context lasts; signals are its body's own affair.

    At its end open requests are answered first, for GRACE_SECONDS at most.
    """
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:  # uvicorn would replace the handlers of the body
            yield

    server = Server(_config(app))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await task


def _config(app: Any) -> uvicorn.Config:
    import uvicorn

    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # some paths are credentials
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _exit(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(0)
