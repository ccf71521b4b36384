"""The pages in place of Alertmanager's and Prometheus' own, before servers that answer as those do."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from local.ports import free_ports
from simulation.receivers import loki
from simulation.receivers.alertmanager import AlertmanagerPage
from simulation.receivers.loki import LokiPage
from simulation.receivers.prometheus import SHOWN, PrometheusPage, link
from tests.unit.browser import Browser

EVIL = "<img src=x onerror=alert(1)>"


@contextmanager
def server(answers: dict[str, Any], status: int = 200) -> Iterator[tuple[str, list[bytes]]]:
    """A server by its address, with these answers by path, and the paths and bodies that it is sent."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(self.path.encode() + self.rfile.read(int(self.headers["content-length"])))
            self.do_GET()

        def do_DELETE(self) -> None:
            received.append(b"DELETE " + self.path.encode())
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answers[self.path.partition("?")[0]]).encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}", received
        made.shutdown()


def nowhere() -> str:
    (port,) = free_ports(1)
    return f"http://127.0.0.1:{port}"


def silence(state: str, **changes: Any) -> dict[str, Any]:
    matcher = {"name": "page", "value": f"ServiceDown{EVIL}", "isRegex": False, "isEqual": True}
    return {
        "id": f"5f-{state}",
        "status": {"state": state},
        "matchers": [matcher, {"name": "pod", "value": "a.*", "isRegex": True, "isEqual": False}],
        "endsAt": "2026-11-23T12:00:00.000Z",
        "createdBy": f"me-{state}{EVIL}",
        "comment": EVIL,
    } | changes


ALERT = {
    "labels": {"alertname": "ServiceDown", "service": "order-service", "severity": EVIL},
    "startsAt": "2026-11-23T10:00:00.000Z",
    "status": {"silencedBy": ["1"]},
}


def test_the_page_of_alertmanager_shows_what_fires_and_which_silences_are_in_force() -> None:
    answers = {"/api/v2/alerts": [ALERT], "/api/v2/silences": [silence("active"), silence("expired")]}
    with server(answers) as (address, _):
        browser = Browser(AlertmanagerPage(address))
        for path in ("/alertmanager", "/alertmanager/"):
            page = browser.get(path)
            assert page.status_code == 200
            assert address in page.text
            assert "<td>ServiceDown</td><td>order-service</td>" in page.text
            assert "<td>silenced</td>" in page.text
            assert "page=&quot;ServiceDown" in page.text
            assert "pod!~&quot;a.*&quot;" in page.text
            assert "me-active" in page.text
            assert "me-expired" not in page.text
            assert "<img" not in page.text


def test_the_form_says_what_it_mutes_and_what_happens_at_its_end() -> None:
    page = Browser(AlertmanagerPage(nowhere())).get("/alertmanager/").text
    assert "Alertmanager was not reached" in page
    (form,) = re.findall(r'<section id="new" hidden>(.*?)</section>', page, re.DOTALL)
    words = " ".join(form.split())
    assert '<form action="/alertmanager/api/v2/silences">' in words
    for said in (
        "Acknowledge a page",
        "The page itself is not muted.",
        "When the time is over and the page still fires, the reminder is sent",
        "Silence alerts",
        "No message is sent that such an alert is resolved, either.",
        "Everyone who opens Alertmanager sees your name and comment.",
    ):
        assert said in words


def test_a_silence_reaches_alertmanager_and_its_answer_comes_back() -> None:
    with server({"/api/v2/silences": {"silenceID": "1"}}) as (address, received):
        answer = Browser(AlertmanagerPage(address)).post("/alertmanager/api/v2/silences", json={"comment": "a"})
    assert (answer.status_code, answer.json()) == (200, {"silenceID": "1"})
    assert received == [b'/api/v2/silences{"comment":"a"}']


def test_a_silence_in_force_can_be_ended() -> None:
    answers = {"/api/v2/alerts": [], "/api/v2/silences": [silence("active")], "/api/v2/silence/5f-active": {}}
    with server(answers) as (address, received):
        browser = Browser(AlertmanagerPage(address))
        (path,) = re.findall('<button data-ends="([^"]+)">End it now', browser.get("/alertmanager").text)
        assert browser.delete(path).status_code == 200
    assert received == [b"DELETE /api/v2/silence/5f-active"]


