"""The queries of docs/logs.md, on the lines of the running services: from an id, a metric or an error to a request."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rehearsal.application.container import CriLog
from report.sources import Period
from tests.documented import documented
from tests.links import follow
from tests.rehearsal import panels
from tests.rehearsal.running import Running
from tests.waiting import eventually

SECOND = 10**9
REQUEST_END = '{service_name="order-service"} | action="request_end"'


@dataclass(frozen=True)
class Entry:
    """A line as Loki gives it back."""

    at: int
    text: str
    labels: dict[str, str]


def asked(rehearsal: Running, title: str, **values: str) -> list[Entry]:
    """What a documented query finds in the last ten minutes, in the order of the answer."""
    query = documented()[title]
    for name, value in values.items():
        assert f"${name}" in query
        query = query.replace(f"${name}", value)
    return entries(rehearsal, query)


def entries(rehearsal: Running, query: str) -> list[Entry]:
    """Lines of the last ten minutes, oldest first, as Explore shows them."""
    found = [
        Entry(int(at), text, series["stream"])
        for series in result(rehearsal, query, direction="forward")
        for at, text in series["values"]
    ]
    return sorted(found, key=lambda entry: entry.at)


def result(rehearsal: Running, query: str, **parameters: str) -> list[dict[str, Any]]:
    now = time.time_ns()
    window = {"start": str(now - 600 * SECOND), "end": str(now), "limit": "1000"}
    answer = rehearsal.get("loki", "/loki/api/v1/query_range", query=query, **window, **parameters)
    streams: list[dict[str, Any]] = answer["data"]["result"]
    return streams


def written(rehearsal: Running, text: str) -> list[tuple[str, str, str]]:
    """Every line with this text that a container has written: its time, container and text, oldest first."""
    found = []
    for file in (rehearsal.project / ".rehearsal" / "pods").glob("*/*/*.log*"):
        for line in file.read_text().splitlines():
            at, _, _, content = line.split(" ", 3)
            if text in content:
                found.append((at, file.parent.name, content))
    return sorted(found)


def test_a_request_id_leads_to_all_its_lines_in_order_and_to_no_others(rehearsal: Running) -> None:
    title = "All lines of a request, at all services"
    ended = eventually(partial(entries, rehearsal, REQUEST_END), 90, "requests that order-service has answered")
    request = ended[0].labels["request_id"]
    expected = written(rehearsal, request)
    assert {container for _, container, _ in expected} == {"gateway", "auth-service", "order-service"}

    def all_there() -> list[Entry] | None:
        found = asked(rehearsal, title, request_id=request)
        return found if len(found) >= len(expected) else None

    found = eventually(all_there, 60, title)
    assert [(entry.labels["service_name"], entry.text) for entry in found] == [line[1:] for line in expected]
    assert {json.loads(entry.text)["request_id"] for entry in found} == {request}
    # Text finds the same lines, and so does the chain of requests, which has only one where the client names none.
    assert [entry.text for entry in asked(rehearsal, "Any text", text=request)] == [entry.text for entry in found]
    chain = found[0].labels["correlation_id"]
    lines = [entry.text for entry in asked(rehearsal, "All lines of a chain of requests", correlation_id=chain)]
    assert set(lines) >= {entry.text for entry in found}


@pytest.mark.parametrize("field", ["request_id", "correlation_id"])
def test_a_lines_links_lead_to_the_lines_of_its_request_oldest_first(rehearsal: Running, field: str) -> None:
    (file,) = (text for item in panels.deployed(rehearsal).data_sources() for text in item["data"].values())
    (loki,) = (one for one in json.loads(file)["datasources"] if one["type"] == "loki")
    ended = eventually(partial(entries, rehearsal, REQUEST_END), 90, "requests that order-service has answered")
    expected = written(rehearsal, ended[0].labels["request_id"])
    place = follow(loki, field, ended[0].labels[field], panels.boards(rehearsal))

    def all_there() -> list[str] | None:
        shown = panels.sources(rehearsal).ask(place.panel, place.choice, Period.last(place.since))
        texts = [line.text for line in shown.lines]
        return texts if len(texts) >= len(expected) else None

    texts = eventually(all_there, 60, place.panel.title)
    assert [text for text in texts if text in {text for _, _, text in expected}] == [text for _, _, text in expected]


class Pods:
    """Containers of this test's own, whose lines are known."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self._root, self._stack = root, stack
        self._logs: dict[str, CriLog] = {}

    def write(self, service: str, request: str, level: str, message: str, user: str = "") -> str:
        """Write a line in the specified format, and return it."""
        if service not in self._logs:
            path = self._root / f"order-processor_{service}-x_{uuid.uuid4()}" / service / "0.log"
            self._logs[service] = self._stack.enter_context(closing(CriLog(path, 10**6, 2)))
        line = json.dumps({"level": level, "request_id": request, "username": user, "message": message})
        self._logs[service].write("stdout", "F", line.encode())
        return line


def test_an_error_in_a_metric_leads_to_its_lines_and_these_to_the_request(rehearsal: Running) -> None:
    with ExitStack() as stack:
        pods = Pods(rehearsal.project / ".rehearsal" / "pods", stack)
        pods.write("correlated-front", "req-a", "INFO", "another request")
        request = [
            pods.write("correlated-front", "req-b", "INFO", "begins", user="dora"),
            pods.write("correlated", "req-b", "INFO", "works"),
            pods.write("correlated", "req-b", "ERROR", "fails"),
            pods.write("correlated-front", "req-b", "WARN", "answers 503"),
        ]
        pods.write("correlated", "req-a", "INFO", "another request")
    counted = 'log_records_total{service_name=~"correlated.*",severity="ERROR"}'
    (error,) = eventually(partial(rehearsal.query, f"{counted} == 1"), 90, counted)
    service = error["metric"]["service_name"]
    (line,) = asked(rehearsal, "From a metric panel to the lines of that time and service", service=service)
    assert line.text == request[2]
    failed = documented()["From an error to the request"].replace("$service", service)
    assert [series["metric"] for series in result(rehearsal, failed)] == [{"request_id": "req-b"}]
    found = asked(rehearsal, "All lines of a request, at all services", request_id=line.labels["request_id"])
    assert [entry.text for entry in found] == request
    assert [entry.text for entry in asked(rehearsal, "What a user did", user="dora")] == request[:1]
