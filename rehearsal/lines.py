"""`make check-lines`: what the log agent makes of a log file, by the agent itself with its deployed configuration."""

from __future__ import annotations

import gzip
import json
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from catalogue import Catalogue
from components.logs.agent import AGENT_GATES, agent_configuration
from engine.toolchain import tool
from local.errors import RehearsalError
from local.serving import HOST
from settings import Settings
from simulation.application.container import CriLog

SILENCE_SECONDS = 60.0
"""The agent is taken to hang when it has sent nothing for so long."""

_CRI = re.compile(rb"\S+ (stdout|stderr) ([FP])( .*|)$")
"""A line as the container runtime writes it."""
_ID = re.compile(r"\b(?=[a-f]*[0-9])[0-9a-f]{6,}\b|[0-9]+(?:[.:/-][0-9]+)*")
"""An id in hexadecimal, a number, a time or an address."""
_ADVICE = re.compile(r"\[GIN-debug\] | - using (?:env|code):\t|Please check https://")
"""What gin writes of itself at each start in debug mode, as today's gateway runs it: it tells nothing of requests."""
_SERVER = re.compile(r'\s*\{.*"logger"\s*:\s*"uvicorn(\.\w+)?"', re.DOTALL)
"""What uvicorn tells of its start and stop by way of the package: no action of the service."""
_POD = re.compile(r"/[^/_]+_[^/_]+_[^/_]+/([^/]+)/[^/]+$")
"""Path of a container's log on a node."""


@dataclass(frozen=True)
class Entry:
    """A line, or several that are one, as the agent would send it to Loki: masked, with what it found in it."""

    text: str
    attributes: dict[str, str]

    @property
    def unread(self) -> str:
        """Why little was found in it; empty if it was read."""
        nameless = not self.attributes.keys() & {"action", "operation", "event"}
        if re.match(r"\s*\{", self.text) and nameless and not _SERVER.match(self.text):
            return "JSON without an action, or none"
        return "" if "severity" in self.attributes or _ADVICE.match(self.text) else "no level"


@dataclass
class _Received:
    entries: list[Entry] = field(default_factory=list)
    at: float = field(default_factory=time.monotonic)


def service_of(file: Path, catalogue: Catalogue) -> str | None:
    """The service that a log file is of: by its path on a node, or because it is named after one; None if neither."""
    names = {service.name for service in catalogue.services}
    container = _POD.search(str(file.resolve()))
    if container and container[1] in names:
        return container[1]
    return next((name for name in names if re.match(rf"{name}\b", file.name)), None)


def read(file: Path, service: str, catalogue: Catalogue, settings: Settings) -> list[Entry]:
    """What the agent would send of a log file, plain, compressed, or as the container runtime writes it.

    `service` is whose log it is, as only a service's own lines tell of its events. Raises RehearsalError if the file
    cannot be read, or the agent fails.
    """
    with tempfile.TemporaryDirectory(prefix="check-lines-") as directory, _sink() as (url, received):
        pods, end = Path(directory, "pods"), f"end of the file {uuid.uuid4()}"
        log = pods / f"{catalogue.namespace}_{service}-0_{uuid.uuid4()}" / service / "0.log"
        with closing(CriLog(log, max_size=sys.maxsize, max_files=1)) as container:
            for line in _container_lines(file):
                container.write(*line)
            container.write("stdout", "F", json.dumps({"message": end}).encode())
        configuration = Path(directory, "agent.yaml")
        configuration.write_text(yaml.safe_dump(_configuration(settings, catalogue, url)))
        output = Path(directory, "agent.log")
        environment = {"POD_LOG_ROOT": str(pods), "LOG_NAMESPACES": catalogue.namespace}
        command = [str(tool("collector")), f"--config={configuration}", f"--feature-gates={AGENT_GATES}"]
        with output.open("w") as text, subprocess.Popen(command, env=environment, stdout=text, stderr=text) as agent:
            try:
                _wait_for(end, agent, received, output)
                agent.send_signal(signal.SIGTERM)  # it sends what waits: a traceback may go on
                agent.wait(SILENCE_SECONDS)
            finally:
                agent.kill()
        return [entry for entry in received.entries if end not in entry.text]


def _container_lines(file: Path) -> Iterator[tuple[str, str, bytes]]:
    """Stream, tag and text of each line, as the runtime wrote it or would have."""
    try:
        with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as text:
            for line in text:
                cri = _CRI.match(line)
                yield (cri[1].decode(), cri[2].decode(), cri[3][1:]) if cri else ("stdout", "F", line.rstrip(b"\n"))
    except OSError as error:
        raise RehearsalError(f"{file}: {error.strerror or error}") from error


def _configuration(settings: Settings, catalogue: Catalogue, url: str) -> dict[str, Any]:
    """The deployed configuration, less what listens, counts, waits on disk or sends elsewhere."""
    deployed = agent_configuration(settings, catalogue)
    receiver = {key: value for key, value in deployed["receivers"]["file_log"].items() if key != "storage"}
    logs = deployed["service"]["pipelines"]["logs"]
    return {
        "receivers": {"file_log": receiver},
        "processors": {name: deployed["processors"][name] for name in logs["processors"]},
        "exporters": {"otlp_http": {"endpoint": url, "encoding": "json", "compression": "none"}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "error"}},
            "pipelines": {"logs": logs | {"receivers": ["file_log"], "exporters": ["otlp_http"]}},
        },
    }


def _wait_for(end: str, agent: subprocess.Popen[bytes], received: _Received, output: Path) -> None:
    seen = 0
    while True:
        count = len(received.entries)
        if any(end in entry.text for entry in received.entries[seen:count]):
            return
        seen = count
        if agent.poll() is not None:
            raise RehearsalError(f"the log agent ended with {agent.returncode}: {output.read_text().strip()[-2000:]}")
        if time.monotonic() - received.at > SILENCE_SECONDS:
            raise RehearsalError(f"the log agent has sent nothing for {SILENCE_SECONDS:g} s: {output.read_text()}")
        time.sleep(0.05)


@contextmanager
def _sink() -> Iterator[tuple[str, _Received]]:
    """Takes what the agent sends: its address, and what came."""
    received = _Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            received.entries += _entries(request)
            received.at = time.monotonic()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}", received
        finally:
            server.shutdown()


def _entries(request: dict[str, Any]) -> list[Entry]:
    return [
        Entry(
            record["body"].get("stringValue", ""),
            {one["key"]: str(next(iter(one["value"].values()), "")) for one in record.get("attributes", [])},
        )
        for resource in request["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    ]


def kinds(entries: list[Entry]) -> Counter[tuple[str, str]]:
    """What was not read: why, and the first line of it, with numbers and ids made alike; and how often."""
    first = ((entry.unread, entry.text.partition("\n")[0]) for entry in entries if entry.unread)
    return Counter((why, _ID.sub("N", text)[:160]) for why, text in first)
