"""Over a socket, with real servers: clients that leave while they upload, and all the ways in which answers end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from processes import Served, serving, until
from prometheus_client.parser import text_string_to_metric_families

UVICORN = ("-m", "uvicorn", "--factory", "--port", "PORT")
GRANIAN = ("-m", "granian", "--interface", "asgi", "--factory", "--no-ws", "--no-log", "--port", "PORT")
SERVERS = {"uvicorn": UVICORN, "granian": GRANIAN}
APPLICATIONS = ("plain", "layered", "reading")
MULTIPART = "multipart/form-data; boundary=b"
BEGUN = {
    "with-length": ("application/json", "Content-Length: 1000", b'{"side"'),
    "without-a-byte": ("application/json", "Content-Length: 1000", b""),
    "chunked": ("application/json", "Transfer-Encoding: chunked", b'7\r\n{"side"\r\n'),
    "form": ("application/x-www-form-urlencoded", "Content-Length: 1000", b"side=b"),
    "multipart": (
        MULTIPART,
        "Content-Length: 1000",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"',
    ),
}
FORMS, ALL = ("form", "multipart"), tuple(BEGUN)
UPLOADS = {
    "body": ALL,
    "stream": ALL,
    "json": ALL,
    "model": ALL[:3],
    "form": FORMS,
    "fields": FORMS,
    "file": FORMS,
    "bytes": FORMS,
    "refused": ALL,
    "wrapped": ALL,
}
"""What each reads of a body: a form is only looked for in what says that it is one."""


@pytest.fixture(scope="module", params=[f"{server}-{name}" for server in SERVERS for name in APPLICATIONS])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server, name = request.param.split("-")
    with serving(tmp_path_factory.mktemp(request.param), *SERVERS[server], f"parting:{name}") as served:
        yield served


def counted(service: Served) -> dict[tuple[str, str], float]:
    text = httpx.get(f"{service.url}/metrics").text
    return {
        (sample.labels["endpoint"], sample.labels["status_code"]): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == "order_requests_total" and sample.value
    }


def leave(service: Served, path: str, kind: str) -> None:
    media, framing, part = BEGUN[kind]
    with socket.create_connection(("127.0.0.1", httpx.URL(service.url).port or 0)) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: service\r\nContent-Type: {media}\r\n{framing}\r\n\r\n"
        connection.sendall(head.encode() + part)


def test_a_client_that_leaves_during_its_upload_is_499_everywhere(service: Served) -> None:
    before = counted(service)
    for upload, kinds in UPLOADS.items():
        for kind in kinds:
            leave(service, f"/upload/{upload}", kind)
    left = sum(map(len, UPLOADS.values()))
    until(lambda: sum(counted(service).values()) - sum(before.values()) == left, "all are counted")
    after = counted(service)
    assert {key for key in after if after[key] != before.get(key)} == {(f"/upload/{each}", "499") for each in UPLOADS}
    until(lambda: sum(message.endswith(" 499") for message in service.messages()) == left, "all are told of")
    assert [line for line in service.lines() if line["level"] == "ERROR" and "/upload/" in line["message"]] == []
    assert not [line for line in service.lines() if "ClientDisconnect" in line.get("exception", "")]


def test_a_whole_upload_is_as_before(service: Served) -> None:
    assert httpx.post(f"{service.url}/upload/model", json={"side": "buy"}).status_code == 200
    assert httpx.post(f"{service.url}/upload/model", json={}).status_code == 422
    assert httpx.post(f"{service.url}/upload/file", files={"file": b"content"}).status_code == 200


ANSWERS = {
    "/answer/file": ("/answer/file", "200"),
    "/answer/part-of-file": ("/answer/part-of-file", "206"),
    "/answer/static/parting.py": ("/answer/static/{path}", "200"),
    "/answer/static/nothing": ("/answer/static/{path}", "404"),
    "/answer/stream": ("/answer/stream", "200"),
    "/answer/breaks": ("/answer/breaks", "500"),
    "/answer/breaks-with-length": ("/answer/breaks-with-length", "500"),
}


@pytest.mark.parametrize("path", ANSWERS)
def test_an_answer_is_counted_by_how_it_ended(path: str, service: Served) -> None:
    before = counted(service)
    with suppress(httpx.RemoteProtocolError):
        httpx.get(service.url + path)
    until(lambda: counted(service) != before, "it is counted")
    after = counted(service)
    assert {key: after[key] - before.get(key, 0) for key in after if after[key] != before.get(key)} == {
        ANSWERS[path]: 1
    }
    if ANSWERS[path][1] == "500":
        message = f"GET {ANSWERS[path][0]} 500"
        until(lambda: message in service.messages(), "it is told of")
        (line,) = [line for line in service.lines() if line["message"] == message]
        assert line["exception"].endswith("ValueError: broken on purpose")
