"""From a page to the trace of a request that failed and to its lines, by nothing but the links that are deployed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import pytest

from checks.waiting import eventually
from report import variables
from report.sources import Line, Period
from tests.rehearsal import panels
from tests.rehearsal.found import Entry, entries
from tests.rehearsal.running import Running, up
from tests.traces.kept import Span, spans_of

T = TypeVar("T")


@dataclass
class Walk:
    """What a person on call clicks on, and the seconds of the query that answers each click."""

    clicks: list[tuple[str, float]] = field(default_factory=list)

    def click(self, what: str, query: Callable[[], T]) -> T:
        """The answer to a click, which a page shows when it has it."""
        began = time.perf_counter()
        answer = query()
        self.clicks.append((what, time.perf_counter() - began))
        return answer


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One that keeps traces, and pages soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRACES", "1")
        patch.setenv("SPEED", "10")
        with up(tmp_path_factory.mktemp("minute")) as running:
            yield running


def errors_of(rehearsal: Running, link: str) -> list[Line]:
    """The error lines that a dashboard shows when it is opened by a link."""
    address = urlsplit(link)
    given = parse_qs(address.query, strict_parsing=True)
    (shown,) = (one for one in panels.boards(rehearsal) if address.path == f"/d/{one.uid}")
    chosen = {name.removeprefix("var-"): values for name, values in given.items() if name.startswith("var-")}
    (errors,) = (panel for panel in shown.panels if panel.title == "Recent error logs")
    period = Period.last(time.time() - int(given["from"][0]) / 1000)
    choice = variables.opening(variables.chosen(shown, chosen))
    return list(panels.sources(rehearsal).ask(errors, choice, period).lines)


def test_a_page_leads_to_the_failing_trace_and_its_lines_in_three_clicks(
    rehearsal: Running, record_property: Callable[[str, object], None]
) -> None:
    """Dashboard of the page, trace of an error there, lines of that trace in all services."""
    assert rehearsal.run("fault", "errors", "order-service")[0] == 0
    page = eventually(partial(rehearsal.notifications, receiver="pagerduty"), what="a page")[0]
    assert page["services"] == ["order-service"]
    walk = Walk()

    (link,) = (one["href"] for one in page["raw"]["links"] if one["text"] == "Dashboard")
    lines = walk.click("Dashboard", partial(errors_of, rehearsal, link))
    traced = [line for line in lines if line.labels.get("trace_id")]
    assert traced, f"no line of {link} has a trace: {[line.text for line in lines]}"

    (to_trace,) = (one for one in panels.data_source(rehearsal, "loki")["derivedFields"] if one["name"] == "trace_id")
    assert to_trace["datasourceUid"] == "tempo"
    asked = to_trace["url"].replace("$${__value.raw}", traced[0].labels["trace_id"])
    spans: list[Span] = walk.click(to_trace["urlDisplayLabel"], partial(spans_of, rehearsal, asked))
    failed = [one for one in spans if one.tags.get("error")]
    assert "order-service" in {one.service for one in failed}

    query = panels.data_source(rehearsal, "tempo")["tracesToLogsV2"]["query"].replace("$${__trace.traceId}", asked)
    found: list[Entry] = walk.click("Logs for this span", partial(entries, rehearsal, query))
    assert {one.labels["service_name"] for one in found} >= {"gateway", "order-service"}
    assert {one.labels["trace_id"] for one in found} == {asked}

    assert len(walk.clicks) <= 3
    for what, seconds in walk.clicks:
        record_property(what, round(seconds, 3))
        assert seconds <= 1


def test_a_span_leads_to_the_metrics_of_its_service(rehearsal: Running) -> None:
    metrics = panels.data_source(rehearsal, "tempo")["tracesToMetrics"]
    (tag,) = metrics["tags"]
    assert tag["key"] == "service.name"
    for query in metrics["queries"]:
        asked = query["query"].replace("$$__tags", f'{tag["value"]}="order-service"')
        assert eventually(partial(rehearsal.query, asked), what=f"{query['name']} of a span's service")
