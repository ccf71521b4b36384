"""The receivers, spoken to over HTTP and SMTP as Alertmanager speaks to them."""

from __future__ import annotations

import asyncio
import base64
import json
import smtplib
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import pytest

from checks.waiting import PATIENCE_SECONDS
from facts import ROOT
from local.ports import free_ports
from rehearsal.supervisor import STOP_SECONDS
from simulation.receivers import credentials
from simulation.receivers.heartbeat import Heartbeat
from simulation.receivers.notifications import Notification, Store

CREDENTIALS = {
    "slack_path": "T01/B01/slack-token",
    "pagerduty_routing_key": "0123456789abcdef0123456789abcdef",
    "smtp_user": "monitoring",
    "smtp_password": "correct horse",
    "heartbeat_path": "heartbeat-token",
}
SLACK = f"/slack/{CREDENTIALS['slack_path']}"
PAGERDUTY = "/pagerduty/v2/enqueue"
HEARTBEAT = f"/heartbeat/{CREDENTIALS['heartbeat_path']}"


@dataclass
class Running:
    process: subprocess.Popen[str]
    http: httpx.Client
    smtp_port: int
    directory: Path

    def received(self, **filters: str) -> list[dict[str, Any]]:
        answer = self.http.get("/notifications", params=filters)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found

    @property
    def stored(self) -> str:
        return (self.directory / "store" / "notifications.jsonl").read_text()

    @contextmanager
    def mail_client(self) -> Iterator[smtplib.SMTP]:
        trusted = ssl.create_default_context(cafile=self.directory / "certificates" / "ca.pem")
        with smtplib.SMTP("localhost", self.smtp_port, timeout=PATIENCE_SECONDS) as client:
            client.starttls(context=trusted)
            yield client


def command(directory: Path, http_port: int, smtp_port: int) -> list[str]:
    file = directory / "credentials.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(CREDENTIALS))
    return [
        *(sys.executable, "-m", "simulation.receivers"),
        *(f"--http-port={http_port}", f"--smtp-port={smtp_port}", f"--credentials={file}"),
        *(f"--certificates={directory / 'certificates'}", f"--store={directory / 'store'}"),
    ]


@contextmanager
def running(directory: Path) -> Iterator[Running]:
    http_port, smtp_port = free_ports(2)
    process = subprocess.Popen(command(directory, http_port, smtp_port), cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{http_port}", trust_env=False) as http:
            wait_until_healthy(process, http)
            yield Running(process, http, smtp_port, directory)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_SECONDS)


def wait_until_healthy(process: subprocess.Popen[str], http: httpx.Client) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        try:
            if http.get("/-/healthy").status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError("the receivers did not start in time")


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("receivers")) as receivers:
        yield receivers


@pytest.fixture
def receivers(process: Running) -> Running:
    assert process.http.delete("/notifications").status_code == 204
    return process


def slack_message(alert: str = "ServiceDown", status: str = "firing") -> dict[str, Any]:
    fields = {"Alert": alert, "Service": "order-service", "Severity": "critical", "Status": status}
    return {
        "channel": "#alerts",
        "attachments": [
            {
                "title": f"{alert} order-service",
                "color": "danger",
                "fields": [{"title": title, "value": value, "short": True} for title, value in fields.items()],
            }
        ],
    }


def event(action: str = "trigger", key: str = "incident-1", **changes: Any) -> dict[str, Any]:
    return {
        "routing_key": CREDENTIALS["pagerduty_routing_key"],
        "event_action": action,
        "dedup_key": key,
        "payload": {
            "summary": "order-service is down",
            "source": "Alertmanager",
            "severity": "critical",
            "custom_details": {"alertname": "ServiceDown", "service": "order-service", "severity": "critical"},
        },
    } | changes


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "monitoring@example.com", "oncall@example.com"
    message["Subject"] = "ServiceDown → order-service"
    message["X-Alert-Name"], message["X-Alert-Service"] = "ServiceDown", "order-service"
    message["X-Alert-Severity"], message["X-Alert-Status"] = "critical", "firing"
    message.set_content("It is down.")
    message.add_alternative("<p>It is down.</p>", subtype="html")
    return message


# Slack --------------------------------------------------------------------------------------------------------------