def test_a_form_of_another_site_makes_no_silence() -> None:
    assert (
        Browser(AlertmanagerPage(nowhere())).post("/alertmanager/api/v2/silences", data={"a": "b"}).status_code == 415
    )


def test_an_alertmanager_that_does_not_answer_is_said() -> None:
    answer = Browser(AlertmanagerPage(nowhere())).post("/alertmanager/api/v2/silences", json={})
    assert answer.status_code == 502
    assert "Alertmanager was not reached" in answer.text


def vector(*metrics: dict[str, str]) -> dict[str, Any]:
    result = [{"metric": metric, "value": [1, "0.5"]} for metric in metrics]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        (vector({"__name__": "up", "job": EVIL}), "up{job=&quot;&lt;img src=x onerror=alert(1)&gt;&quot;}</td><td>0.5"),
        (vector(), "no result"),
        (vector(*[{"pod": str(number)} for number in range(SHOWN + 1)]), f"The first {SHOWN} of {SHOWN + 1} series"),
        ({"status": "success", "data": {"resultType": "scalar", "result": [1, "7"]}}, "<td>7</td>"),
        ({"status": "error", "error": f"parse error {EVIL}"}, "parse error &lt;img"),
    ],
    ids=["a series", "nothing", "many", "a number", "refused"],
)
def test_an_alerts_link_to_its_expression_shows_the_result_now(answer: dict[str, Any], shown: str) -> None:
    with server({"/api/v1/query": answer}) as (address, received):
        page = Browser(PrometheusPage(address)).get(f"{link('up == 0')}&g0.tab=1")
    assert page.status_code == 200
    assert shown in page.text
    assert ">up == 0</textarea>" in page.text
    assert "<img" not in page.text
    assert received == [b"/api/v1/queryquery=up+%3D%3D+0"]


def test_the_page_of_prometheus_opens_without_a_query_and_says_when_there_is_no_answer() -> None:
    browser = Browser(PrometheusPage(nowhere()))
    assert "Result now" not in browser.get("/prometheus").text
    assert "Prometheus was not reached" in browser.get(link("up")).text


def test_the_page_of_loki_shows_the_newest_lines_first() -> None:
    streams = [
        {
            "stream": {"service_name": "gateway", "k8s_pod_name": "gateway-1"},
            "values": [["1700000000000000000", "old"]],
        },
        {"stream": {"service_name": "order-service"}, "values": [["1700000001500000000", EVIL, {"level": "info"}]]},
    ]
    answers = {"/loki/api/v1/query_range": {"data": {"resultType": "streams", "result": streams}}}
    with server(answers) as (address, _):
        page = Browser(LokiPage(address)).get(loki.link('{service_name=~".+"}')).text
    assert page.index("2023-11-14T22:13:21.500Z") < page.index("2023-11-14T22:13:20.000Z")
    assert "<td>gateway gateway-1</td><td>old</td>" in page
    assert "<img" not in page


def test_the_page_of_loki_shows_numbers_as_they_are_now_and_what_is_refused() -> None:
    counted = 'topk(5, sum by (user) (count_over_time({service_name="user-service"}[15m])))'
    vector = {"resultType": "vector", "result": [{"metric": {"user": "alice"}, "value": [1, "7"]}]}
    with server({"/loki/api/v1/query": {"data": vector}}) as (address, _):
        assert "<td>{user=&quot;alice&quot;}</td><td>7</td>" in Browser(LokiPage(address)).get(loki.link(counted)).text
    with server({"/loki/api/v1/query_range": f"parse error {EVIL}"}, status=400) as (address, _):
        page = Browser(LokiPage(address)).get(loki.link("{")).text
    assert "parse error" in page
    assert "<img" not in page
    assert "Loki was not reached" in Browser(LokiPage(nowhere())).get(loki.link("{a}")).text
    assert "Result now" not in Browser(LokiPage(nowhere())).get("/loki").text
