"""The queries of docs/logs.md, on the lines of the running services: from an id, a metric or an error to a request."""

from __future__ import annotations

import json
from functools import partial

import pytest

from checks.log_links import KEPT, OF_A_CHAIN, OF_A_REQUEST, follow
from checks.waiting import eventually
from tests.rehearsal import panels
from tests.rehearsal.found import SECOND, Entry, asked, entries
from tests.rehearsal.running import Running

REQUEST_END = '{service_name="order-service"} | action="request_end"'


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
    ended = eventually(partial(entries, rehearsal, REQUEST_END), what="requests that order-service has answered")
    request = ended[0].labels["request_id"]
    expected = written(rehearsal, request)
    assert {container for _, container, _ in expected} == {"gateway", "auth-service", "order-service"}

    def all_there() -> list[Entry] | None:
        found = asked(rehearsal, title, request_id=request)
        return found if len(found) >= len(expected) else None

    found = eventually(all_there, what=title)
    assert [(entry.labels["service_name"], entry.text) for entry in found] == [line[1:] for line in expected]
    assert {json.loads(entry.text)["request_id"] for entry in found} == {request}
    # Text finds the same lines, and so does the chain of requests, which has only one where the client names none.
    assert [entry.text for entry in asked(rehearsal, "Any text", text=request)] == [entry.text for entry in found]
    chain = found[0].labels["correlation_id"]
    lines = [entry.text for entry in asked(rehearsal, "All lines of a chain of requests", correlation_id=chain)]
    assert set(lines) >= {entry.text for entry in found}


@pytest.mark.parametrize(
    ("field", "title"),
    [("request_id", OF_A_REQUEST), ("request_id", OF_A_REQUEST + KEPT), ("correlation_id", OF_A_CHAIN)],
)
def test_a_lines_links_lead_to_the_lines_of_its_request_oldest_first(
    rehearsal: Running, field: str, title: str
) -> None:
    (file,) = (text for item in panels.deployed(rehearsal).data_sources() for text in item["data"].values())
    (loki,) = (one for one in json.loads(file)["datasources"] if one["type"] == "loki")
    ended = eventually(partial(entries, rehearsal, REQUEST_END), what="requests that order-service has answered")
    expected = written(rehearsal, ended[0].labels["request_id"])
    place = follow(loki, title, ended[0].labels[field], panels.boards(rehearsal), at=ended[0].at / SECOND)

    def all_there() -> list[str] | None:
        shown = panels.sources(rehearsal).ask(place.panel, place.choice, place.period)
        texts = [line.text for line in shown.lines]
        return texts if len(texts) >= len(expected) else None

    texts = eventually(all_there, what=place.panel.title)
    wanted = [f"{container}: {json.loads(line)['message']}" for _, container, line in expected]
    assert [text for text in texts if text in wanted] == wanted
