"""A private certificate authority of one certificate, so that mail is sent over verified TLS on this machine too."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

NAMES = ("localhost", "127.0.0.1")
"""What the server's certificate is valid for."""


def server_context(directory: Path) -> ssl.SSLContext:
    """Return the server's TLS context, making the authority and the certificate the first time.

    `directory` gets `ca.pem`, which clients must trust (SSL_CERT_FILE), and `server.pem`, the certificate with its
    key (mode 0600). The authority's own key is never stored: nobody can sign a second certificate with it.
    """
    server = directory / "server.pem"
    if not server.exists() or not (directory / "ca.pem").exists():
        _make(directory, server)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(server)
    return context


def _make(directory: Path, server: Path) -> None:
    import trustme  # its cryptography library stays out of every later start

    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority = trustme.CA()
    certificate = authority.issue_cert(*NAMES)
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    server.unlink(missing_ok=True)
    with os.fdopen(os.open(server, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(certificate.private_key_and_cert_chain_pem.bytes())
