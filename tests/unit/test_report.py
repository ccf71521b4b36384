"""What `report` makes of a dashboard: variables as Grafana puts them, and answers as a panel shows them."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from report import board, sources, variables
from report.board import Board, Source
from report.sources import QueryError, Sources
from report.variables import Period, Typed, interpolate

PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
LOKI = {"type": "loki", "uid": "${loki_datasource}"}
HOUR = Period(3600.0, 7200.0, step=30.0)


def panel(kind: str = "timeseries", **keys: Any) -> dict[str, Any]:
    target = {"refId": "A", "expr": "up", "legendFormat": "{{job}}", "datasource": PROMETHEUS}
    place = {"x": 0, "y": 0, "w": 8, "h": 6}
    return {
        "id": 1,
        "title": "Up",
        "type": kind,
        "gridPos": place,
        "targets": [target | keys.pop("target", {})],
        **keys,
    }


def service(**keys: Any) -> dict[str, Any]:
    chosen = {"value": ["$__all"]}
    return {
        "name": "service",
        "type": "query",
        "datasource": PROMETHEUS,
        "definition": "label_values(up, service)",
        "includeAll": True,
        "allValue": ".+",
        "current": chosen,
    } | keys


def resolution() -> dict[str, Any]:
    return {"name": "interval", "type": "custom", "query": "auto : 15s,5m : 5m", "current": {"value": "15s"}}


def dashboard(*panels: dict[str, Any], listed: list[dict[str, Any]] | None = None) -> Board:
    raw = {
        "uid": "one",
        "title": "One",
        "panels": list(panels),
        "templating": {"list": listed or []},
        "annotations": {"list": [{"name": "Alerts", "datasource": PROMETHEUS, "target": {"expr": "ALERTS"}}]},
        "time": {"from": "now-6h", "to": "now"},
    }
    return board.read(json.dumps(raw))


class Answers:
    """A Prometheus and a Loki that answer everything alike, and keep what they were asked."""

    def __init__(self, data: Any = None, status: int = 200, text: str | None = None) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.data, self.status, self.text = data, status, text
        client = httpx.Client(transport=httpx.MockTransport(self.answer))
        self.sources = Sources("http://prometheus", "http://loki", client)

    def answer(self, request: httpx.Request) -> httpx.Response:
        parameters = dict(httpx.QueryParams(request.content.decode())) | dict(request.url.params)
        self.asked.append((f"{request.url.host}{request.url.path}", parameters))
        if self.text is not None:
            return httpx.Response(self.status, text=self.text)
        return httpx.Response(self.status, json={"status": "success", "data": self.data})


def vector(*values: str, **labels: str) -> dict[str, Any]:
    return {"resultType": "vector", "result": [{"metric": labels, "value": [7200, value]} for value in values]}


class TestBoard:
    """Grafana's JSON is read as Grafana lays it out."""

    def test_panels_follow_their_row(self) -> None:
        heading = {"type": "row", "title": "More", "panels": []}
        read = dashboard(panel(title="Top"), heading, panel(title="Under"))
        assert [(row.title, [item.title for item in row.panels]) for row in read.rows] == [
            ("", ["Top"]),
            ("More", ["Under"]),
        ]
        assert [item.title for item in read.panels] == ["Top", "Under"]
        assert read.since == 6 * 3600

    def test_a_tables_targets_are_read_at_the_end_of_the_range(self) -> None:
        (table,) = dashboard(panel("table", target={"instant": True, "format": "table"})).panels
        assert [(target.instant, target.max_lines) for target in table.targets] == [(True, None)]

    def test_what_is_empty_when_all_is_well_says_so(self) -> None:
        healthy, other = dashboard(panel(fieldConfig={"defaults": {"noValue": "No alert"}}), panel()).panels
        assert (healthy.empty, other.empty) == ("No alert", None)

    def test_queries_of_data_sources_that_cannot_be_asked_are_left_out(self) -> None:
        (traces,) = dashboard(panel("traces", target={"datasource": {"type": "tempo", "uid": "tempo"}})).panels
        assert traces.targets == ()

    def test_variables_that_choose_the_data_source_are_no_choice(self) -> None:
        read = dashboard(listed=[{"name": "datasource", "type": "datasource"}, resolution()])
        assert [(item.name, item.options, item.chosen) for item in read.variables] == [
            ("interval", ("15s", "5m"), ("15s",))
        ]


