"""The lines that searches are measured on, and what makes that benchmark fail."""

from __future__ import annotations

import json
from collections import defaultdict

from benchmarks import logs_links
from benchmarks.log_lines import LONGEST, SECOND, Week
from benchmarks.logs_links import Click
from benchmarks.logs_search import Result, Timing, problems

START = 1_790_000_000 * SECOND


def test_lines_are_realistic() -> None:
    week = Week()
    streams = list(week.streams(START, START + 600 * SECOND))
    assert len(streams) == 6
    assert 30 * 600 < week.lines < 45 * 600
    assert 250 < week.bytes / week.lines < 350
    for stream in streams:
        times = [at for at, _, _ in stream.lines]
        assert times == sorted(times)  # Loki would refuse what is too far behind
        for _, text, beside in stream.lines:
            if not text.startswith("[GIN]"):
                assert json.loads(text)["request_id"] == beside["request_id"]


def test_a_request_has_its_own_id_at_several_services() -> None:
    streams = list(Week().streams(START, START + 60 * SECOND))
    services: dict[str, set[str]] = {}
    for stream in streams:
        for _, _, beside in stream.lines:
            services.setdefault(beside.get("request_id", ""), set()).add(stream.labels["service_name"])
    services.pop("")
    assert len(services) == 6 * 60
    assert all(len(found) > 1 for found in services.values())


def test_one_request_in_a_thousand_lasts_for_minutes_and_its_lines_come_in_their_order() -> None:
    week, batch = Week(), 600 * SECOND
    written = defaultdict(list)
    for start in range(START, START + 2 * LONGEST, batch):
        for stream in week.streams(start, start + batch):
            for at, _, beside in stream.lines:
                assert start <= at < start + batch
                written[beside.get("request_id", "")].append(at)
    ended = [one for one in week.long if one.times[0] < START + LONGEST]
    assert 20 < len(ended) < 24
    assert all(sorted(written[one.request]) == list(one.times) for one in ended)
    assert max(one.times[-1] - one.times[0] for one in ended) > LONGEST / 2


def clicks(seconds: float, *, lost: bool = False) -> list[Click]:
    lines = frozenset({(1.0, "a"), (2.0, "b")})
    return [Click("one", seconds, lines, lines)] * 19 + [Click("two", 0.1, frozenset() if lost else lines, lines)]


def test_a_link_that_is_slow_or_misses_a_line_is_a_problem() -> None:
    assert logs_links.problems(clicks(1.0)) == []
    assert logs_links.problems(clicks(1.1)) == ["links of log lines: 1.1 s at the 95th percentile, more than 1 s"]
    (missed,) = logs_links.problems(clicks(0.1, lost=True))
    assert missed == "request two: its link finds 0 lines, the search in all that is kept 2"


def result(bound: float | None, *seconds: float) -> Result:
    cold, *warm = (Timing(each, 0.1, 100, 30_000, 2**20, 6) for each in seconds)
    return Result("a text", "1 hour", cold, warm, bound)


def test_only_a_promise_that_is_not_kept_is_a_problem() -> None:
    assert problems([result(1.0, 1.0, 0.2), result(None, 9.0, 9.0)]) == []
    (cold,) = problems([result(1.0, 1.1, 0.2)])
    (warm,) = problems([result(1.0, 0.2, 0.2, 1.2)])
    assert cold == "a text in 1 hour: 1.1 s, more than 1 s"
    assert warm == "a text in 1 hour: 1.2 s, more than 1 s"
