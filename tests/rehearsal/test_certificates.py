"""What the deployed probe reads of a public address's certificates, by the real exporter: which of them count."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prometheus_client.parser import text_string_to_metric_families

import catalogue
from checks import metrics
from components.metrics import prober
from facts import ROOT
from tests.rehearsal.alone import free_address, running

EARLIEST = "probe_ssl_earliest_cert_expiry"
CHAIN = "probe_ssl_last_chain_expiry_timestamp_seconds"
NAME = x509.NameOID.COMMON_NAME


@dataclass(frozen=True)
class Party:
    """A name with a key, to which others and it itself give certificates."""

    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def certifies(self, other: Party, days: float) -> bytes:
        """A certificate of `other` that ends in so many days; all but the server may certify others."""
        ends = datetime.now(UTC) + timedelta(days=days)
        server = other.name == "server"
        certificate = (
            x509.CertificateBuilder(x509.Name([x509.NameAttribute(NAME, self.name)]))
            .subject_name(x509.Name([x509.NameAttribute(NAME, other.name)]))
            .public_key(other.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(ends - timedelta(days=365))
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=not server, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        )
        return certificate.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM)


SERVER, ISSUER, ROOT_A, ROOT_B = Party("server"), Party("issuer"), Party("root a"), Party("root b")


@dataclass(frozen=True)
class Case:
    """What a server sends, what its clients trust, and in how many days each figure ends; None: it is not there."""

    sent: tuple[bytes, ...]
    trusted: tuple[bytes, ...]
    earliest: int | None
    chain: int | None


def own(root: Party, days: float) -> bytes:
    """A root's certificate of itself."""
    return root.certifies(root, days)


LEAF = ISSUER.certifies(SERVER, 60)
ISSUED = ROOT_A.certifies(ISSUER, 90)
CASES = {
    "the server's certificate ends first": Case((ISSUER.certifies(SERVER, 2), ISSUED), (own(ROOT_A, 300),), 2, 2),
    "the issuer's certificate ends first": Case((LEAF, ROOT_A.certifies(ISSUER, 2)), (own(ROOT_A, 300),), 2, 2),
    "a root that is not sent ends first": Case((LEAF, ISSUED), (own(ROOT_A, 2),), 60, 2),
    "a stranger's certificate has ended": Case((LEAF, ISSUED, own(ROOT_B, -9)), (own(ROOT_A, 300),), -9, 60),
    "another root's certificate of the issuer has ended": Case(
        (LEAF, ISSUED, ROOT_B.certifies(ISSUER, -9)), (own(ROOT_A, 300), own(ROOT_B, 300)), -9, 60
    ),
    "a root's certificate of a trusted root has ended": Case(
        (LEAF, ISSUED, ROOT_B.certifies(ROOT_A, -9)), (own(ROOT_A, 300), own(ROOT_B, -9)), -9, 60
    ),
    "one of two chains ends first": Case(
        (LEAF, ISSUED, ROOT_B.certifies(ISSUER, 2)), (own(ROOT_A, 300), own(ROOT_B, 300)), 2, 60
    ),
    "the server's certificate has ended": Case((ISSUER.certifies(SERVER, -1), ISSUED), (own(ROOT_A, 300),), None, None),
    "nobody knows the root": Case((LEAF, ISSUED), (own(ROOT_B, 300),), None, None),
}


class Page(BaseHTTPRequestHandler):
    """Any path is there."""

    protocol_version = "HTTP/1.1"  # the module takes no older one

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    """It says nothing of clients that hang up."""

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def serving(sent: tuple[bytes, ...], directory: Path) -> Iterator[str]:
    """A server that sends these certificates; gives its address."""
    file = directory / "sent.pem"
    key = SERVER.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(b"".join((key, *sent)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with Server(("127.0.0.1", 0), Page) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield f"https://127.0.0.1:{server.server_port}/"
        server.shutdown()


def probed(case: Case, directory: Path, module: dict[str, Any]) -> str:
    """The page of one probe of a server as in `case`, with this module."""
    address, configuration, trusted = free_address(), directory / "blackbox.yaml", directory / "trusted.pem"
    configuration.write_text(yaml.safe_dump({"modules": {"http_2xx": module}}))
    trusted.write_bytes(b"".join(case.trusted))
    arguments = [f"--config.file={configuration}", f"--web.listen-address={address}"]
    healthy = f"http://{address}/-/healthy"
    with serving(case.sent, directory) as target, running("blackbox", arguments, healthy, SSL_CERT_FILE=str(trusted)):
        return httpx.get(f"http://{address}/probe", params={"module": "http_2xx", "target": target}).text


def figures(page: str) -> dict[str, float]:
    """The values of a page by their names."""
    return {sample.name: sample.value for family in text_string_to_metric_families(page) for sample in family.samples}


def days_left(figure: float | None) -> int | None:
    return None if figure is None else round((figure - time.time()) / 86_400)


@pytest.fixture(scope="module")
def deployed() -> dict[str, Any]:
    """The module that probes are deployed with."""
    module: dict[str, Any] = prober.modules(None)[prober.HTTP_2XX]
    return module


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_chain_counts_that_a_client_verifies(case: Case, deployed: dict[str, Any], tmp_path: Path) -> None:
    seen = figures(probed(case, tmp_path, deployed))
    assert (days_left(seen.get(EARLIEST)), days_left(seen.get(CHAIN))) == (case.earliest, case.chain)
    assert seen["probe_success"] == (case.chain is not None)


def test_a_chain_that_is_not_verified_ends_long_ago(deployed: dict[str, Any], tmp_path: Path) -> None:
    """CertificateAboutToExpire knows such a time for none."""
    unverified = deployed | {"http": deployed["http"] | {"tls_config": {"insecure_skip_verify": True}}}
    seen = figures(probed(CASES["nobody knows the root"], tmp_path, unverified))
    assert (days_left(seen[EARLIEST]), seen[CHAIN]) == (60, -62_135_596_800)


def test_a_probe_of_a_public_address_has_the_series_that_are_listed(deployed: dict[str, Any], tmp_path: Path) -> None:
    components = {item.name: item for item in metrics.components(catalogue.load(ROOT / "services.yaml"))}
    page = probed(CASES["the server's certificate ends first"], tmp_path, deployed)
    assert list(metrics.differences(components["probes"].series, metrics.exposed(page))) == []
