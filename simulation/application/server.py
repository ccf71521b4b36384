"""Serving a simulated service: as its uvicorn would, with the same lines on standard output."""

from __future__ import annotations

from typing import Any

from local.serving import GRACE_SECONDS, listen

KEEPALIVE_SECONDS = 75
"""How long a connection may idle. uvicorn's 5 s are less than a process may wait for its turn on a busy machine: a
request on a connection that is being closed meanwhile is lost, and a rehearsal would tell of errors that are none."""


def serve(app: Any, port: int, *, uvicorn_lines: bool) -> None:
    """Serve until SIGTERM or SIGINT. `uvicorn_lines` prints start-up and access lines, as the Python services do."""
    listener = listen(port, "--port")
    import uvicorn  # only now: a port in use is reported before anything large is loaded

    config = uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        use_colors=False,
        log_level="info" if uvicorn_lines else "warning",
        access_log=uvicorn_lines,
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=KEEPALIVE_SECONDS,
    )
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:  # uvicorn has shut down and raises the signal once more
        raise SystemExit(130) from None
