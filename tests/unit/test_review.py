"""What `make review` decides: what is one firing, one page, a twin, a threshold, a creep; and what it asks at most."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from local.errors import RehearsalError
from review import spans
from review.findings import Review, questions, review
from review.firings import Firing, Silence, firings, incidents, inhibited, open_time, silenced, twins
from review.history import PARTS, POINTS, History, Period, Rule
from review.limits import WATCHED, Threshold, creep, threshold
from review.page import looked_at, page, table

ERRORS = WATCHED[0]
ROUTE = {
    "receiver": "others",
    "group_by": ["alertname"],
    "routes": [
        {
            "matchers": ['severity="critical"'],
            "receiver": "oncall",
            "group_by": ["alertname", "service"],
            "group_wait": "5s",
            "group_interval": "1m",
        }
    ],
}


def firing(start: float, end: float, name: str = "Down", **labels: str) -> Firing:
    return Firing({"alertname": name, "severity": "critical"} | labels, start, end, over=True)


def test_spans() -> None:
    assert spans.union([(5, 6), (0, 2), (1, 3)]) == [(0, 3), (5, 6)]
    assert spans.union([(0, 1), (2, 3), (4.5, 5)], gap=1.5) == [(0, 3), (4.5, 5)]
    assert spans.common([(0, 4), (6, 9)], [(3, 7)]) == [(3, 4), (6, 7)]
    assert spans.without([(0, 10)], [(2, 3), (9, 12)]) == [(0, 2), (3, 9)]
    assert spans.length([(0, 2), (1, 3)]) == 3


def test_a_gap_is_no_end_and_another_beginning_is_another_firing() -> None:
    points = [(0.0, -9.0), (15.0, -9.0), (600.0, -9.0), (615.0, 610.0)]
    found = list(firings({"alertname": "Down"}, points, 15, end=630))
    assert [(one.start, one.end, one.over) for one in found] == [(0, 615, True), (615, 630, False)]


@pytest.mark.parametrize(
    ("told", "pages"),
    [
        ([firing(0, 60, service="a"), firing(30, 90, service="a")], 1),
        ([firing(0, 60, service="a"), firing(0, 60, service="b")], 2),
        ([firing(0, 60, service="a"), firing(119, 200, service="a")], 1),
        ([firing(0, 60, service="a"), firing(120, 200, service="a")], 2),
        ([firing(0, 4, service="a")], 0),
    ],
    ids=["joins", "another service", "again before its end is told", "again later", "over before it is told"],
)
def test_incidents_are_grouped_as_the_routes_group(told: list[Firing], pages: int) -> None:
    assert incidents([(one, [one.span]) for one in told], ROUTE).get(("Down", "critical"), 0) == pages


def test_what_is_muted_or_silenced_all_the_time_pages_nobody() -> None:
    one = firing(0, 60, service="a")
    silence = Silence([{"name": "service", "value": "a|b", "isRegex": True, "isEqual": True}], (-10.0, 30.0))
    assert silenced(one, [silence]) == [(0, 30)]
    other = [{"name": "service", "value": "a", "isRegex": False, "isEqual": False}]
    assert silenced(one, [Silence(other, (-10.0, 30.0))]) == []
    assert open_time(one, [(0, 30)], [(30, 90)]) == []
    assert incidents([(one, [])], ROUTE) == {}


def test_a_page_mutes_the_warning_of_the_same_thing_alone() -> None:
    rule = {"source_matchers": ['severity="critical"'], "target_matchers": ['severity="warning"'], "equal": ["service"]}
    page_, same, other = firing(10, 20, service="a"), firing(0, 40, service="a"), firing(0, 40, service="b")
    warnings = [Firing({**one.labels, "severity": "warning"}, *one.span, over=True) for one in (same, other)]
    found = inhibited([page_, *warnings], [rule])
    assert (found.get(0, []), found[1], found[2]) == ([], [(10, 20)], [])


@pytest.mark.parametrize(
    ("other", "twin"),
    [
        ([(15.0, 100.0), (500.0, 600.0)], True),
        ([(16.0, 100.0), (500.0, 600.0)], False),
        ([(0.0, 100.0), (500.0, 560.0)], False),
        ([(0.0, 100.0)], False),
    ],
    ids=["within a step", "a step later", "ends earlier", "only once"],
)
def test_twins_begin_and_end_together(other: list[tuple[float, float]], twin: bool) -> None:
    assert twins({"A": [(0, 100), (500, 600)], "B": other}, 15) == ([("A", "B", 2)] if twin else [])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("max(a) > 0.9", Threshold("max(a{})", ">", 0.9)),
        ("(a > 2) unless on () b > 1", Threshold("(a{}) unless on () b{} > 1", ">", 2)),
        ("a > b", None),
        ("a > 0 < 1", None),
        ("a > 1 or b > 1", None),
        ("a >= bool 1", None),
        ("absent(a)", None),
    ],
)
def test_a_threshold_is_read_from_a_simple_rule(query: str, found: Threshold | None) -> None:
    read = threshold(query)
    assert (read and (read.value.replace("  ", " ").replace("\n", ""), read.operator, read.limit)) == (
        found and (found.value, found.operator, found.limit)
    )


@pytest.mark.parametrize(
    ("operator", "limit", "band"),
    [
        (">", 100, (90, 100)),
        ("<", 100, (100, 110)),
        ("<", 0.95, (0.95, 0.955)),
        (">", -10, (-11, -10)),
        (">", 0, None),
        ("==", 1, None),
    ],
)
def test_just_under_a_threshold(operator: str, limit: float, band: tuple[float, float] | None) -> None:
    assert Threshold("a", operator, limit).band == (band and pytest.approx(band))


def noisy(seed: int, days: int, daily: float, noise: float) -> list[float]:
    of = random.Random(seed)  # noqa: S311
    return [max(0.0, 0.01 + daily * day + of.gauss(0, noise)) for day in range(days)]


@pytest.mark.parametrize("days", [5, 6, 7, 10, 14, 28])
def test_errors_that_rise_to_a_quarter_in_four_weeks_are_seen_from_the_fifth_day_on(days: int) -> None:
    seen = [creep(ERRORS, {}, noisy(seed, days, 0.25 / 28, 0.001)) for seed in range(100)]
    assert sum(map(bool, seen)) >= 95


def test_a_creep_that_began_late_is_seen_in_its_last_days() -> None:
    values = [0.001] * 20 + [0.001 + 0.009 * day for day in range(1, 6)]
    found = creep(ERRORS, {}, values)
    assert found is not None
    assert found.days <= 7


@pytest.mark.parametrize("days", [5, 7, 14, 28])
@pytest.mark.parametrize("noise", [0.001, 0.01, 0.03])
def test_a_flat_history_does_not_creep_however_noisy(days: int, noise: float) -> None:
    seen = [creep(ERRORS, {}, noisy(seed, days, 0, noise)) for seed in range(300)]
    assert sum(map(bool, seen)) <= 6


def test_bad_days_too_few_days_and_what_falls_are_no_creep() -> None:
    assert creep(ERRORS, {}, [0.0, 0.0, 0.3, 0.0, 0.0, 0.2, 0.0]) is None
    assert creep(ERRORS, {}, [0.0, 0.1, 0.2, 0.3]) is None
    assert creep(ERRORS, {}, [0.5, 0.4, 0.3, 0.2, 0.1]) is None
    assert creep(ERRORS, {}, [0.001, 0.002, 0.003, 0.004, 0.005]) is None, "too little to matter"


class Answers:
    """A Prometheus that knows of `up` at most, and an Alertmanager that answers what is given, by path."""

    def __init__(self, alertmanager: Any = None, *, data: bool = True) -> None:
        self.ranges: list[float] = []
        self._alertmanager, self._data = alertmanager or {}, data

    def get(self, url: str) -> Any:
        at = urlsplit(url)
        given = {name: values[0] for name, values in parse_qs(at.query).items()}
        if url.startswith("http://alertmanager"):
            if at.path not in self._alertmanager:
                raise RehearsalError("no route")
            return self._alertmanager[at.path]
        if at.path.endswith("rules"):
            return {"data": {"groups": []}}
        if at.path.endswith("query_range"):
            start, end, step = (float(given[name]) for name in ("start", "end", "step"))
            self.ranges.append((end - start) / step + 1)
            up = [[start, "1"], [end, "1"]] if given["query"] == "count(up)" and self._data else []
            return {"data": {"result": [{"metric": {}, "values": up}] if up else []}, "warnings": ["limit"]}
        return {"data": {"result": []}}


@pytest.mark.parametrize("since", [3600, 14 * 86_400, 364 * 86_400])
def test_what_is_asked_is_bounded(since: int) -> None:
    answers = Answers()
    history = History(answers.get, "http://prometheus", "http://alertmanager")
    period = history.period(since, 1e9, 15)
    assert period is not None
    history.firings(period)
    assert max(answers.ranges) <= POINTS
    assert history.asked <= PARTS + 2
    assert period.step == 15 or since > 14 * 86_400


@pytest.mark.parametrize(("start", "parts"), [(0.0, 2), (1.0, 1), (15.0, 1)])
def test_a_period_has_as_many_parts_as_are_asked_for(start: float, parts: int) -> None:
    history = History(Answers().get, "http://prometheus", "http://alertmanager")
    period = Period(start, 15.0 * POINTS, 1.0, 15)
    history.firings(period)
    assert history.asked == period.parts == parts


def test_data_of_the_last_minute_is_data() -> None:
    """As it is right after `make up`: the steps of two weeks are longer."""

    def get(url: str) -> Any:
        given = parse_qs(urlsplit(url).query)
        at = float(given["end"][0])
        return {"data": {"result": [{"metric": {}, "values": [[at, "1"]] if at > 1e9 + 60 else []}]}}

    history = History(get, "http://prometheus", "http://alertmanager")
    assert history.period(14 * 86_400, 1e9, 15) is None
    period = history.period(14 * 86_400, 1e9 + 70, 15)
    assert period is not None
    assert period.length >= 15
    assert period.covered == 1


@pytest.mark.parametrize("data", [True, False])
def test_the_bar_counts_each_question_that_the_review_says_it_asked(data: bool) -> None:
    status = {"config": {"original": "route: {receiver: a}"}}
    answers = Answers({"/api/v2/status": status, "/api/v2/silences": []}, data=data)
    counted: list[int] = []
    history = History(answers.get, "http://prometheus", "http://alertmanager", on_asked=lambda: counted.append(1))
    assert history.rules() == []
    period = history.period(364 * 86_400, 1e9, 15)
    assert bool(period) is data
    rules = [Rule("VolumeFull", "critical", "a > 0.98", 15), Rule("ServiceDown", "critical", "up == 0", 15)]
    found = review(history, rules, period)
    assert len(counted) == found.asked == questions(rules, period)


def test_a_question_that_is_not_answered_counts_too() -> None:
    counted: list[int] = []
    history = History(Answers().get, "http://prometheus", "http://alertmanager", on_asked=lambda: counted.append(1))
    with pytest.raises(RehearsalError, match="no route"):
        history.silences()
    assert len(counted) == history.asked == 1


def test_what_is_not_answered_is_said_and_the_rest_is_there() -> None:
    history = History(Answers().get, "http://prometheus", "http://alertmanager")
    rules = [Rule("VolumeFull", "critical", "a > 0.98", 15)]
    found = review(history, rules, history.period(86_400, 1e9, 15))
    assert found.problems == ["routes and silences: no route", "limit"]
    assert [never[:2] for never in found.never] == [("VolumeFull", "critical")]
    assert found.never[0][2].startswith("resources.test.yaml: ")
    text = table(found, where="Here", since=86_400)
    assert "No alert fired." in text
    assert "| routes and silences: no route |" in text


def test_data_that_is_younger_or_has_gaps_is_said() -> None:
    period = Period(0.0, 3 * 86_400.0, covered=0.5, step=15)
    said = " ".join(looked_at(Review(period), 14 * 86_400))
    assert "There is data of 3 d only, not of the 14 d asked for." in said
    assert "Of 50 % of that time there is no data." in said


def test_what_a_label_says_stays_text() -> None:
    evil = '<img src="https://evil.example/x">'
    found = Review(Period(0.0, 86_400.0, 1.0, 15), never=[(evil, "critical", evil)], problems=[f"a | {evil}"])
    written = page(found, where=evil, since=86_400).decode()
    assert "<img" not in written
    assert "a \\| <img" in table(found, where="Here", since=86_400)
