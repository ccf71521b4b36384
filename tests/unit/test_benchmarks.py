"""The benchmark measures what it says: long windows have a history, and no evaluation counts twice or not at all."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import httpx
import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from benchmarks import exporter, history, instrumentation, measurement, report, rules, stack
from benchmarks.errors import BenchmarkError
from benchmarks.fleet import catalogue_of, pods, target_labels
from benchmarks.measurement import Evaluation, Measurement
from benchmarks.report import Run
from benchmarks.traffic import counters, page
from components.alerting.rules import read
from facts import ROOT
from quantities import seconds

NOW = 1_795_449_600.0
"""A Unix time at which no two-hour block begins."""
ONE_FOR_ALL = {
    "service:http_requests:rate5m",  # of the gateway alone
    "service:orders_created:rate5m",
    "instance:log_agent_lines_lost:sum",
    "instance:loki_lines_refused:sum",
    "instance:prometheus_tsdb_failures:sum",
    "instance:yace_cloudwatch_request_errors:sum",
    "aws:month_forecast:usd",
    "dependency:failure_paged:info",
}
"""Recorded series that rules look far back at and that do not grow in number with the services."""


def long_windows() -> Iterator[tuple[str, int]]:
    """Every recorded series that a rule looks more than 10 m back at, and how far."""
    selector = re.compile(r"([a-z0-9_]+:[a-z0-9_:]+)(?:{[^}]*})?(?:\[(\w+)\])?(?: offset (\w+))?")
    for file in read(ROOT / "alerts").values():
        for rule in itertools.chain.from_iterable(group["rules"] for group in file["groups"]):
            for name, window, offset in selector.findall(rule["expr"]):
                back = sum(seconds(length) for length in (window, offset) if length)
                if back > 600 and name not in ONE_FOR_ALL:
                    yield name, back


def test_every_long_window_has_its_history() -> None:
    there = {recorded.name: recorded.back for recorded in history.RECORDED}
    windows = list(long_windows())
    assert {"instance:sli_errors:sum", "service:sli_events:increase3m"} <= {name for name, _ in windows}
    for name, back in windows:
        assert there.get(name, 0) >= back, f"{name}: give it a history of {back} s in benchmarks/history.py"


def test_the_windows_that_are_checked_are_the_longest() -> None:
    longest: dict[str, int] = {}
    for name, back in long_windows():
        longest[name] = max(back, longest.get(name, 0))
    assert all(longest[name] == window for name, (window, _) in history.LOOKED_BACK_AT.items())


def test_counters_go_on_where_the_history_ends() -> None:
    """A counter that fell would look like a restart: a burst of requests, or of errors."""
    samples = [
        sample
        for family in text_string_to_metric_families(page("any", NOW))
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]
    recorded = {each.name: each.value(NOW) for each in history.RECORDED if not each.labels}
    of_requests = [sample for sample in samples if sample.name == "any_requests_total"]
    failed = [sample for sample in of_requests if sample.labels["status_code"].startswith("5")]
    timed = [sample for sample in samples if sample.labels.get("le") == "+Inf"]
    in_time = [sample for sample in samples if sample.labels.get("le") == "0.25"]
    assert recorded["instance:http_requests:sum"] == sum(sample.value for sample in of_requests) > 0
    assert recorded["instance:http_errors:sum"] == sum(sample.value for sample in failed) > 0
    assert recorded["instance:http_requests_timed:sum"] == sum(sample.value for sample in timed)
    assert recorded["instance:http_requests_slow:sum"] == recorded["instance:http_requests_timed:sum"] - sum(
        sample.value for sample in in_time
    )


def test_the_invented_traffic_keeps_its_objectives() -> None:
    """Services that break them would have alerts, whose cost is another."""
    hour = [counters(NOW + 3600 * number) for number in (0, 1)]
    requests = hour[1].requests - hour[0].requests
    objectives = catalogue_of(1).services[0].objectives
    slow = hour[1].slower_than(objectives.latency.within_seconds) - hour[0].slower_than(0.25)
    assert (hour[1].failures - hour[0].failures) / requests < 0.5 * (1 - objectives.availability / 100)
    assert slow / requests < 0.5 * (1 - objectives.latency.percent / 100)


def test_targets_have_the_labels_that_the_rules_keep() -> None:
    catalogue = catalogue_of(1)
    normalised = stack.rules_of(catalogue, stack.production()).objects["normalisation"][1]["rules"][0]["expr"]
    kept = re.search(r"sum by \(([\w, ]+)\)", normalised)
    assert kept
    assert set(target_labels(pods(catalogue)[0])) == set(kept.group(1).split(", "))


def test_only_generated_rules_grow_with_the_services() -> None:
    few, many = (stack.rules_of(catalogue_of(size), stack.production()) for size in (2, 12))
    assert few.plain == many.plain > 0
    assert many.generated - few.generated == 10 * (few.generated - _generated(1))


def _generated(size: int) -> int:
    return stack.rules_of(catalogue_of(size), stack.production()).generated


def test_every_service_and_the_cluster_are_scraped() -> None:
    settings = stack.production()
    configuration = stack.configuration(catalogue_of(3), settings, {"exporters": "a:1", "prometheus": "b:2"})
    jobs = {job["job_name"]: job for job in configuration["scrape_configs"]}
    targets = [target["labels"] for target in jobs["services"]["static_configs"]]
    assert [target["service"] for target in targets] == ["service-000", "service-001", "service-002"]
    assert targets[1]["__metrics_path__"] == "/services/service_001/metrics"
    assert jobs["services"]["scrape_interval"] == "30s"
    assert configuration["global"] == {"scrape_interval": "15s", "evaluation_interval": "15s"}
    assert any("kube-state-metrics" in name for name in jobs)


def test_the_exporter_is_every_target() -> None:
    paths = [route.path for route in exporter.application(2).routes]  # type: ignore[attr-defined]
    assert paths[:2] == ["/services/{prefix}/metrics", "/probe"]


def test_blocks_are_as_prometheus_compacts_them() -> None:
    start = int(NOW - 15 * 86400) // 64800 * 64800
    blocks = list(history.blocks(start, NOW))
    assert blocks[0].start == start
    assert all(before.end == after.start for before, after in itertools.pairwise(blocks))
    assert 0 <= NOW - blocks[-1].end < 7200
    assert all(block.start % (3600 * block.hours) == 0 for block in blocks)
    assert [block.hours for block in blocks] == sorted((block.hours for block in blocks), reverse=True)
    assert sum(block.hours == 6 for block in blocks) <= 2
    assert sum(block.hours == 2 for block in blocks) <= 2


def test_the_history_of_a_block_is_of_every_service_in_order() -> None:
    block = history.Block(int(NOW) - 1200, int(NOW), 2)
    lines = "".join(history.text(catalogue_of(2), block, NOW)).splitlines()
    assert lines[-1] == "# EOF"
    of_one = [line for line in lines if line.startswith('instance:http_requests:sum{job="service-001"')]
    times = [int(line.rsplit(" ", 1)[1]) for line in of_one]
    assert times == list(range(block.start, block.end, 15))
    pieces = [line for line in lines if line.startswith("service:sli_errors:increase3m{")]
    assert len(pieces) == 2 * 2 * 6
    assert any(line.startswith("service_001_requests_total{") for line in lines)


METRICS = """\
# TYPE prometheus_rule_group_last_evaluation_timestamp_seconds gauge
prometheus_rule_group_last_evaluation_timestamp_seconds{{rule_group="/rules/a.json;{group}"}} {at}
prometheus_rule_group_last_duration_seconds{{rule_group="/rules/a.json;{group}"}} 0.5
prometheus_rule_group_iterations_missed_total{{rule_group="/rules/a.json;{group}"}} 1
prometheus_rule_evaluation_failures_total{{rule_group="/rules/a.json;{group}"}} 2
prometheus_tsdb_head_series 1234
process_cpu_seconds_total 7
process_resident_memory_bytes 1e+06
"""


def prometheus(group: str) -> httpx.Client:
    """One whose group is evaluated once more each third time that it is asked."""
    asked = itertools.count()

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/metrics":
            return httpx.Response(200, text=METRICS.format(group=group, at=4e9 + next(asked) // 3))
        twice = [{"name": "a:b:c", "evaluationTime": 0.25}, {"name": "a:b:c", "evaluationTime": 0.5}]
        return httpx.Response(200, json={"data": {"groups": [{"rules": twice}]}})

    return httpx.Client(base_url="http://prometheus", transport=httpx.MockTransport(answer))


@pytest.fixture
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement, "POLL_SECONDS", 0.01)


@pytest.mark.usefixtures("_fast")
def test_an_evaluation_counts_once_however_often_it_is_seen() -> None:
    told: list[str] = []
    of = measurement.measure(prometheus("budget"), 15, 0.02, 0.2, lambda step, _: told.append(step))
    moments = [each.at for each in of.evaluations]
    assert len(moments) > 2
    assert moments == sorted(set(moments))
    assert {each.seconds for each in of.evaluations} == {0.5}
    assert (of.series, of.missed, of.failures, of.rules) == (1234, 1, 2, {"a:b:c": 0.75})
    assert set(told) == {"warm-up", "measuring"}


@pytest.mark.usefixtures("_fast")
def test_a_run_without_the_budget_is_none() -> None:
    with pytest.raises(BenchmarkError, match="no evaluation of the group budget was seen in 0 s; measure for longer"):
        measurement.measure(prometheus("services"), 15, 0, 0.05, lambda *_: None)


def measured(evaluations: tuple[Evaluation, ...], missed: int = 0, failures: int = 0) -> Measurement:
    return Measurement(15, evaluations, 1, missed, failures, 0.5, 2**20, {"a:b:c": evaluations[0].seconds})


ROUND = (Evaluation("services", 31, 1), Evaluation("objectives", 44, 2), Evaluation("budget", 40, 9))


def test_a_round_is_all_groups_once_without_the_budget() -> None:
    incomplete = (Evaluation("services", 29, 100), Evaluation("objectives", 46, 100))
    of = measured(ROUND + incomplete)
    assert of.rounds == [3]
    assert of.budget == [9]
    assert measured(ROUND).slowest == ("objectives", 2)


def runs(**of_second: int) -> list[Run]:
    first = Run(6, 100, 50, measured(ROUND))
    plain, times = of_second.pop("plain", 100), of_second.pop("times", 5)
    slower = tuple(Evaluation(each.group, each.at, times * each.seconds) for each in ROUND)
    return [first, Run(60, plain, 500, measured(slower, **of_second))]


def test_ten_times_the_services_at_five_times_the_cost_is_half_the_time_per_service() -> None:
    (_, row) = report.rows(runs())
    cells = dict(zip(report.HEADINGS, row, strict=True))
    assert cells["services"] == "60"
    assert cells["time per service, against the first"] == "0.50"
    assert cells["share of 15 s"] == "100.0%"
    assert cells["slowest group"] == "objectives, 10.00 s"
    assert report.costliest(runs()) == [["a:b:c", "1.00 s", "5.00 s", "0.50"]]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({}, []),
        ({"missed": 2}, ["60 services: 2 iterations missed"]),
        ({"times": 12}, []),
        ({"times": 13}, ["60 services: a service takes 1.30 times the time that it takes with 6; linear is 1"]),
        ({"failures": 3}, ["60 services: 3 evaluations failed"]),
        (
            {"plain": 101},
            ["the number of plain rules depends on the number of services: 100 with 6 services, 101 with 60"],
        ),
    ],
)
def test_a_benchmark_fails_on(wrong: dict[str, int], said: list[str]) -> None:
    found = report.problems(runs(**wrong))
    assert len(found) == len(said)
    assert all(text.startswith(expected) for text, expected in zip(found, said, strict=True))


def test_results_are_written_between_the_marks_alone() -> None:
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    written = report.with_results(text, runs())
    assert written.startswith(f"before\n{report.BEGIN}\n")
    assert written.endswith(f"{report.END}\nafter\n")
    assert "old" not in written
    assert report.with_results(written, runs()) == written
    assert report.with_results(report.PAGE.read_text(), runs()).count("| 60 | 100 + 500 |") == 1


@pytest.mark.parametrize("sizes", ["", "six", "60,6", "6,6", "0"])
def test_wrong_sizes_are_refused_with_an_example(sizes: str) -> None:
    done = CliRunner().invoke(rules.main, ["--sizes", sizes])
    assert done.exit_code == 2
    assert "expected ascending numbers such as 6,60,600" in done.output


(OURS,) = (variant.name for variant in instrumentation.VARIANTS if variant.bound)
(WITHOUT_LINES,) = (item.name for item in instrumentation.VARIANTS if item.make is instrumentation.without_lines)


def costs(latency: float = 60e-6, **served: float) -> instrumentation.Results:
    """Bare: 100 requests a second without lines and 80 with them; the package as said, all others as fast as bare."""
    results = {
        variant.name: instrumentation.Measured([50e-6], [80.0 if variant.access_log else 100.0], [1e-4] * 2)
        for variant in instrumentation.VARIANTS
    }
    results[OURS].served = [served.get("with_lines", 80.0)]
    results[WITHOUT_LINES].served = [served.get("without", 100.0)]
    results[OURS].latencies = [latency]
    return results


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (costs(with_lines=76.1), []),
        (costs(without=90), []),
        (costs(with_lines=75), [OURS, "-6.2%", instrumentation.BARE_WITH_LINES]),
        (costs(latency=101e-6), [OURS, "51.0 µs"]),
    ],
)
def test_the_package_as_it_comes_is_judged_against_the_bare_application_as_that_comes(
    measured: instrumentation.Results, said: list[str]
) -> None:
    found = instrumentation.problems(measured)
    assert len(found) == bool(said)
    assert all(text in found[0] for text in said)


def test_what_lines_cost_against_an_application_without_any_is_told_too() -> None:
    (row,) = (row for row in instrumentation.rows(costs(with_lines=78)) if row[0] == OURS)
    cells = dict(zip(instrumentation.HEADINGS, row, strict=True))
    assert cells["against the bare one like it"] == "-2.5%"
    assert cells["against bare without access lines"] == "-22.0%"
    text = instrumentation.with_results(instrumentation.PAGE.read_text(), costs(with_lines=78))
    assert f"| {OURS} |" in text
