"""The HTTP client of the gateway and the load generator, and the only place that imports httpx."""

from __future__ import annotations

import ssl
import sys

# httpx loads its own command line where rich and click are installed; without it a process is 7 MB smaller
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

from httpx import AsyncClient, HTTPError, Limits, Response  # noqa: E402 - after the line above

__all__ = ["AsyncClient", "HTTPError", "Response", "loopback_client"]


def loopback_client(timeout_seconds: float, base_url: str = "") -> AsyncClient:
    """Return a client for plain HTTP on loopback: it loads no certificates (10 MB) and heeds no proxy settings.

    Its idle connections end when the server ends them. To close them by itself costs httpcore 1.0.9 a request now and
    then, where the process has waited for its turn.
    """
    return AsyncClient(
        base_url=base_url,
        timeout=timeout_seconds,
        limits=Limits(keepalive_expiry=None),
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
        trust_env=False,
    )
