"""The stand-in exporters: real names, types and labels, healthy numbers."""

from __future__ import annotations

import functools
import itertools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest
import uvicorn
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

import catalogue
from components import cloudwatch
from facts import ROOT
from local.serving import listen
from settings import Aws
from simulation.exporters import cluster
from simulation.exporters.exposition import Family
from simulation.exporters.inventory import application_pods, monitoring_pods
from simulation.exporters.shapes import DAY, EPOCH, HOUR

SERVICES = [service.name for service in catalogue.load(ROOT / "services.yaml").services]
PODS = (*application_pods("order-processor", SERVICES), *monitoring_pods())
PAGES = cluster.pages(PODS)
NOW = EPOCH + 300 * DAY


@functools.cache
def families(now: float = NOW) -> dict[str, Family]:
    return {family.name: family for page in PAGES.values() for family in page(now)}


def rows(name: str, now: float = NOW, **matching: str) -> list[tuple[dict[str, str], float]]:
    """Labels and value of every sample of a series that has the given labels."""
    family = families(now)[name]
    found = [(dict(zip(family.labels, values, strict=True)), number) for values, number in family.samples]
    return [(labels, number) for labels, number in found if matching.items() <= labels.items()]


def value(name: str, now: float = NOW, **matching: str) -> float:
    ((_, number),) = rows(name, now, **matching)
    return number


@contextmanager
def serving(application: Starlette) -> Iterator[httpx.Client]:
    """A client of the application, served over real HTTP by a thread."""
    with listen(0, "--port") as listener:
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", trust_env=False) as client:
                yield client
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="module")
def served_cluster() -> Iterator[httpx.Client]:
    with serving(cluster.application(PODS)) as client:
        yield client


@pytest.fixture
def client(served_cluster: httpx.Client) -> httpx.Client:
    assert served_cluster.delete("/_set").status_code == 204
    return served_cluster


def scraped(client: httpx.Client, path: str) -> dict[str, Metric]:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {metric.name: metric for metric in text_string_to_metric_families(answer.text)}


# What is served -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exporter", PAGES)
def test_pages_are_valid_and_say_everything_once(client: httpx.Client, exporter: str) -> None:
    metrics = scraped(client, f"/{exporter}/metrics")
    served = [family for family in PAGES[exporter](NOW) if family.samples]
    assert sum(len(metric.samples) for metric in metrics.values()) == sum(len(family.samples) for family in served)
    assert not said_twice(metrics), "a scrape with a duplicate sample is rejected"


def said_twice(metrics: dict[str, Metric]) -> set[tuple[object, ...]]:
    samples = [(sample.name, *sorted(sample.labels.items())) for m in metrics.values() for sample in m.samples]
    return {sample for sample in samples if samples.count(sample) > 1}


def snake(name: str) -> str:
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def test_cloudwatch_series_are_exactly_those_the_program_asks_for() -> None:
    stack = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"]["order-processor-monitoring:stack"]
    asked = {"aws_billing_estimated_charges_maximum"}
    for job in cloudwatch.jobs(Aws.model_validate(stack["aws"])):
        prefix = f"aws_{job.namespace.removeprefix('AWS/').lower()}_"
        for metric, statistics in job.statistics.items():
            asked |= {f"{prefix}{snake(metric)}_{snake(statistic)}" for statistic in statistics}
    served = {family.name for family in PAGES["cloudwatch"](NOW) if family.name.startswith("aws_")}
    assert served == asked


def test_every_service_of_the_catalogue_has_a_running_pod_with_limits() -> None:
    for service in SERVICES:
        pod = f"{service}-rehearsal"
        assert value("kube_pod_status_phase", pod=pod, phase="Running") == 1
        assert value("kube_deployment_status_replicas_ready", deployment=service) == 1
        assert value("kube_pod_container_resource_limits", pod=pod, resource="memory") > 0
        assert rows("container_memory_working_set_bytes", pod=pod, container=service)


def test_pod_is_the_same_everywhere() -> None:
    known = {(labels["namespace"], labels["pod"]) for labels, _ in rows("kube_pod_info")}
    measured = {(labels["namespace"], labels["pod"]) for labels, _ in rows("container_memory_working_set_bytes")}
    assert measured == known | {("", "")}, "cAdvisor adds the node's root cgroup"