class TestVariables:
    """Queries get what Grafana would put into them."""

    @pytest.mark.parametrize(
        ("values", "text"),
        [
            (["order-service"], "order-service"),
            (["a", "b"], "(a|b)"),
            (["10.0.0.1:9100"], r"10\\.0\\.0\\.1:9100"),
            (["a|b", "c(d)"], r"(a\\|b|c\\(d\\))"),
            (["C:\\x"], r"C:\\\\x"),
        ],
    )
    def test_values_are_escaped_within_quotes_and_several_are_alternatives(self, values: list[str], text: str) -> None:
        assert variables.regex(values) == text

    def test_names_are_replaced_in_each_form_and_unknown_ones_stay(self) -> None:
        expr = (
            'label_replace(up{a=~"$service", b=~"${service}", c=~"${service:regex}"}, "x", "$1", "y", "(.*)") $services'
        )
        assert interpolate(expr, {"service": ".+"}, HOUR) == (
            'label_replace(up{a=~".+", b=~".+", c=~".+"}, "x", "$1", "y", "(.*)") $services'
        )

    def test_what_was_typed_is_a_text_and_no_pattern(self) -> None:
        typed = {"text": Typed(r"POST /a (x|y) \d+ $1"), "user": Typed("")}
        expr = "|~ `(?i)${text:regex}` | user=~`${user:regex}.*` |= `$text`"
        assert interpolate(expr, typed, HOUR) == (
            r"|~ `(?i)POST \/a \(x\|y\) \\d\+ \$1` | user=~`.*` |= `POST /a (x|y) \d+ $1`"
        )

    def test_durations(self) -> None:
        assert interpolate("$__interval $__interval_ms $__range $__range_s", {}, HOUR) == "30s 30000 3600s 3600"
        assert interpolate("[$__auto]", {}, HOUR) == "[30s]"
        assert interpolate("[$__auto]", {}, HOUR, instant=True) == "[3600s]"

    @pytest.mark.parametrize(
        ("step", "scrape", "seconds"),
        [(15, 30, 120), (30, 30, 120), (60, 30, 120), (300, 30, 330), (1, 2, 8), (3600, 30, 3630)],
    )
    def test_the_rate_interval_is_a_step_and_a_scrape_or_four_scrapes(
        self, step: float, scrape: float, seconds: int
    ) -> None:
        assert interpolate("$__rate_interval", {}, Period(0, 3600, step, scrape)) == f"{seconds}s"

    @pytest.mark.parametrize(
        ("of_panel", "of_query", "step", "rate_interval"),
        [("", "", 30, 120), ("15s", "", 15, 120), ("5m", "", 300, 330), ("15s", "1m", 60, 240)],
    )
    def test_steps_are_no_shorter_than_a_panel_or_query_says(
        self, of_panel: str, of_query: str, step: float, rate_interval: float
    ) -> None:
        period = Period.last(3600, end=7200, points=1000).with_min_step(of_panel, of_query)
        assert (period.step, period.rate_interval) == (step, rate_interval)

    def test_steps_widen_with_the_range(self) -> None:
        assert Period.last(6 * 3600, points=600).step == 30  # nearest to 36 s
        assert Period.last(14 * 86400, points=600).step == 1800  # nearest to 2016 s

    def test_all_stands_for_its_own_text_and_a_choice_for_its_values(self) -> None:
        chosen = service(name="namespace", current={"value": ["order-processor"]})
        text = {"name": "search", "type": "textbox", "query": "", "current": {"value": ""}}
        read = dashboard(listed=[service(), chosen, text, resolution()])
        assert variables.everything(read) == {"service": ".+", "namespace": ".+", "search": "", "interval": "15s"}
        assert variables.opening(read)["namespace"] == "order-processor"

    def test_what_an_address_chooses_replaces_what_the_board_opens_with(self) -> None:
        opened = dashboard(panel(), listed=[service(), resolution()])
        made = variables.chosen(opened, {"service": ["order-service"], "unknown": ["x"]})
        assert variables.opening(made) == variables.opening(opened) | {"service": "order-service"}
        assert variables.chosen(opened, {}) == opened

    def test_choices_are_all_and_then_every_single_value(self) -> None:
        read = dashboard(listed=[service(), resolution()])
        choices = variables.choices(read, {"service": ["a.b", "c"], "interval": ["15s", "5m"]})
        assert choices == [
            {"service": ".+", "interval": "15s"},
            {"service": r"a\\.b", "interval": "15s"},
            {"service": "c", "interval": "15s"},
            {"service": ".+", "interval": "5m"},
        ]

    def test_values_are_asked_for_with_all_of_the_other_variables(self) -> None:
        bound = service(name="pod", definition='label_values(up{service=~"$service"}, pod)')
        answers = Answers(["b", "a"])
        listed = variables.values(dashboard(listed=[service(), bound, resolution()]), answers.sources, HOUR)
        assert listed == {"service": ["a", "b"], "pod": ["a", "b"], "interval": ["15s", "5m"]}
        times = {"start": "3600.000", "end": "7200.000"}
        assert answers.asked == [
            ("prometheus/api/v1/label/service/values", times | {"match[]": "up"}),
            ("prometheus/api/v1/label/pod/values", times | {"match[]": 'up{service=~".+"}'}),
        ]

    def test_a_query_that_is_no_list_of_values_is_named(self) -> None:
        with pytest.raises(ValueError, match=r"variable service: 'query_result\(up\)'"):
            variables.values(dashboard(listed=[service(definition="query_result(up)")]), Answers().sources)