def test_slack_accepts_a_message_and_says_what_it_was_about(receivers: Running) -> None:
    answer = receivers.http.post(SLACK, json=slack_message())
    assert (answer.status_code, answer.text) == (200, "ok")
    (record,) = receivers.received(receiver="slack")
    assert record["alertnames"] == ["ServiceDown"]
    assert record["services"] == ["order-service"]
    assert (record["status"], record["severity"]) == ("firing", "critical")
    assert (record["destination"], record["title"]) == ("#alerts", "ServiceDown order-service")
    assert record["raw"] == slack_message()
    assert record["received"].endswith("Z")


def test_slack_message_without_the_fields_is_kept_with_nothing_invented(receivers: Running) -> None:
    assert receivers.http.post(SLACK, json={"text": "hello"}).status_code == 200
    (record,) = receivers.received()
    assert (record["title"], record["alertnames"], record["services"]) == ("hello", [], [])
    assert record["status"] is None
    assert record["severity"] is None


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        ("/slack/T01/B01/other", json.dumps(slack_message()), 403, "invalid_token"),
        (SLACK, "not json", 400, "invalid_payload"),
        (SLACK, "[]", 400, "invalid_payload"),
        (SLACK, '{"attachments": ["x"]}', 400, "invalid_payload"),
        (SLACK, '{"channel": "#alerts"}', 400, "no_text"),
        (SLACK, json.dumps({"attachments": [{}] * 101}), 400, "too_many_attachments"),
    ],
)
def test_slack_refuses_as_slack_does(receivers: Running, path: str, body: str, status: int, text: str) -> None:
    answer = receivers.http.post(path, content=body)
    assert (answer.status_code, answer.text) == (status, text)
    assert receivers.received() == [], "a refused message is no notification"
    (refused,) = receivers.received(refused="true")
    assert refused["refused"] == f"{status} {text}"


# PagerDuty ----------------------------------------------------------------------------------------------------------


def test_pagerduty_opens_and_resolves_one_incident_per_key(receivers: Running) -> None:
    answer = receivers.http.post(PAGERDUTY, json=event())
    assert answer.status_code == 202
    assert answer.json() == {"status": "success", "message": "Event processed", "dedup_key": "incident-1"}
    receivers.http.post(PAGERDUTY, json=event())
    (incident,) = receivers.http.get("/incidents").json()
    assert (incident["status"], incident["triggers"], incident["services"]) == ("triggered", 2, ["order-service"])

    receivers.http.post(PAGERDUTY, json=event("acknowledge"))
    assert receivers.http.get("/incidents").json()[0]["status"] == "acknowledged"
    receivers.http.post(PAGERDUTY, json=event("resolve"))
    (incident,) = receivers.http.get("/incidents").json()
    assert incident["status"] == "resolved"
    assert incident["resolved"]
    assert [record["status"] for record in receivers.received(receiver="pagerduty")] == [
        *("firing", "firing", "acknowledged", "resolved")
    ]

    receivers.http.post(PAGERDUTY, json=event())
    assert [incident["status"] for incident in receivers.http.get("/incidents").json()] == ["resolved", "triggered"]


def test_pagerduty_resolve_of_an_unknown_key_makes_no_incident(receivers: Running) -> None:
    assert receivers.http.post(PAGERDUTY, json=event("resolve")).status_code == 202
    assert receivers.http.get("/incidents").json() == []


def test_pagerduty_reads_class_and_component_where_details_are_absent(receivers: Running) -> None:
    payload = {"summary": "s", "source": "a", "severity": "warning", "class": "HighErrorRate", "component": "gateway"}
    receivers.http.post(PAGERDUTY, json=event(payload=payload))
    (record,) = receivers.received()
    assert (record["alertnames"], record["services"]) == (["HighErrorRate"], ["gateway"])
    assert record["severity"] == "warning"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("{", "JSON parse error"),
        (event(routing_key="f" * 32), "Invalid routing key"),
        (event(routing_key="short"), "Length of 'routing_key' is incorrect (should be 32 characters)"),
        (event(routing_key=None), "'routing_key' is missing or blank"),
        (event(event_action="fire"), "'event_action' is missing or invalid"),
        (event("resolve", key=""), "'dedup_key' is missing or blank"),
        (event(payload=None), "'payload' is missing or blank"),
        (event(payload={"source": "a", "severity": "critical"}), "'payload.summary' is missing or blank"),
        (event(payload={"summary": "s", "severity": "critical"}), "'payload.source' is missing or blank"),
        (event(payload={"summary": "s", "source": "a"}), "'payload.severity' is missing or blank"),
        (event(payload={"summary": "s", "source": "a", "severity": "page"}), "'payload.severity' is invalid"),
    ],
)
def test_pagerduty_refuses_as_pagerduty_does(receivers: Running, body: Any, problem: str) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    answer = receivers.http.post(PAGERDUTY, content=content)
    assert answer.status_code == 400
    (error,) = answer.json()["errors"]
    assert error.startswith(problem)
    assert receivers.received() == []
    assert len(receivers.received(refused="true")) == 1


