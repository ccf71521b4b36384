"""`make incident`, of half an hour that was played into a real Prometheus, Alertmanager and Loki.

It begins in some minutes, as Alertmanager takes no silence of the past; Loki takes lines of the next ten.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner

import dashboards
import incident.__main__
import incident.place
from benchmarks.loki import Loki, Stream
from benchmarks.loki import running as loki
from checks.waiting import eventually
from components.grafana import data_sources_file
from facts import GRAFANA_DATA_SOURCES, GRAFANA_FOLDER
from incident.when import clock
from local.ports import Ports
from local.state import State
from rehearsal.lifecycle import Rehearsal
from simulation.receivers.notifications import Notification, rfc3339
from tests.rehearsal.incident_page import Page
from tests.rehearsal.played import READ, forward_to, prometheus, routed, samples

MINUTE, HOUR = 60, 3600
ZERO = int(time.time()) // MINUTE * MINUTE + 3 * MINUTE
"""FROM."""
END = ZERO + 30 * MINUTE
MOMENTS = range(ZERO - 3 * HOUR, END + 1, 15)

ORDERS, USERS, VOLUME = {"service": "order-service"}, {"service": "user-service"}, {"persistentvolumeclaim": "v"}
ALERTS: list[tuple[str, str, dict[str, str], float, float, float]] = [
    # Pending, firing and over, in minutes.
    ("ServiceDown", "critical", ORDERS, 3, 4.25, 20),
    ("VolumeFilling", "critical", VOLUME, 5, 6, 16),
    ("VolumeFilling", "warning", VOLUME, 5, 6, 25),
    ("PathsScanned", "warning", USERS, -30, -20, 40),
    ("LoginFailures", "warning", USERS, -40, -30, -10),
]
SENT = {"slack": 5, "pagerduty": 5, "webhook": 4}
"""By which integration Alertmanager sent something, and in which minute."""


PAGE: dict[str, Any] = {"alertnames": ("ServiceDown",), "services": ("order-service",), "severity": "critical"}


def at(minutes: float) -> int:
    return ZERO + round(minutes * MINUTE)


def history() -> Iterator[str]:
    """All of it in the OpenMetrics format, a series at a time."""
    yield samples("up", {"job": "a"}, lambda _: 1.0, MOMENTS)
    for alert, severity, about, pending, firing, over in ALERTS:
        labels = {"alertname": alert, "severity": severity} | about
        fires = range(at(firing), min(at(over), END), MINUTE)  # as often as the rules are evaluated here
        yield samples("ALERTS", labels | {"alertstate": "firing"}, lambda _: 1, fires)
        yield samples("ALERTS_FOR_STATE", labels, always(at(pending)), fires)
    created, owner = {"namespace": "order-processor", "replicaset": "order-service-2"}, {"owner_kind": "Deployment"}
    since = range(at(2), END, 15)
    yield samples("kube_replicaset_created", created, lambda _: at(1), since)
    yield samples("kube_replicaset_owner", created | owner | {"owner_name": "order-service"}, lambda _: 1, since)
    for name, value in {"order-service": 0.4, "user-service": 0.0}.items():
        yield samples("service:http_errors:ratio_rate5m", {"service": name}, during(value), MOMENTS)
    p95 = "service:http_request_latency_seconds:p95_rate5m"
    yield samples(p95, ORDERS, lambda when: 0.2 + when % 600 / 12000 + during(0.2)(when), MOMENTS)
    waves = {"service": "order-service"}
    yield samples("service:http_requests:rate5m", waves, lambda when: 10 + when % 600 / 300, MOMENTS)
    for integration, minute in SENT.items():
        labels = {"integration": integration}
        yield samples("alertmanager_notifications_total", labels, after(minute), MOMENTS)
    yield samples("alertmanager_notifications_failed_total", {"integration": "pagerduty"}, after(5), MOMENTS)
    yield "# EOF\n"


def during(value: float) -> Callable[[int], float]:
    """Something that is only while the service is down."""
    return lambda when: value if at(3) <= when < at(20) else 0.0


def after(minute: float) -> Callable[[int], float]:
    """What is counted, once, in a minute."""
    return lambda when: 8.0 if when >= at(minute) else 7.0


def always(value: float) -> Callable[[int], float]:
    return lambda _: value


def lines() -> list[tuple[int, str, dict[str, str]]]:
    """What order-service writes: nanoseconds, text, and what stands beside it."""
    found = []
    for number, minute in enumerate((-20, 3.5, 4, 4.5, 5)):  # the first one before FROM
        text = json.dumps({"level": "ERROR", "message": f"order {12345 + number} was not stored"})
        ids = {"request_id": f"req-{number}", "trace_id": f"{number:032x}"}
        found.append((at(minute) * 10**9, text, ids | {"severity": "ERROR", "detected_level": "error"}))
    other = {"severity": "ERROR", "detected_level": "error", "correlation_id": "chain"}
    found.append((at(4.2) * 10**9, '{"message": "<b>no database</b>"}', other))
    found.append((at(4.3) * 10**9, '{"message": "all is well"}', {"severity": "INFO", "detected_level": "info"}))
    return sorted(found)


@dataclass(frozen=True)
class Done:
    """The command that was run."""

    code: int
    output: str
    page: Page


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Done]]:
    """The command, before what is played."""
    directory = tmp_path_factory.mktemp("incident")
    with (
        pytest.MonkeyPatch.context() as patch,
        prometheus(directory, history(), MOMENTS.start, END) as port,
        routed(directory) as alerts,
        loki(READ.settings, directory) as store,
    ):
        silence = {
            "matchers": [{"name": "alertname", "value": "PathsScanned", "isRegex": False}],
            **{name: datetime.fromtimestamp(at(m), UTC).isoformat() for name, m in (("startsAt", 10), ("endsAt", 20))},
        }
        body = silence | {"createdBy": "ana", "comment": "our own scan"}
        assert alerts.client.post("/api/v2/silences", json=body).is_success
        _push(store)
        ports = {"alertmanager": alerts.client.base_url.port, "loki": store.client.base_url.port, "prometheus": port}
        forward_to(patch, directory, ports, _config_maps(directory))
        patch.setattr(time, "time", lambda: float(END))
        with received() as receivers:
            stack = Local(directory, ports | {"receivers": receivers, "jaeger": 3200})
            patch.setattr(incident.place, "running", lambda: stack)
            yield _command(directory / "out" / "incident.html")


def _command(file: Path) -> Callable[..., Done]:
    """The command, which asks the cluster unless `cluster` is false."""

    def run(*arguments: str, cluster: bool = True) -> Done:
        given = [*(["--context", "played"] if cluster else []), "--out", str(file), *arguments]
        ended = CliRunner().invoke(incident.__main__.main, given, catch_exceptions=False)
        return Done(ended.exit_code, ended.output, Page(file.read_text() if file.exists() else "", ZERO))

    return run


class Local(Rehearsal):
    """A rehearsal of what is played, with these ports; it keeps traces, and somebody broke and healed a service."""

    traces_run = True

    def __init__(self, directory: Path, ports: dict[str, int | None]) -> None:
        super().__init__(State(directory / "rehearsal"))
        self.ports = Moved(ports)
        folder = self.state.cluster / "ConfigMap" / "monitoring"
        folder.mkdir(parents=True)
        for item in _dashboards():
            name = next(iter(item["data"])).removesuffix(".json")
            (folder / f"{name}.yaml").write_text(json.dumps(item))
        noted = [(at(2.5), "order-service: down"), (at(18), "all healed"), (at(-90), "gateway: errors")]
        self.state.faults.write_text("".join(json.dumps({"at": when, "what": what}) + "\n" for when, what in noted))


class Moved(Ports):
    """Ports that are each elsewhere."""

    def __init__(self, ports: dict[str, int | None]) -> None:
        super().__init__()
        object.__setattr__(self, "_ports", ports)

    def __getitem__(self, name: str) -> int:
        return cast("int", self._ports[name])  # type: ignore[attr-defined]


@contextmanager
def received() -> Iterator[int]:
    """The port of receivers that got three messages and a heartbeat."""
    got = [
        Notification(
            receiver=receiver, received=rfc3339(datetime.fromtimestamp(at(minute), UTC)), status=status, **more
        )
        for receiver, minute, status, more in (
            ("heartbeat", 4, "firing", {"alertnames": ("Watchdog",)}),
            ("pagerduty", 4.5, "firing", PAGE),
            ("slack", 4.6, "firing", PAGE | {"destination": "#orders", "refused": "503"}),
            ("pagerduty", 21.5, "resolved", PAGE),
        )
    ]

    class Receivers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/notifications"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps([asdict(each) for each in got]).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Receivers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _push(store: Loki) -> None:
    labels = {"service_name": "order-service", "k8s_namespace_name": "order-processor"}
    answer = store.push([Stream(labels, lines())])
    assert answer.is_success, answer.text

    def there() -> bool:
        return len(store.query('{service_name="order-service"}', at(-60) * 10**9, END * 10**9).lines) == len(lines())

    eventually(there, what="the lines are in Loki")


def _dashboards() -> list[dict[str, Any]]:
    """The ConfigMaps of the stack's dashboards."""
    labels, folder = {"grafana_dashboard": "1"}, {"grafana_folder": GRAFANA_FOLDER}
    return [
        {"metadata": {"labels": labels, "annotations": folder}, "data": {f"{uid}.json": text}}
        for uid, text in dashboards.load(READ.catalogue, READ.settings).items()
    ]


