"""The page of the dashboards: what it says of panels without data, and that nothing in it can run or load."""

from __future__ import annotations

import html
import json
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree.ElementTree import tostring

import httpx
import pytest

from report import board, colours, draw, gather
from report.charts import Mark
from report.gather import Drawing, Drawn, Part
from report.markup import data
from report.page import page
from report.sources import Line, Shown, Sources
from tests.unit.report_samples import (
    FRAME,
    PROMETHEUS,
    config,
    dashboard,
    instant,
    panel,
    panel_json,
    series,
    text,
)

HOSTILE = '</script><script>alert(1)</script><img src="https://evil.example/x" onerror="alert(1)">&amp;'


@pytest.mark.parametrize(("past", "told"), [("30d", "Last 30 days"), ("1h", "Last 1 hour")])
def test_a_panel_says_its_own_time_range_as_grafana_does(past: str, told: str) -> None:
    raw = board.read(dashboard(panel_json("timeseries", timeFrom=past)))
    (of,) = raw.panels
    drawing = Drawing(raw, FRAME.period, {}, (Part("", (Drawn(of, draw.empty(of), "empty"),)),), ())
    assert f">{told}<" in page([drawing], stack="dev", now=0.0).decode()


def answering(status: int = 200, result: Any = (), kind: str = "vector") -> Sources:
    """Sources that answer every query alike."""

    def answer(_: httpx.Request) -> httpx.Response:
        document = {"data": {"resultType": kind, "result": result}} if status == 200 else {"error": "too long"}
        return httpx.Response(status, json=document)

    return Sources("http://prometheus", "http://loki", httpx.Client(transport=httpx.MockTransport(answer)))


def drawing(*panels: dict[str, Any], sources: Sources) -> Drawing:
    return gather.gather(gather.plan(dashboard(*panels)), sources, {})


def test_a_panel_without_data_says_whether_that_is_good() -> None:
    found = drawing(
        instant(title="Fine", fieldConfig=config(noValue="No request has failed")),
        instant(title="Odd"),
        sources=answering(),
    )
    fine, odd = found.panels
    assert (fine.state, text(fine.body)) == ("healthy", "No request has failed")
    assert (odd.state, text(odd.body)) == ("empty", "No data")
    written = page([found], stack="dev", now=0.0).decode()
    assert "2 panels, 1 empty, which is normal, 1 without data" in written


def test_a_panel_that_fails_shows_the_query_and_the_servers_words() -> None:
    (found,) = drawing(instant(), sources=answering(status=422)).panels
    assert found.state == "failed"
    assert found.body.attrib["class"] == "error"
    assert "too long" in text(found.body)
    assert "metric_0" in text(found.body)


@pytest.mark.parametrize(
    ("by_value", "marked"),
    [(True, [(10.5, 10.5)]), (False, [(0.0, 60.0), (180.0, 180.0)])],
    ids=["the moments that its values are", "the stretches in which it has values"],
)
def test_an_annotation_marks(by_value: bool, marked: list[tuple[float, float]]) -> None:
    annotation = {
        "name": "Deployments",
        "datasource": PROMETHEUS,
        "target": {"expr": "created", "interval": "1m"},
        "useValueForTime": by_value,
    }
    asked = gather.plan(dashboard(annotations=(annotation,)))
    start = asked.period.start
    points = [(start + at, str(1000 * (start + moment))) for at, moment in ((0, -5), (60, 10.5), (180, 10.5))]
    found = gather.gather(asked, answering(result=[{"metric": {}, "values": points}], kind="matrix"), {})
    assert [(round(mark.start - start, 3), round(mark.end - start, 3)) for mark in found.marks] == marked


def test_a_panel_of_a_source_that_does_not_run_is_not_called_empty() -> None:
    raw = panel_json("table")
    raw["targets"][0]["datasource"] = {"type": "tempo", "uid": "x"}
    (found,) = drawing(raw, sources=answering()).panels
    assert (found.state, text(found.body)) == ("elsewhere", "Asks Tempo, which the rehearsal does not run")


class Loads(HTMLParser):
    """Everything in a page that a browser would load, follow or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str | None]] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.found += [(name, value) for name, value in attrs if name in {"src", "href"} or name.startswith("on")]


def hostile_page() -> str:
    of = panel("logs")
    line = Line(1000.0, {"detected_level": HOSTILE, "service_name": HOSTILE, "user": HOSTILE}, HOSTILE)
    graph = panel("timeseries", title=HOSTILE, description=HOSTILE)
    tile = panel(fieldConfig=config(noValue=HOSTILE), options={"textMode": "value_and_name"})
    bodies = [
        draw.body(of, Shown(lines=(line,)), FRAME),
        draw.body(graph, Shown((series(graph, 1.0, service=HOSTILE),)), FRAME),
        draw.body(tile, Shown((series(tile, 1.0, service=HOSTILE),)), FRAME),
        draw.body(tile, Shown(), FRAME),
        draw.failed(ValueError(HOSTILE)),
    ]
    parts = (gather.Part(HOSTILE, tuple(gather.Drawn(graph, body, "shown") for body in bodies)),)
    marks = (Mark(1000.0, 1030.0, HOSTILE, colours.NAMED["red"]),)
    raw = board.read(dashboard(panel_json()))
    return page([Drawing(raw, FRAME.period, {HOSTILE: HOSTILE}, parts, marks)], stack="dev", now=0.0).decode()


def test_what_a_label_or_a_log_line_says_stays_text() -> None:
    written = hostile_page()
    found = Loads()
    found.feed(written)
    assert all(value and value.startswith("#") for _, value in found.found), found.found
    assert "img" not in found.tags
    assert found.tags.count("script") == 4  # the graph's data, plotly's script, that of times and the page's own
    assert html.escape(HOSTILE, quote=False) in written
    (graph_data,) = re.findall(r'<script type="application/json">(.*?)</script>', written, re.DOTALL)
    assert json.loads(graph_data)["data"][0]["name"] == html.escape(HOSTILE)  # plotly reads markup in names


def test_the_page_allows_no_address_and_no_script_but_its_own() -> None:
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', hostile_page())
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"('sha256-[A-Za-z0-9+/=]+' ?){3}", rules["script-src"])
    assert "http" not in policy


def test_a_description_keeps_its_emphasis_and_nothing_else() -> None:
    of = panel("text", targets=[], options={"content": "First `code`\n\n**Then** <b>not</b>"})
    assert tostring(draw.body(of, Shown(), FRAME), encoding="unicode", method="html") == (
        '<div class="prose"><p>First <code>code</code></p><p><strong>Then</strong> &lt;b&gt;not&lt;/b&gt;</p></div>'
    )


def test_no_text_in_a_graphs_data_ends_it() -> None:
    written = tostring(data({"name": HOSTILE}), encoding="unicode", method="html")
    assert written.count("<") == 2
    assert json.loads(written.partition(">")[2].removesuffix("</script>")) == {"name": HOSTILE}