# Healthy numbers ----------------------------------------------------------------------------------------------------

MOMENTS = [NOW + step * HOUR / 7 for step in range(0, 40, 6)] + [NOW + step * DAY for step in range(1, 31, 5)]


@pytest.mark.parametrize("now", MOMENTS)
def test_numbers_stay_within_healthy_limits(now: float) -> None:
    for labels, size in rows("kubelet_volume_stats_capacity_bytes", now):
        claim = labels["persistentvolumeclaim"]
        assert value("kubelet_volume_stats_available_bytes", now, persistentvolumeclaim=claim) > 0.4 * size
    for pod in PODS:
        used = value("container_memory_working_set_bytes", now, pod=pod.name, container=pod.container)
        assert used < 0.7 * pod.memory_limit
    assert value("aws_billing_estimated_charges_maximum", now, dimension_service_name="") < 200


def test_counters_only_grow() -> None:
    counters = [name for name, family in families().items() if family.kind == "counter"]
    assert len(counters) > 10
    for earlier, later in itertools.pairwise(MOMENTS):
        for name in counters:
            before = dict(families(earlier)[name].samples)
            assert all(number >= before[labels] for labels, number in families(later)[name].samples), name


def test_containers_use_half_of_their_cpu_limit_at_most() -> None:
    for pod in PODS:
        used = [
            value("container_cpu_usage_seconds_total", now, pod=pod.name, container=pod.container)
            for now in (NOW, NOW + 60)
        ]
        assert (used[1] - used[0]) / 60 < 0.5 * pod.cpu_limit


def test_month_to_date_charges_add_up() -> None:
    charges = rows("aws_billing_estimated_charges_maximum", dimension_currency="USD")
    total = value("aws_billing_estimated_charges_maximum", dimension_service_name="")
    assert sum(amount for labels, amount in charges if labels["dimension_service_name"]) == pytest.approx(total)


# Overrides ----------------------------------------------------------------------------------------------------------


def sample(client: httpx.Client, exporter: str, series: str, **matching: str) -> float:
    samples = [sample for metric in scraped(client, f"/{exporter}/metrics").values() for sample in metric.samples]
    (found,) = [each for each in samples if each.name == series and matching.items() <= each.labels.items()]
    return float(found.value)


def test_gauge_is_set_for_the_samples_with_the_given_labels_alone(client: httpx.Client) -> None:
    labels = {"persistentvolumeclaim": "storage-loki-0"}
    setting = {"series": "kubelet_volume_stats_available_bytes", "labels": labels, "value": 1}
    assert client.post("/_set", json=setting).json() == {"samples": 1}
    assert sample(client, "kubelet", "kubelet_volume_stats_available_bytes", **labels) == 1
    other = {"persistentvolumeclaim": "kube-prometheus-stack-grafana"}
    assert sample(client, "kubelet", "kubelet_volume_stats_available_bytes", **other) > 1
    assert client.delete("/_set").status_code == 204
    assert sample(client, "kubelet", "kubelet_volume_stats_available_bytes", **labels) > 1


def test_counter_grows_faster_from_where_it_is(client: httpx.Client) -> None:
    labels = {"pod": "order-service-rehearsal", "container": "order-service"}
    series = "container_cpu_usage_seconds_total"
    before = sample(client, "cadvisor", series, **labels)
    started = time.time()
    client.post("/_set", json={"series": series, "labels": labels, "per_second": 1000})
    time.sleep(0.1)
    grown = sample(client, "cadvisor", series, **labels) - before
    assert 100 <= grown <= 1000 * (time.time() - started) + 1


def test_series_that_exists_only_in_trouble_can_be_added(client: httpx.Client) -> None:
    series = "kube_pod_container_status_last_terminated_reason"
    ((labels, _),) = rows("kube_pod_container_status_restarts_total", pod="gateway-rehearsal")
    partial = {"series": series, "labels": {"pod": "gateway-rehearsal"}, "value": 1}
    refusal = client.post("/_set", json=partial)
    assert refusal.status_code == 404
    assert "namespace, uid, container, reason" in refusal.json()["error"]
    complete = {"series": series, "labels": {**labels, "reason": "OOMKilled"}, "value": 1}
    assert client.post("/_set", json=complete).status_code == 200
    assert sample(client, "kube-state-metrics", series, reason="OOMKilled") == 1