def test_no_credential_is_kept_in_the_store(receivers: Running) -> None:
    receivers.http.post(SLACK, json=slack_message())
    receivers.http.post(PAGERDUTY, json=event())
    receivers.http.post(PAGERDUTY, json=event(event_action="fire"))
    with receivers.mail_client() as client:
        client.login(CREDENTIALS["smtp_user"], CREDENTIALS["smtp_password"])
        client.send_message(mail())
    assert len(receivers.stored.splitlines()) == 4
    for secret in ("slack_path", "pagerduty_routing_key", "smtp_password"):
        assert CREDENTIALS[secret] not in receivers.stored


# Mail ---------------------------------------------------------------------------------------------------------------


def test_mail_over_verified_tls_with_the_password_arrives(receivers: Running) -> None:
    with receivers.mail_client() as client:
        client.login(CREDENTIALS["smtp_user"], CREDENTIALS["smtp_password"])
        client.send_message(mail())
    (record,) = receivers.received(receiver="email")
    assert (record["title"], record["destination"]) == ("ServiceDown → order-service", "oncall@example.com")
    assert (record["alertnames"], record["services"]) == (["ServiceDown"], ["order-service"])
    assert (record["status"], record["severity"]) == ("firing", "critical")
    assert record["raw"]["text"].strip() == "It is down."
    assert record["raw"]["html"].strip() == "<p>It is down.</p>"
    assert record["raw"]["headers"]["From"] == "monitoring@example.com"


def test_mail_login_asks_the_questions_that_alertmanager_understands(receivers: Running) -> None:
    with receivers.mail_client() as client:
        client.ehlo()
        assert client.docmd("AUTH", "LOGIN") == (334, base64.b64encode(b"Username:"))
        user = base64.b64encode(CREDENTIALS["smtp_user"].encode()).decode()
        assert client.docmd(user) == (334, base64.b64encode(b"Password:"))
        password = base64.b64encode(CREDENTIALS["smtp_password"].encode()).decode()
        assert client.docmd(password)[0] == 235


def test_mail_with_a_wrong_password_is_refused(receivers: Running) -> None:
    with receivers.mail_client() as client, pytest.raises(smtplib.SMTPAuthenticationError) as refusal:
        client.login(CREDENTIALS["smtp_user"], "wrong")
    assert refusal.value.smtp_code == 535
    refused = receivers.received(receiver="email", refused="true")
    assert refused
    assert all(record["refused"].startswith("535 ") for record in refused)


def test_mail_without_a_password_is_refused(receivers: Running) -> None:
    with receivers.mail_client() as client:
        client.ehlo()
        assert client.mail("monitoring@example.com")[0] == 530
    assert receivers.received() == []


def test_mail_without_tls_is_refused(receivers: Running) -> None:
    with smtplib.SMTP("127.0.0.1", receivers.smtp_port, timeout=PATIENCE_SECONDS) as client:
        client.ehlo()
        code, text = client.mail("monitoring@example.com")
        assert code == 530
        assert b"STARTTLS" in text
        assert "auth" not in client.esmtp_features, "a password must not be asked for in clear"


