"""The real Alertmanager with the deployed routing in scaled time, and the record of who was told what, and when.

Every integration is replaced by a webhook to this process: a stand-in that shows who is told and when, not what a
message says or whether a vendor takes it. One replica runs, so the wait of a second one for the first is not shown.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

from engine.toolchain import tool
from local.ports import HOST, free_ports
from rehearsal import speed

Labels = dict[str, str]

ANSWER_SECONDS = 0.2
"""How long a receiver takes to answer, as vendors do: with instant answers, repeats differ from the deployed ones."""
START_SECONDS = 20.0


def staged(configuration: dict[str, Any], factor: float, cases: Sequence[str], receivers: str) -> dict[str, Any]:
    """The same routing for several cases at once, with every duration divided by `factor`.

    The label `case` of an alert leads it to a copy of the whole tree of routes, and no alert mutes one of another case.
    The integration `x` of receiver `y` posts to `<receivers>/y/x`.
    """
    route = speed.alertmanager(configuration["route"], factor)
    return {
        "route": {
            "receiver": route["receiver"],
            "routes": [route | {"matchers": [f"case={json.dumps(case)}"]} for case in cases],
        },
        "inhibit_rules": [rule | {"equal": [*rule["equal"], "case"]} for rule in configuration["inhibit_rules"]],
        "receivers": [_recorded(receiver, receivers) for receiver in configuration["receivers"]],
    }


def _recorded(receiver: dict[str, Any], url: str) -> dict[str, Any]:
    name = receiver["name"]
    webhooks = [
        {"url": f"{url}/{name}/{key.removesuffix('_configs')}", "send_resolved": integration["send_resolved"]}
        for key, integrations in receiver.items()
        if key != "name"
        for integration in integrations
    ]
    return {"name": name, "webhook_configs": webhooks}


@dataclass(frozen=True)
class Told:
    """One alert of one message."""

    at: float
    """When the message came, in seconds since the epoch."""
    who: str
    """Receiver and integration, `oncall/slack`."""
    status: str
    labels: Labels
    message: int
    """Number of the message: alerts of one message have the same."""


class Receivers(ThreadingHTTPServer):
    """Takes the messages of every integration and remembers them."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.away: set[tuple[str, str]] = set()
        """Receivers and integrations that refuse messages, each with the case for which it does."""
        self._messages = itertools.count()
        super().__init__((HOST, 0), _Receiver)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}"

    def note(self, at: float, who: str, alerts: list[dict[str, Any]]) -> None:
        """Remember a message."""
        number = next(self._messages)
        self.told += [Told(at, who, alert["status"], alert["labels"], number) for alert in alerts]


class _Receiver(BaseHTTPRequestHandler):
    server: Receivers

    def do_POST(self) -> None:
        now = time.time()
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        who = self.path.strip("/")
        refused = (who, message["commonLabels"]["case"]) in self.server.away
        if not refused:
            self.server.note(now, who, message["alerts"])
        time.sleep(ANSWER_SECONDS)
        self.send_response(503 if refused else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def receivers() -> Iterator[Receivers]:
    """Receivers that listen until the block ends."""
    with Receivers() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@dataclass
class Sent:
    """An alert that was posted."""

    labels: Labels
    began: datetime
    ended: datetime | None = None

    @property
    def body(self) -> dict[str, Any]:
        """What is posted; one that fires ends long after the test, as it is not to end by itself."""
        ends = self.ended or self.began + timedelta(hours=1)
        return {"labels": self.labels, "startsAt": self.began.isoformat(), "endsAt": ends.isoformat()}


@dataclass
class Alertmanager:
    """A running Alertmanager."""

    client: httpx.Client
    command: list[str]
    log: Path
    sent: dict[str, Sent] = field(default_factory=dict)
    """The last of each alert that Prometheus would still repeat."""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("a") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        _wait_until_ready(self.process, self.client, self.log)

    def stop(self) -> None:
        """End it as Kubernetes does."""
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=10)

    def fire(self, *alerts: Labels) -> None:
        """Post alerts that begin now, all in one request."""
        now = datetime.now(UTC)
        self.sent |= {str(alert): Sent(alert, now) for alert in alerts}
        self._post_alerts([self.sent[str(alert)] for alert in alerts])

    def resolve(self, *alerts: Labels) -> None:
        """Post alerts that fired before and end now, all in one request."""
        now = datetime.now(UTC)
        ended = [self.sent[str(alert)] for alert in alerts]
        for alert in ended:
            alert.ended = now
        self._post_alerts(ended)

    def repeat(self, resolved_for: timedelta) -> None:
        """Post again whatever fires, and what ended less than so long ago, as Prometheus does each minute."""
        now = datetime.now(UTC)
        self.sent = {key: each for key, each in self.sent.items() if not each.ended or now - each.ended < resolved_for}
        if self.sent:
            self._post_alerts(list(self.sent.values()))

    def silence(self, alert: Labels, until: datetime) -> None:
        """Silence one alert from now on."""
        matchers = [{"name": name, "value": value, "isRegex": False} for name, value in alert.items()]
        span = {"startsAt": datetime.now(UTC).isoformat(), "endsAt": until.isoformat()}
        self._post("/api/v2/silences", {"matchers": matchers, **span, "createdBy": "test", "comment": "test"})

    def reload(self) -> None:
        """Read the configuration again, which starts every wait anew."""
        self._post("/-/reload")

    def _post_alerts(self, alerts: list[Sent]) -> None:
        self._post("/api/v2/alerts", [alert.body for alert in alerts])

    def _post(self, path: str, body: Any = None) -> None:
        response = self.client.post(path, json=body)
        assert response.is_success, f"{path}: {response.status_code} {response.text}"


@contextmanager
def alertmanager(configuration: dict[str, Any], directory: Path) -> Iterator[Alertmanager]:
    """An Alertmanager that runs until the block ends; its log and data stay in the directory."""
    directory.mkdir()
    path = directory / "alertmanager.json"
    path.write_text(json.dumps(configuration))
    (port,) = free_ports(1)
    address = f"{HOST}:{port}"
    places = [f"--config.file={path}", f"--storage.path={directory / 'data'}", f"--web.listen-address={address}"]
    command = [str(tool("alertmanager")), *places, "--cluster.listen-address="]
    with httpx.Client(base_url=f"http://{address}", timeout=10, trust_env=False) as client:
        running = Alertmanager(client, command, directory / "log")
        try:
            running.start()
            yield running
        finally:
            running.stop()


def _wait_until_ready(process: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/-/ready").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(f"Alertmanager did not start:\n{log.read_text()}")
