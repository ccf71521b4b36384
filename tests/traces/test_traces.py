"""Requests of the running services and their traces: sent, masked, kept, and found from a graph, a line and a page."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from checks.waiting import eventually
from report import board, variables
from report.board import Board, Panel
from report.sources import Period
from report.variables import interpolate
from tests.rehearsal import panels
from tests.rehearsal.found import entries
from tests.rehearsal.running import Running, up
from tests.traces.kept import Span, spans_of

REQUEST_END = '{service_name="order-service"} | action="request_end" | trace_id != ""'


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that keeps traces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACES", "1")
        with up(tmp_path_factory.mktemp("traces")) as running:
            yield running


def with_dots(rehearsal: Running) -> Iterator[tuple[Board, Panel]]:
    """The panels that ask for exemplars."""
    for item in panels.deployed(rehearsal).dashboards():
        for text in item["data"].values():
            shown = board.read(text)
            asking = {one["title"] for one in json.loads(text)["panels"] if any(map(asks, one.get("targets", [])))}
            yield from ((shown, panel) for panel in shown.panels if panel.title in asking)


def asks(target: dict[str, Any]) -> bool:
    """Whether a query asks for exemplars, too."""
    return bool(target.get("exemplar"))


def exemplars(rehearsal: Running, shown: Board, panel: Panel) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """The dots of a panel in the last five minutes, each with the labels of its series, newest last."""
    period = Period.last(300, scrape=panels.scrape_interval(rehearsal))
    found = []
    for target in panel.targets:
        query = interpolate(target.expr, variables.everything(shown), period)
        asked = {"query": query, "start": str(period.start), "end": str(time.time())}
        answer = rehearsal.get("prometheus", "/api/v1/query_exemplars", **asked)["data"]
        found += [(one["seriesLabels"], dot) for one in answer for dot in one["exemplars"]]
    return sorted(found, key=lambda pair: pair[1]["timestamp"])


def test_a_dot_on_a_graph_is_a_request_whose_trace_is_kept(rehearsal: Running) -> None:
    (destination,) = panels.data_source(rehearsal, "prometheus")["exemplarTraceIdDestinations"]
    assert destination["datasourceUid"] == "tempo"
    asking = list(with_dots(rehearsal))
    assert {panel.title for _, panel in asking} == {"Requests by response time", "Slowest endpoints"}
    for shown, panel in asking:
        found = eventually(partial(exemplars, rehearsal, shown, panel), what=f"dots of {panel.title}")
        series, dot = found[-1]

        def measured(series: dict[str, str] = series, trace: str = dot["labels"][destination["name"]]) -> list[Span]:
            """The span of the request that the dot is of; each service of a trace sends its own, sooner or later."""
            wanted = (series["service"], series["endpoint"])
            return [one for one in spans_of(rehearsal, trace) if (one.service, one.tags["http.route"]) == wanted]

        assert eventually(measured, what="the span of its request")


def test_a_line_leads_to_the_one_trace_of_its_request_through_all_services(rehearsal: Running) -> None:
    fields = {one["name"]: one for one in panels.data_source(rehearsal, "loki")["derivedFields"]}
    assert (fields["trace_id"]["datasourceUid"], fields["trace_id"]["url"]) == ("tempo", "$${__value.raw}")
    ended = eventually(partial(entries, rehearsal, REQUEST_END), what="requests that order-service has answered")
    wanted = {"gateway", "auth-service", "order-service"}

    def whole() -> Any:
        spans = spans_of(rehearsal, ended[0].labels["trace_id"])
        return spans if {one.service for one in spans} >= wanted else None

    spans = eventually(whole, what="the spans of every service")
    assert {one.service for one in spans} == wanted
    (root,) = (one for one in spans if one.parent is None)
    assert root.service == "gateway"
    assert {one.parent for one in spans if one is not root} == {root.id}


def test_no_secret_of_a_span_is_kept(rehearsal: Running) -> None:
    trace, secret = secrets.token_hex(16), f"Zq{secrets.token_hex(8)}"
    values = {"http.request.header.authorization": f"Bearer {secret}", "url.full": f"http://x.io/?token={secret}&b=2"}
    span = {"traceId": trace, "spanId": secrets.token_hex(8), "name": "GET", "kind": 2}
    span["startTimeUnixNano"] = span["endTimeUnixNano"] = str(time.time_ns())
    span["attributes"] = [{"key": key, "value": {"stringValue": value}} for key, value in values.items()]
    document = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    httpx.post(f"{rehearsal.ports.url('agent-otlp-http')}/v1/traces", json=document).raise_for_status()
    (kept,) = eventually(partial(spans_of, rehearsal, trace), what="the span")
    assert kept.tags["url.full"].endswith("&b=2")
    assert secret not in json.dumps(kept.tags)


def test_a_page_leads_to_the_trace_of_a_request_that_failed(rehearsal: Running) -> None:
    """To Service detail, whose newest error has a trace."""
    assert rehearsal.run("fault", "down", "order-service")[0] == 0
    page = eventually(partial(rehearsal.notifications, receiver="pagerduty"), what="a page")[0]
    assert page["services"] == ["order-service"]
    (shown,) = (one for one in panels.boards(rehearsal) if one.uid == "service-detail")
    (errors,) = (panel for panel in shown.panels if panel.title == "Error logs")

    def failed() -> list[Span]:
        found = panels.sources(rehearsal).ask(errors, variables.everything(shown), Period.last(120)).lines
        ids = [line.labels["trace_id"] for line in found if "Proxy request failed" in line.text]
        return [one for one in spans_of(rehearsal, ids[-1]) if one.tags.get("error")] if ids else []

    (span,) = eventually(failed, what="what failed of a request")
    assert (span.service, span.tags["http.response.status_code"]) == ("gateway", 503)
