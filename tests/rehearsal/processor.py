"""The simulated services in this process and as processes of their own, for the tests of the application."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import ASGIApp

import catalogue
from catalogue import Service
from checks.free_ports import claim
from checks.waiting import PATIENCE_SECONDS, eventually
from facts import ROOT
from local.ports import SERVICES
from local.state import State
from rehearsal.programs import INSTRUMENTATION, simulated_service
from simulation import dialect as dialects
from simulation import redis as redis_server
from simulation.application import gateway, identity
from simulation.application.kinds import KINDS
from simulation.application.proxy import BACKENDS
from simulation.application.service import application

STALL_SECONDS = 4.2
"""Some of the connections that uvicorn would close after 5 s are then used again just about when it does."""

ENVIRONMENT = os.environ | {"PYTHONPATH": INSTRUMENTATION}
MARKET_BUY = {"order_type": "market_buy", "asset_id": "ETH", "quantity": 1}
LIMIT_SELL = {"order_type": "limit_sell", "asset_id": "ADA", "quantity": 100}
TOO_LARGE = {"order_type": "market_buy", "asset_id": "BTC", "quantity": 900}
TOKEN = {"authorization": f"Bearer {identity.token_of('alice')}"}

T = TypeVar("T")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(text: str) -> Samples:
    """Return every sample of an exposition by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    """Return the sum of all samples with this name and these labels; 0 when there is none."""
    return sum(v for (n, have), v in samples.items() if n == name and labels.items() <= dict(have).items())


def names(samples: Samples) -> set[str]:
    return {name for name, _ in samples}


class Client:
    """Sends requests to an application in this process, one event loop each."""

    def __init__(self, app: ASGIApp) -> None:
        self.transport = httpx.ASGITransport(app, raise_app_exceptions=False)

    def send(self, method: str, path: str, **content: Any) -> httpx.Response:
        async def exchange() -> httpx.Response:
            async with httpx.AsyncClient(
                transport=self.transport, base_url="http://here", follow_redirects=True
            ) as client:
                return await client.request(method, path, **content)

        return asyncio.run(exchange())

    def get(self, path: str, **content: Any) -> httpx.Response:
        return self.send("GET", path, **content)

    def post(self, path: str, **content: Any) -> httpx.Response:
        return self.send("POST", path, **content)


def scraped(client: Client, path: str = "/internal/metrics") -> Samples:
    return parse(client.get(path).text)


def service(name: str, dialect: str) -> Client:
    return Client(application(name, dialect, seed=1))


class Processor:
    """All six services in this process: the gateway in front, the others behind it."""

    def __init__(
        self,
        dialect: str,
        rate_limit: int = 10_000,
        urls: dict[str, str] | None = None,
        *,
        redis: bool = True,
        **apps: ASGIApp,
    ) -> None:
        self.apps = {name: apps.get(name.partition("-")[0]) or application(name, dialect, seed=1) for name in KINDS}
        mounts = {
            f"http://{name}": httpx.ASGITransport(app, raise_app_exceptions=False) for name, app in self.apps.items()
        }
        backends = {name: f"http://{name}" for name in BACKENDS} | (urls or {})
        backend_client = httpx.AsyncClient(mounts=mounts, trust_env=False)
        self.app = gateway.application(backends, backend_client, dialect, rate_limit=rate_limit, redis=redis)
        self.client = Client(self.app)

    def metrics(self) -> Samples:
        """Return the gateway's own series."""
        return scraped(self.client, "/metrics")

    def metrics_of(self, name: str) -> Samples:
        return scraped(Client(self.apps[name]))


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a port that nothing listens on, and keep it that way."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"simulation.application.{program}", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


class Started:
    """A program of the package, running on a port of its own."""

    def __init__(self, program: str, *arguments: str) -> None:
        with closed_port() as port:
            self.port = port
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", f"simulation.application.{program}", *arguments, "--port", str(self.port)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.pid = self._process.pid
        self.output = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as out:
            self.output = out.read()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self._process.send_signal(number)
        try:
            return self._process.wait(PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._reader.join(5)


@contextmanager
def started(program: str, *arguments: str) -> Iterator[Started]:
    process = Started(program, *arguments)
    try:
        yield process
    finally:
        process.stop()


@dataclass(frozen=True)
class RunningService:
    """A simulated service that runs; `log` holds its standard output."""

    url: str
    known: Service
    """What the catalogue says of it where it speaks this dialect."""
    log: Path
    pid: int

    def metrics(self) -> Samples:
        """Return its series, at the path of the catalogue."""
        return parse(httpx.get(self.url + self.known.metrics_path, trust_env=False).raise_for_status().text)


Running = dict[str, RunningService]


@contextmanager
def running_services(dialect: str, directory: Path) -> Iterator[Running]:
    """All six services and Redis with the commands of `make up`, on ports of their own; their output in `directory`."""
    known = catalogue.load(ROOT / "services.yaml").instrumented(dialects.instrumented(dialect, SERVICES))
    ports, started = claim(), {}
    with ExitStack() as stack:
        address = ports.address(redis_server.NAME)
        server = subprocess.Popen(redis_server.program(address).command, stdout=subprocess.DEVNULL)
        stack.callback(_end, server)
        eventually(partial(redis_server.answers, address))
        for name in SERVICES:
            program = simulated_service(name, State(directory), ports, known, dialect)
            command = program.command[program.command.index("--") + 1 :]  # without the stand-in for its container
            log = stack.enter_context((directory / f"{name}.log").open("wb"))
            process = subprocess.Popen(command, cwd=ROOT, env=os.environ | program.environment, stdout=log)
            stack.callback(_end, process)
            (service,) = (service for service in known.services if service.name == name)
            started[name] = RunningService(ports.url(name), service, Path(log.name), process.pid)
        for each in started.values():
            eventually(partial(get_json, each.url + each.known.health_path))
        yield started


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    finally:
        process.kill()


def get_json(url: str, accept: Callable[[dict[str, float]], bool] = bool) -> dict[str, float]:
    body: dict[str, float] = httpx.get(url, trust_env=False).json()
    return body if accept(body) else {}


def running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


def resident_mib(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024
