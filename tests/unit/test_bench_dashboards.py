"""What the dashboards' cost is measured on: the data set and the queries."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from benchmarks import dashboard_tables, dashboards, dataset, history, queries, snapshot, stack
from benchmarks.dashboard_tables import Load, Results
from benchmarks.dataset import Extent, Kept, Made
from benchmarks.errors import BenchmarkError
from benchmarks.fleet import grown
from benchmarks.history import Block
from benchmarks.queries import Cost, Query
from benchmarks.snapshot import Seen
from catalogue import Catalogue, Service, load
from facts import ROOT
from report.variables import Period

DAY = 86400
NOON = 1_795_435_200
CATALOGUE = Catalogue(
    services=(
        Service(name="gateway", prefix="gateway", port=1, requires=("order-service",)),
        Service(name="order-service", prefix="order", port=2, requires=("dynamodb",)),
    )
)


# --- the data set ---


def test_only_services_that_need_no_other_are_copied() -> None:
    larger, copy_of = grown(CATALOGUE, 4)
    assert [service.name for service in larger.services] == [
        "gateway",
        "order-service",
        "order-service-2",
        "order-service-3",
    ]
    assert larger.services[3].prefix == "order_3"
    assert copy_of == {"order-service-2": "order-service", "order-service-3": "order-service"}


def test_sixty_services_are_sixty_with_distinct_metrics() -> None:
    larger, _ = grown(load(ROOT / "services.yaml"), 60)
    prefixes = [service.prefix for service in larger.measured]
    assert len(larger.services) == len({service.name for service in larger.services}) == 60
    assert len(prefixes) == len(set(prefixes)) > 40


def seen(name: str, value: float = 1.0, per_second: float = 0.0, **labels: str) -> Seen:
    return Seen({"__name__": name, **labels}, value, per_second, steady=not per_second)


def names(series: Seen, count: int = 3) -> tuple[str, ...]:
    larger, copy_of = grown(CATALOGUE, count)
    return next(dataset.stored([series], larger, copy_of, lambda _: 15, 0)).names


@pytest.mark.parametrize(
    ("series", "copy"),
    [
        (
            seen("order_requests_total", service="order-service", pod="order-service-x1"),
            'order_2_requests_total{pod="order-service-2-x1",service="order-service-2"}',
        ),
        (
            seen("container_network_bytes", pod="order-service-x1"),
            'container_network_bytes{pod="order-service-2-x1"}',
        ),
        (
            seen("kube_deployment_spec_replicas", deployment="order-service"),
            'kube_deployment_spec_replicas{deployment="order-service-2"}',
        ),
    ],
)
def test_a_copy_has_the_names_and_labels_of_its_own(series: Seen, copy: str) -> None:
    assert names(series)[1:] == (copy,)


@pytest.mark.parametrize(
    "series",
    [
        seen("gateway_requests_total", service="gateway"),
        seen("business_orders_total", service="order-service"),
        seen("node_load1", instance="node"),
    ],
)
def test_what_there_is_once_is_not_copied(series: Seen) -> None:
    assert len(names(series)) == 1


def test_labels_with_dots_are_quoted() -> None:
    dotted = Seen({"__name__": "lines", "service.name": 'a"b'}, 1.0, 0.0, steady=True)
    assert names(dotted) == ('lines{"service.name"="a\\"b"}',)


def test_counters_never_fall_and_grow_as_fast_as_they_did() -> None:
    counted = next(dataset.stored([seen("a_total", 7.0, 0.5)], CATALOGUE, {}, lambda _: 15, NOON))
    values = [counted.value(NOON + 15 * step) or 0 for step in range(100)]
    assert values == sorted(values)
    assert values[-1] == int(0.5 * 15 * 99)


def test_gauges_swing_about_what_they_were() -> None:
    gauge = next(dataset.stored([seen("a_bytes", 100.0, 0.5)], CATALOGUE, {}, lambda _: 15, NOON))
    values = [gauge.value(NOON + 60 * minute) or 0 for minute in range(1440)]
    assert 85 < min(values) < max(values) < 115
    assert len(set(values)) > 700


def test_the_samples_of_a_block_are_at_their_steps() -> None:
    series = list(dataset.stored([seen("a_ratio", 1.0)], CATALOGUE, {}, lambda _: 30, NOON))
    lines = "".join(dataset.text(series, Block(NOON + 7, NOON + 127, 2))).splitlines()
    assert [line for line in lines if line.startswith("a_ratio{")] == [
        f"a_ratio{{}} 1 {at}" for at in (NOON + 30, NOON + 60, NOON + 90, NOON + 120)
    ]
    assert lines[-1] == "# EOF"


def test_each_service_has_an_alert_for_ten_minutes_a_day() -> None:
    alerts = [each for each in dataset.stored([], CATALOGUE, {}, lambda _: 15, NOON) if "ALERTS{" in each.names[0]]
    assert len(alerts) == 2
    for each in alerts:
        assert sum(each.value(NOON + 15 * step) is not None for step in range(DAY // 15)) == 40


def made(**changes: Any) -> Made:
    return Made(replace(Extent(60, 15, ("up",), NOON), **changes), 1, 1, ("up",))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"services": 6}, "has a data set of 6 services, 15 days; remove it"),
        ({"days": 1.0}, "has a data set of 60 services, 1 days; remove it"),
        ({"names": ("down",)}, "has a data set of 60 services, 15 days, without up; remove it"),
    ],
)
def test_another_data_set_is_not_measured(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchmarkError, match=said):
        dataset.check(made(**changes), 60, 15, {"up"}, Path("kept"))


def test_a_data_set_that_was_not_finished_is_none(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    assert Kept(tmp_path).made() is None


def test_a_snapshot_is_kept_for_the_names_that_it_has(tmp_path: Path) -> None:
    file = tmp_path / "snapshot.json"
    assert snapshot.read({"up"}, file) is None
    snapshot.write({"up", "down"}, [seen("up")], file)
    assert snapshot.read({"up"}, file) == [seen("up")]
    assert snapshot.read({"up", "else"}, file) is None


def test_the_application_cannot_be_made_smaller() -> None:
    services = load(ROOT / "services.yaml").of_stack(stack.production()).services
    done = CliRunner().invoke(dashboards.main, ["--services", "1"])
    assert done.exit_code == 1
    assert f"--services 1: the application has {len(services)} already" in done.output


# --- the queries ---


def answering(document: dict[str, Any]) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        assert b"stats=true" in request.content
        return httpx.Response(200 if document["status"] == "success" else 422, json=document)

    return httpx.Client(base_url="http://prometheus", transport=httpx.MockTransport(answer))


QUERY = Query("a panel", "up", Period(NOON + 1, NOON + 3601, 15), instant=False)


def test_a_query_costs_what_prometheus_says() -> None:
    samples = {"totalQueryableSamples": 240, "peakSamples": 9}
    data = {"resultType": "matrix", "result": [{}, {}], "stats": {"samples": samples}}
    cost = queries.ask(answering({"status": "success", "data": data}), QUERY)
    assert (cost.samples, cost.peak, cost.series, cost.error) == (240, 9, 2, None)


def test_a_refused_query_is_no_end_of_the_benchmark() -> None:
    cost = queries.ask(answering({"status": "error", "error": "too many samples"}), QUERY)
    assert cost.error == "too many samples"


def test_ranges_begin_and_end_at_multiples_of_the_step() -> None:
    assert QUERY.parameters == {"query": "up", "start": f"{NOON}.000", "end": f"{NOON + 3600}.000", "step": "15"}


# --- the tables ---


def results(seconds: float = 1.0, error: str | None = None, range_: str = "opening") -> Results:
    cost = Cost(seconds, 100, 10, 1, error)
    load = Load("Health", range_, 3600, [QUERY], [cost], seconds, 0.1)
    return Results(made(), [load])


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (results(1.9), []),
        (results(2.1), ["Health, a panel: 2.10 s at the range that it opens with"]),
        (results(2.1, range_="14 d"), []),
        (results(0.1, "too many samples"), ["Health, a panel, opening: too many samples"]),
    ],
)
def test_slow_and_failed_panels_are_found(found: Results, said: list[str]) -> None:
    assert found.findings == said


def test_a_series_that_the_data_set_lacks_is_found() -> None:
    found = Results(made(names=("up", "gone", "u.*")), [])
    assert found.findings == ["Read, but not in the data set: `gone`"]


def test_tables_are_written_between_the_marks_alone() -> None:
    page = dashboard_tables.PAGE.read_text()
    written = dashboard_tables.with_results(page, results(2.1))
    assert "- Health, a panel: 2.10 s" in written
    assert written.partition(dashboard_tables.BEGIN)[0] == page.partition(dashboard_tables.BEGIN)[0]
    assert written.partition(dashboard_tables.END)[2] == page.partition(dashboard_tables.END)[2]


def test_ranges_are_those_that_there_is_data_for() -> None:
    assert dict(dashboard_tables.ranges(3600, 15 * DAY)) == {"opening": 3600, "24 h": DAY, "14 d": 14 * DAY}
    assert dict(dashboard_tables.ranges(DAY, 2 * DAY)) == {"opening": DAY}


def test_an_interruption_ends_the_import_and_leaves_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported: list[int] = []

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    def run_promtool(_: list[str], block: Block, stop: threading.Event) -> None:
        if not stop.is_set():
            imported.append(block.start)

    monkeypatch.setattr(history, "_run_promtool", run_promtool)
    parts = [Block(number, number + 1, 2) for number in range(50)]
    with pytest.raises(KeyboardInterrupt):
        history.import_blocks(tmp_path / "data", parts, lambda _: ["# EOF\n"] * 10_000, interrupted)
    assert 0 < len(imported) < len(parts)
    assert not list(tmp_path.iterdir())
