"""Who may talk to the API server, and how each side proves what it is: made anew for every control plane."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

HOST = "127.0.0.1"
_NAMES = (HOST, "localhost", "kubernetes", "kubernetes.default.svc")


@dataclass(frozen=True)
class Pair:
    """The files of a certificate and of its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, kw_only=True)
class Access:
    """An authority, and what it signed."""

    authority: trustme.CA
    """May sign others, such as a webhook's certificate."""
    authority_file: Path
    server: Pair
    """The API server."""
    administrator: Pair
    """A client that may do anything."""
    accounts: Pair
    """Signs the tokens of service accounts."""

    def client_context(self) -> ssl.SSLContext:
        """The administrator's TLS context."""
        context = ssl.create_default_context(cafile=self.authority_file)
        context.load_cert_chain(self.administrator.certificate, self.administrator.key)
        return context

    def kubeconfig(self, url: str, context: str) -> dict[str, Any]:
        """The administrator's kubeconfig with one context."""
        cluster = {"server": url, "certificate-authority-data": _encoded(self.authority_file)}
        user = {
            "client-certificate-data": _encoded(self.administrator.certificate),
            "client-key-data": _encoded(self.administrator.key),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": context, "cluster": cluster}],
            "users": [{"name": context, "user": user}],
            "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
            "current-context": context,
        }


def make(directory: Path) -> Access:
    """Make an authority and every certificate."""
    directory.mkdir(mode=0o700, parents=True)
    authority, authority_file = trustme.CA(), directory / "ca.pem"
    authority.cert_pem.write_to_path(str(authority_file))
    # A certificate without a name of a host would have an empty list of them, which the API server cannot read.
    administrator = authority.issue_cert(HOST, common_name="administrator", organization_name="system:masters")
    return Access(
        authority=authority,
        authority_file=authority_file,
        server=write(authority.issue_cert(*_NAMES), directory / "server"),
        administrator=write(administrator, directory / "administrator"),
        accounts=write(authority.issue_cert("accounts"), directory / "accounts"),
    )


def write(certificate: trustme.LeafCert, stem: Path) -> Pair:
    """Write a certificate to `<stem>.pem` and its key to `<stem>.key`."""
    pair = Pair(stem.with_suffix(".pem"), stem.with_suffix(".key"))
    certificate.cert_chain_pems[0].write_to_path(str(pair.certificate))
    certificate.private_key_pem.write_to_path(str(pair.key))
    return pair


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