def test_what_was_set_of_a_series_can_be_taken_back_by_its_labels(client: httpx.Client) -> None:
    series = "container_memory_working_set_bytes"
    leaking, other = ({"container": f"{name}-service"} for name in ("order", "user"))
    for labels in (leaking, other):
        client.post("/_set", json={"series": series, "labels": labels, "value": 1})
    assert client.delete("/_set", params={**leaking, "series": series}).status_code == 204
    assert sample(client, "cadvisor", series, **leaking) > 1
    assert sample(client, "cadvisor", series, **other) == 1


def test_pods_of_a_roll_out_do_not_become_ready(client: httpx.Client) -> None:
    assert client.post("/_pods/order-service", json={"count": 40}).json() == {"pods": 40}
    assert client.post("/_pods/user-service", json={"crashing": True}).json() == {"pods": 1}
    metrics = scraped(client, "/kube-state-metrics/metrics")
    ready = {
        each.labels["pod"]: each.value
        for each in metrics["kube_pod_status_ready"].samples
        if each.labels["condition"] == "true" and each.labels["pod"].startswith(("order-", "user-"))
    }
    assert len(ready) == 40 + 1 + 2
    assert {pod for pod, value in ready.items() if value} == {"order-service-rehearsal", "user-service-rehearsal"}
    owners = {each.labels["created_by_name"] for each in metrics["kube_pod_info"].samples}
    assert len([owner for owner in owners if owner.startswith("order-service-")]) == 2, "one of each version"
    (waiting,) = metrics["kube_pod_container_status_waiting_reason"].samples
    assert (waiting.labels["container"], waiting.labels["reason"]) == ("user-service", "CrashLoopBackOff")
    assert not said_twice(metrics)
    assert not said_twice(scraped(client, "/cadvisor/metrics"))
    for service in ("order-service", "user-service"):
        assert client.delete(f"/_pods/{service}").status_code == 204
    metrics = scraped(client, "/kube-state-metrics/metrics")
    assert metrics["kube_pod_container_status_waiting_reason"].samples == []


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/_pods/nobody", {}, 404, "no pod of nobody runs"),
        ("/_pods/gateway", {"count": 0}, 400, "count must be 1 to 100, not 0"),
        ("/_pods/gateway", {"crashing": 1}, 400, "crashing must be true or false, not 1"),
        ("/_pods/gateway", {"pods": 1}, 400, "a JSON object with count, crashing"),
    ],
)
def test_wrong_roll_out_says_what_is_wrong(
    client: httpx.Client, path: str, body: object, status: int, message: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == status
    assert message in answer.json()["error"]


@pytest.mark.parametrize(
    ("setting", "status", "message"),
    [
        ({"series": "kube_pod_inf", "value": 1}, 404, "did you mean kube_pod_info?"),
        ({"series": "grafana_stat_totals_dashboard", "labels": {"cpu": "0"}, "value": 1}, 404, "no label cpu"),
        ({"series": "grafana_stat_totals_dashboard"}, 400, "give a value"),
        ({"series": "grafana_stat_totals_dashboard", "value": "1"}, 400, "value must be"),
        ({"series": "grafana_stat_totals_dashboard", "labels": {"cpu": 0}, "value": 1}, 400, "labels must be"),
        ({"series": "grafana_stat_totals_dashboard", "value": 1, "unit": "s"}, 400, "unit"),
        ([], 400, "JSON object"),
    ],
)
def test_wrong_setting_says_what_is_wrong(client: httpx.Client, setting: object, status: int, message: str) -> None:
    answer = client.post("/_set", json=setting)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_unknown_exporter_is_not_found(client: httpx.Client) -> None:
    assert client.get("/etcd/metrics").status_code == 404


def test_port_in_use_is_one_clear_line() -> None:
    with listen(0, "--port") as first:
        port = first.getsockname()[1]
        with pytest.raises(SystemExit) as refusal:
            listen(port, "--port")
    assert str(refusal.value).startswith(f"cannot listen on 127.0.0.1:{port}")
