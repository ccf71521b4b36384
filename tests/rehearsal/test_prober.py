"""What the deployed modules of the prober take for well: the real blackbox exporter, a real Redis, and health pages."""

from __future__ import annotations

import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import yaml
from prometheus_client.parser import text_string_to_metric_families

import catalogue
from checks import metrics
from checks.waiting import eventually
from components.metrics import prober
from facts import ROOT
from settings import Redis
from simulation import redis
from simulation.dialect import DIALECTS
from tests.rehearsal.alone import free_address, running
from tests.rehearsal.processor import Client, Processor

COMPONENTS = {item.name: item for item in metrics.components(catalogue.load(ROOT / "services.yaml"))}

Probe = Callable[[str, str], dict[str, float]]
"""Asks for a module and a target; gives the figures, which are those that are listed."""


@contextmanager
def blackbox(directory: Path, *, tls: bool = False, trusted: str = "") -> Iterator[Probe]:
    """The exporter with the deployed modules."""
    address, configuration = free_address(), directory / "blackbox.yaml"
    configuration.write_text(yaml.safe_dump({"modules": prober.modules(Redis(address="redis:6379", tls=tls))}))
    arguments = [f"--config.file={configuration}", f"--web.listen-address={address}"]

    def probe(module: str, target: str) -> dict[str, float]:
        page = httpx.get(f"http://{address}/probe", params={"module": module, "target": target}, timeout=30).text
        listed = COMPONENTS["probe of Redis" if module == prober.REDIS else "probes"]
        assert list(metrics.differences(listed.series, metrics.exposed(page), listed.later)) == []
        return {
            sample.name: sample.value for family in text_string_to_metric_families(page) for sample in family.samples
        }

    with running("blackbox", arguments, f"http://{address}/-/healthy", SSL_CERT_FILE=trusted):
        yield probe


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    with blackbox(tmp_path_factory.mktemp("prober")) as found:
        yield found


@contextmanager
def server(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A Redis of its own, once it listens."""
    address = free_address()
    command = [*redis.program(address).command, *arguments]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: listens(address), what="Redis listens")
            yield address, process
        finally:
            process.kill()


def listens(address: str) -> bool:
    host, _, port = address.partition(":")
    try:
        socket.create_connection((host, int(port))).close()
    except OSError:
        return False
    return True


def admitted(address: str) -> socket.socket | None:
    """A connection on which Redis has answered; one that it has no room for yet is closed."""
    host, _, port = address.partition(":")
    connection = socket.create_connection((host, int(port)))
    connection.sendall(b"PING\r\n")
    if connection.recv(64) == b"+PONG\r\n":
        return connection
    connection.close()
    return None


class TestRedis:
    """Well is a Redis that serves commands, or would if it were told a password."""

    @pytest.mark.parametrize(
        ("arguments", "well"),
        [
            pytest.param((), 1, id="+PONG"),
            pytest.param(("--requirepass", "secret"), 1, id="-NOAUTH"),
            pytest.param(("--replicaof", "127.0.0.1 1", "--replica-serve-stale-data", "no"), 0, id="-MASTERDOWN"),
        ],
    )
    def test_one_that_answers(self, probe: Probe, arguments: tuple[str, ...], well: int) -> None:
        with server(*arguments) as (address, _):
            assert probe(prober.REDIS, address)["probe_success"] == well

    def test_one_without_a_connection_left(self, probe: Probe) -> None:
        with server("--maxclients", "1") as (address, _), eventually(lambda: admitted(address), what="one is admitted"):
            assert probe(prober.REDIS, address)["probe_success"] == 0

    def test_one_that_hangs_and_one_that_has_ended(self, probe: Probe) -> None:
        with server() as (address, process):
            process.send_signal(signal.SIGSTOP)
            assert probe(prober.REDIS, address)["probe_success"] == 0
            process.send_signal(signal.SIGCONT)
            eventually(lambda: probe(prober.REDIS, address)["probe_success"] == 1, what="it answers again")
        assert probe(prober.REDIS, address)["probe_success"] == 0

    @pytest.mark.parametrize("trusted", [True, False])
    def test_its_certificate_is_verified_where_it_speaks_tls(self, trusted: bool, tmp_path: Path) -> None:
        """The server in the wheel speaks no TLS: one of ours answers."""
        authority, known = trustme.CA(), tmp_path / "trusted.pem"
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
        (authority if trusted else trustme.CA()).cert_pem.write_to_path(str(known))
        with (
            socket.create_server(("127.0.0.1", 0)) as plain,
            context.wrap_socket(plain, server_side=True) as listener,
            blackbox(tmp_path, tls=True, trusted=str(known)) as asked,
        ):
            threading.Thread(target=answer_once, args=(listener,), daemon=True).start()
            seen = asked(prober.REDIS, f"127.0.0.1:{listener.getsockname()[1]}")
        assert seen["probe_success"] == trusted


def answer_once(listener: ssl.SSLSocket) -> None:
    try:
        connection, _ = listener.accept()
        with connection:
            assert connection.recv(64) == b"PING\n"
            connection.sendall(b"+PONG\r\n")
    except (ssl.SSLError, OSError):
        pass


class TestHealthPages:
    """A page that says that its service is degraded fails the probe by its words, and by nothing else."""

    @pytest.mark.parametrize(
        ("status", "body", "success", "degraded"),
        [
            (200, '{"redis":true,"service":"gateway","status":"healthy"}', 1, 0),
            (200, '{"redis":false,"service":"gateway","status":"degraded (no Redis)"}', 0, 1),
            (200, '{\n  "status": "degraded",\n  "dependencies": {}\n}', 0, 1),
            (200, '{"status":"healthy","checks":{"degraded":"no","mode":"not degraded"}}', 1, 0),
            (200, "OK", 1, 0),
            (503, '{"status":"degraded"}', 0, 0),
        ],
    )
    def test_one_page(self, probe: Probe, status: int, body: str, success: int, degraded: int) -> None:
        with serving(status, body) as url:
            seen = probe(prober.HEALTH, url)
            of_users = probe(prober.HTTP_2XX, url)["probe_success"]
        assert (seen["probe_success"], seen["probe_failed_due_to_regex"]) == (success, degraded)
        assert of_users == (status == 200), "what users' addresses say is nothing to their probe"

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.usefixtures("logging_as_before")
    def test_no_service_says_so_when_it_is_well(self, dialect: str) -> None:
        processor = Processor(dialect)
        clients = {"gateway": processor.client} | {name: Client(app) for name, app in processor.apps.items()}
        for name, client in clients.items():
            for path in ("/health", "/health/ready"):
                assert not re.search(prober.DEGRADED, client.get(path).text), name


@contextmanager
def serving(status: int, body: str) -> Iterator[str]:
    """A server with one page; gives its address."""

    class Page(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as listener:
        threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}).start()
        yield f"http://127.0.0.1:{listener.server_port}/health"
        listener.shutdown()