def _config_maps(directory: Path) -> dict[str, Path]:
    """What kubectl answers with for the stack's dashboards and data sources."""
    of_chart = {"metadata": {}, "data": {"k8s.json": "{}"}}
    answers = {
        GRAFANA_DATA_SOURCES: json.dumps({"data": data_sources_file(READ.settings)}),
        "labelSelector=grafana_dashboard": json.dumps({"items": [*_dashboards(), of_chart]}),
    }
    files = {word: directory / f"{number}.json" for number, word in enumerate(answers)}
    for word, file in files.items():
        file.write_text(answers[word])
    return files


@pytest.fixture(scope="module")
def played(done: Callable[..., Done]) -> Done:
    found = done("--from", clock(ZERO), "--to", clock(END))
    assert found.code == 0, found.output
    return found


def test_the_timeline_is_in_order_and_says_whom_alerts_go_to(played: Done) -> None:
    assert played.page.rows["Timeline"][1:] == [
        ["-30.0", "pending", "PathsScanned user-service", "warning", ""],
        ["-20.0", "firing", "PathsScanned user-service", "warning", "goes to warning"],
        ["1.0", "deployment", "order-service is rolled out · order-processor", "", ""],
        ["3.0", "pending", "ServiceDown order-service", "critical", ""],
        ["4.25", "firing", "ServiceDown order-service", "critical", "goes to oncall"],
        ["5.0", "pending", "VolumeFilling", "critical", ""],
        ["5.0", "pending", "VolumeFilling", "warning", ""],
        ["5.0", "notified", "1 message by pagerduty", "", "1 failed"],
        ["5.0", "notified", "1 message by slack", "", ""],
        ["6.0", "firing", "VolumeFilling", "critical", "goes to oncall"],
        ["6.0", "firing", "VolumeFilling", "warning", "goes to warning"],
        ["6.0", "muted", "VolumeFilling", "warning", "VolumeFilling (critical) fires"],
        ["10.0", "silenced", "PathsScanned user-service", "warning", "ana: our own scan"],
        ["16.0", "resolved", "VolumeFilling", "critical", ""],
        ["20.25", "resolved", "ServiceDown order-service", "critical", ""],
        ["25.0", "resolved", "VolumeFilling", "warning", ""],
    ]