class TestSources:
    """Panels ask as Grafana asks, and show what comes back."""

    def test_a_graph_is_asked_for_at_multiples_of_its_step(self) -> None:
        answers = Answers(
            {"resultType": "matrix", "result": [{"metric": {"job": "x"}, "values": [[60, "1"], [90, "2"]]}]}
        )
        (graph,) = dashboard(panel(interval="${interval}", target={"expr": "rate(up[$__rate_interval])"})).panels
        (series,) = answers.sources.ask(graph, {"interval": "5m"}, Period(3601, 7201, 30)).series
        assert (series.legend, series.points) == ("x", ((60.0, 1.0), (90.0, 2.0)))
        wanted = {"query": "rate(up[330s])", "start": "3600.000", "end": "7200.000", "step": "300"}
        assert answers.asked == [("prometheus/api/v1/query_range", wanted)]

    def test_a_number_is_asked_for_at_the_end(self) -> None:
        answers = Answers(vector("NaN", "3", job="x"))
        (stat,) = dashboard(panel("stat", target={"instant": True})).panels
        shown = answers.sources.ask(stat, {}, HOUR)
        assert len(shown.series) == 2
        assert not shown.empty
        assert answers.asked == [("prometheus/api/v1/query", {"query": "up", "time": "7200.000"})]

    @pytest.mark.parametrize("data", [vector(), vector("NaN"), {"resultType": "streams", "result": []}])
    def test_nothing_and_what_is_no_number_is_empty(self, data: dict[str, Any]) -> None:
        (stat,) = dashboard(panel("stat", target={"instant": True})).panels
        assert Answers(data).sources.ask(stat, {}, HOUR).empty

    @pytest.mark.parametrize("oldest_first", [False, True])
    def test_lines_come_in_the_order_that_the_panel_wants(self, oldest_first: bool) -> None:
        streams = [
            {"stream": {"level": "error"}, "values": [["3000000000", "c"], ["1000000000", "a"]]},
            {"stream": {"level": "warn"}, "values": [["2000000000", "b"]]},
        ]
        answers = Answers({"resultType": "streams", "result": streams})
        order = "forward" if oldest_first else "backward"
        query = {"expr": "{}", "datasource": LOKI, "maxLines": 200, "direction": order}
        (logs,) = dashboard(panel("logs", target=query)).panels
        lines = answers.sources.ask(logs, {}, HOUR).lines
        assert [line.text for line in lines] == (["a", "b", "c"] if oldest_first else ["c", "b", "a"])
        assert {line.text: line.labels["level"] for line in lines} == {"a": "error", "b": "warn", "c": "error"}
        ((path, asked),) = answers.asked
        assert path == "loki/loki/api/v1/query_range"
        assert (asked["limit"], asked["direction"], asked["end"]) == ("200", order, "7200000000000")

    @pytest.mark.parametrize(
        ("form", "labels", "name"),
        [
            ("{{ service }} P95", {"service": "gateway"}, "gateway P95"),
            ("{{side}} {{none}}", {"side": "buy"}, "buy "),
            ("executed", {"side": "buy"}, "executed"),
            ("", {"__name__": "up", "job": "x"}, 'up{job="x"}'),
        ],
    )
    def test_legends(self, form: str, labels: dict[str, str], name: str) -> None:
        assert sources.legend(form, labels) == name

    @pytest.mark.parametrize("text", ["parse error at line 1", '{"status": "error", "error": "parse error at line 1"}'])
    def test_a_refused_query_names_its_panel_and_the_reason(self, text: str) -> None:
        (graph,) = dashboard(panel(target={"expr": "up{{"})).panels
        with pytest.raises(QueryError, match=r"(?s)Up: refused with 400: parse error at line 1.*up\{\{"):
            Answers(status=400, text=text).sources.ask(graph, {}, HOUR)

    @pytest.mark.parametrize(
        ("source", "asked"),
        [
            ("prometheus", ("prometheus/api/v1/label/x/values", {"start": "3600.000", "end": "7200.000"})),
            ("loki", ("loki/loki/api/v1/label/x/values", {"start": "3600000000000", "end": "7200000000000"})),
        ],
    )
    def test_values_of_a_label_without_a_selector(self, source: Source, asked: tuple[str, dict[str, str]]) -> None:
        answers = Answers(None)  # what Loki says when there are none
        assert answers.sources.label_values(source, "x", None, HOUR) == []
        assert answers.asked == [asked]