def test_mail_client_that_does_not_trust_the_authority_refuses_the_server(receivers: Running) -> None:
    with (
        smtplib.SMTP("localhost", receivers.smtp_port, timeout=PATIENCE_SECONDS) as client,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        client.starttls(context=ssl.create_default_context())


def test_mail_without_a_subject_is_refused_and_recorded(receivers: Running) -> None:
    message = mail()
    del message["Subject"]
    with receivers.mail_client() as client:
        client.login(CREDENTIALS["smtp_user"], CREDENTIALS["smtp_password"])
        with pytest.raises(smtplib.SMTPDataError) as refusal:
            client.send_message(message)
    assert refusal.value.smtp_code == 550
    assert receivers.received() == []
    (refused,) = receivers.received(refused="true")
    assert refused["alertnames"] == ["ServiceDown"]


# Questions and orders -----------------------------------------------------------------------------------------------


def test_notifications_are_found_by_what_they_are_about(receivers: Running) -> None:
    receivers.http.post(SLACK, json=slack_message("ServiceDown"))
    receivers.http.post(SLACK, json=slack_message("HighErrorRate"))
    receivers.http.post(PAGERDUTY, json=event())
    assert len(receivers.received()) == 3
    assert len(receivers.received(receiver="slack")) == 2
    assert len(receivers.received(alertname="ServiceDown")) == 2
    assert len(receivers.received(alertname="ServiceDown", receiver="slack")) == 1
    assert receivers.received(service="gateway") == []
    last = receivers.received()[-1]["received"]
    assert receivers.received(since=last)[-1]["receiver"] == "pagerduty"
    assert receivers.received(since="2999-01-01T00:00:00Z") == []


@pytest.mark.parametrize(
    "query", ["alert=ServiceDown", "receiver=sms", "since=today", "since=2026-01-01T00:00:00", "refused=1"]
)
def test_wrong_question_is_an_error_not_an_empty_answer(receivers: Running, query: str) -> None:
    answer = receivers.http.get(f"/notifications?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]


def test_ordered_failures_are_answered_then_the_receiver_heals(receivers: Running) -> None:
    for receiver, status in (("slack", 500), ("pagerduty", 429), ("email", 451), ("heartbeat", 503)):
        order = {"receiver": receiver, "status": status, "count": 1}
        assert receivers.http.post("/fail", json=order).json() == order
    with receivers.mail_client() as client:
        client.login(CREDENTIALS["smtp_user"], CREDENTIALS["smtp_password"])
        with pytest.raises(smtplib.SMTPDataError) as failure:
            client.send_message(mail())
        assert failure.value.smtp_code == 451
        client.send_message(mail())
    assert [receivers.http.post(SLACK, json=slack_message()).status_code for _ in "12"] == [500, 200]
    assert [receivers.http.post(PAGERDUTY, json=event()).status_code for _ in "12"] == [429, 202]
    assert [receivers.http.post(HEARTBEAT).status_code for _ in "12"] == [503, 200]
    assert {record["receiver"] for record in receivers.received()} == {"email", "slack", "pagerduty"}
    failed = receivers.received(refused="true", alertname="ServiceDown")
    assert [record["receiver"] for record in failed] == ["email", "slack", "pagerduty"]


@pytest.mark.parametrize(
    "order",
    [
        {"receiver": "sms", "status": 500, "count": 1},
        {"receiver": "slack", "status": 200, "count": 1},
        {"receiver": "slack", "status": 500, "count": -1},
        {"receiver": "slack"},
        [],
    ],
)
def test_wrong_failure_order_is_refused(receivers: Running, order: Any) -> None:
    assert receivers.http.post("/fail", json=order).status_code == 400


def test_page_shows_what_came_and_nothing_in_it_becomes_markup(receivers: Running) -> None:
    receivers.http.post(SLACK, json={"text": "<script>alert(1)</script>", "channel": "<b>"})
    page = receivers.http.get("/").text
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert" not in page
    assert "<b>" not in page
    assert f'<time datetime="{receivers.received()[0]["received"]}">' in page
    assert "http" not in page.replace('http-equiv="refresh"', ""), "the page must load nothing from elsewhere"


# Heartbeat ----------------------------------------------------------------------------------------------------------


def test_heartbeat_notes_when_it_last_came(receivers: Running) -> None:
    before = time.time()
    assert receivers.http.post(HEARTBEAT, json={"status": "firing"}).status_code == 200
    state = receivers.http.get("/heartbeat").json()
    assert before - 1 <= state["last_epoch"] <= time.time()
    assert state["last"].endswith("Z")
    assert not state["missed"]
    assert receivers.received() == [], "a heartbeat is no notification"


def test_heartbeat_with_a_wrong_token_does_not_count(receivers: Running) -> None:
    count = receivers.http.get("/heartbeat").json()["count"]
    assert receivers.http.post("/heartbeat/other").status_code == 404
    assert receivers.http.get("/heartbeat").json()["count"] == count


async def until(store: Store, statuses: list[str]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while [record.status for record in store.all()] != statuses:
            await asyncio.sleep(0.01)


def test_missed_heartbeat_is_raised_once_and_resolved_by_the_next(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = Store(tmp_path)
        heartbeat = Heartbeat(store, period=1, grace=1)
        watch = asyncio.create_task(heartbeat.watch())
        for _ in range(5):
            await asyncio.sleep(0.12)
            heartbeat.beat()
        assert store.all() == (), "beats that come in time raise nothing"
        await until(store, ["firing"])
        assert heartbeat.missed
        await asyncio.sleep(2.5)
        assert len(store.all()) == 1, "one outage is one record"
        heartbeat.beat()
        assert [record.status for record in store.all()] == ["firing", "resolved"]
        await until(store, ["firing", "resolved", "firing"])
        watch.cancel()

    asyncio.run(scenario())


def test_heartbeat_that_never_began_is_missed(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = Store(tmp_path)
        watch = asyncio.create_task(Heartbeat(store, period=0.0, grace=0.1).watch())
        await until(store, ["firing"])
        watch.cancel()

    asyncio.run(scenario())


def test_heartbeat_missed_before_a_restart_is_still_missed(tmp_path: Path) -> None:
    missed = Notification(receiver="heartbeat", alertnames=("HeartbeatMissed",), status="firing")
    Store(tmp_path).add(missed)
    store = Store(tmp_path)
    heartbeat = Heartbeat(store, period=60, grace=300)
    assert heartbeat.missed
    heartbeat.beat()
    assert store.all()[-1].status == "resolved"


# The process --------------------------------------------------------------------------------------------------------


def test_nothing_is_lost_over_a_restart_or_a_line_cut_short(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        first.http.post(SLACK, json=slack_message())
        first.http.post(PAGERDUTY, json=event())
        started = time.monotonic()
        first.process.terminate()
        assert first.process.wait(timeout=PATIENCE_SECONDS) == 0
        assert time.monotonic() - started < STOP_SECONDS, "the supervisor would have killed them"
    with (tmp_path / "store" / "notifications.jsonl").open("a") as file:
        file.write('{"receiver": "sla')
    authority = (tmp_path / "certificates" / "ca.pem").read_bytes()
    with running(tmp_path) as second:
        assert [record["receiver"] for record in second.received()] == ["slack", "pagerduty"]
        assert second.http.get("/incidents").json()[0]["status"] == "triggered"
        second.http.post(SLACK, json=slack_message(status="resolved"))
        assert (tmp_path / "certificates" / "ca.pem").read_bytes() == authority, "clients keep trusting it"
    assert [record.status for record in Store(tmp_path / "store").all()] == ["firing", "firing", "resolved"]


def test_secrets_on_disk_are_their_owners_alone(process: Running) -> None:
    for name in ("store/notifications.jsonl", "certificates/server.pem"):
        assert stat.S_IMODE((process.directory / name).stat().st_mode) == 0o600
    assert "PRIVATE KEY" not in (process.directory / "certificates" / "ca.pem").read_text()


def test_port_in_use_is_one_clear_line(process: Running, tmp_path: Path) -> None:
    taken = process.http.base_url.port
    assert taken
    run = subprocess.run(
        command(tmp_path, taken, *free_ports(1)), cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1
    assert f"127.0.0.1:{taken}" in run.stderr
    assert "--http-port" in run.stderr


@pytest.mark.parametrize(
    ("change", "mode", "message"),
    [
        ({}, 0o644, "chmod 600"),
        ({"smtp_password": ""}, 0o600, "smtp_password"),
        ({"pagerduty_routing_key": "short"}, 0o600, "32 characters"),
        ({"token": "x"}, 0o600, "exactly the keys"),
    ],
)
def test_unusable_credentials_are_one_clear_line(
    tmp_path: Path, change: dict[str, str], mode: int, message: str
) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(CREDENTIALS | change))
    path.chmod(mode)
    with pytest.raises(credentials.CredentialsError, match=message) as refusal:
        credentials.load(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