def test_an_alert_that_was_over_before_is_not_in_it(played: Done) -> None:
    assert "LoginFailures" not in played.page.texts["Timeline"]


def test_what_was_muted_says_by_what(played: Done) -> None:
    assert played.page.rows["Muted alerts"][1:] == [
        ["VolumeFilling", "warning", "6.0", "16.0", "VolumeFilling (critical) fires"],
        ["PathsScanned user-service", "warning", "10.0", "20.0", "ana: our own scan"],
    ]


def test_the_graphs_that_moved_are_drawn_and_others_are_not(played: Done) -> None:
    text = played.page.texts["Panels that moved"]
    assert re.search(r"Error rate.*order-service: 0% → 22\.\d% · \d\d spreads", text)
    assert played.page.panels == ["Error rate", "Response time", "Response time P95"]


def test_the_most_frequent_errors_come_first_with_the_way_to_their_requests(played: Done) -> None:
    text = re.sub(r"\s+", " ", played.page.texts["Errors in the logs"])
    assert re.search(
        r"4 lines of order-service: order … was not stored.*1 line of order-service: <b>no database</b>", text
    )
    assert "req-0" not in text
    assert "all is well" not in text
    assert any("/d/logs?var-request=req-1&" in link for link in played.page.links)
    assert any("/explore?" in link and f"{1:032x}" in link for link in played.page.links)


def test_without_from_it_is_the_last_page(done: Callable[..., Done]) -> None:
    found = done()
    assert found.code == 0, found.output
    assert f"asking about {clock(at(5 - 15))} to {clock(at(21 + 5))}" in found.output.replace("\n", "")


def test_a_rehearsal_knows_the_faults_and_who_got_what(done: Callable[..., Done]) -> None:
    found = done("--from", clock(ZERO), "--to", clock(END), cluster=False)
    assert found.code == 0, found.output
    rows = found.page.rows["Timeline"][1:]
    assert [row for row in rows if row[1] in ("fault", "notified")] == [
        ["2.5", "fault", "order-service: down", "", ""],
        ["4.5", "notified", "ServiceDown order-service", "critical", "pagerduty: firing"],
        ["4.6", "notified", "ServiceDown order-service", "critical", "slack #orders: firing, refused: 503"],
        ["18.0", "fault", "all healed", "", ""],
        ["21.5", "notified", "ServiceDown order-service", "critical", "pagerduty: resolved"],
    ]
    assert rows == sorted(rows, key=lambda row: float(row[0]))
    assert f"http://127.0.0.1:3200/api/traces/{1:032x}" in found.page.links
