"""The stand-in exporters: real names, types and labels, healthy numbers, real probes."""

from __future__ import annotations

import functools
import itertools
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import uvicorn
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

import catalogue
from components import cloudwatch
from rehearsal.exporters import blackbox, cluster
from rehearsal.exporters.exposition import Family
from rehearsal.exporters.inventory import application_pods, monitoring_pods
from rehearsal.exporters.shapes import DAY, EPOCH, HOUR
from rehearsal.serving import listen
from settings import Aws

DEADLINE_SECONDS = 10
ROOT = Path(__file__).parents[2]
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

EXPECTED = {
    "node-exporter": {
        "node_cpu_seconds_total": "counter cpu mode",
        "node_memory_MemAvailable_bytes": "gauge",
        "node_memory_MemTotal_bytes": "gauge",
        "node_filesystem_avail_bytes": "gauge device device_error fstype mountpoint",
        "node_filesystem_size_bytes": "gauge device device_error fstype mountpoint",
        "node_network_receive_bytes_total": "counter device",
        "node_network_transmit_errs_total": "counter device",
        "node_disk_io_time_seconds_total": "counter device",
        "node_disk_written_bytes_total": "counter device",
        "node_load1": "gauge",
        "node_netstat_Tcp_RetransSegs": "untyped",
        "node_vmstat_oom_kill": "untyped",
        "node_nf_conntrack_entries": "gauge",
        "node_nf_conntrack_entries_limit": "gauge",
        "node_uname_info": "gauge domainname machine nodename release sysname version",
    },
    "kube-state-metrics": {
        "kube_pod_info": "gauge namespace pod uid host_ip pod_ip node created_by_kind created_by_name "
        "priority_class host_network",
        "kube_pod_status_phase": "gauge namespace pod uid phase",
        "kube_pod_status_ready": "gauge namespace pod uid condition",
        "kube_pod_status_scheduled": "gauge namespace pod uid condition",
        "kube_pod_container_status_restarts_total": "counter namespace pod uid container",
        "kube_pod_container_resource_requests": "gauge namespace pod uid container node resource unit",
        "kube_pod_container_resource_limits": "gauge namespace pod uid container node resource unit",
        "kube_pod_container_status_waiting_reason": "gauge namespace pod uid container reason",
        "kube_pod_container_status_last_terminated_reason": "gauge namespace pod uid container reason",
        "kube_pod_container_status_last_terminated_timestamp": "gauge namespace pod uid container",
        "kube_replicaset_created": "gauge namespace replicaset",
        "kube_deployment_spec_replicas": "gauge namespace deployment",
        "kube_deployment_status_replicas": "gauge namespace deployment",
        "kube_deployment_status_replicas_available": "gauge namespace deployment",
        "kube_statefulset_status_replicas_ready": "gauge namespace statefulset",
        "kube_deployment_status_replicas_updated": "gauge namespace deployment",
        "kube_statefulset_replicas": "gauge namespace statefulset",
        "kube_statefulset_status_replicas_updated": "gauge namespace statefulset",
        "kube_daemonset_status_desired_number_scheduled": "gauge namespace daemonset",
        "kube_daemonset_status_number_ready": "gauge namespace daemonset",
        "kube_daemonset_status_updated_number_scheduled": "gauge namespace daemonset",
        "kube_pod_container_status_waiting": "gauge namespace pod uid container",
        "kube_node_status_condition": "gauge node condition status",
        "kube_node_status_allocatable": "gauge node resource unit",
    },
    "kubelet": {
        "kubelet_volume_stats_available_bytes": "gauge namespace persistentvolumeclaim",
        "kubelet_volume_stats_capacity_bytes": "gauge namespace persistentvolumeclaim",
        "kubelet_volume_stats_inodes_free": "gauge namespace persistentvolumeclaim",
        "kubelet_running_pods": "gauge",
    },
    "cadvisor": {
        "container_cpu_usage_seconds_total": "counter container id image name namespace pod cpu",
        "container_memory_working_set_bytes": "gauge container id image name namespace pod",
        "container_cpu_cfs_periods_total": "counter container id image name namespace pod",
        "container_cpu_cfs_throttled_periods_total": "counter container id image name namespace pod",
        "container_network_receive_bytes_total": "counter container id image name namespace pod interface",
    },
    "cloudwatch": {
        "aws_dynamodb_consumed_read_capacity_units_sum": "gauge name region account_id dimension_table_name",
        "aws_dynamodb_throttled_requests_sum": "gauge name region account_id dimension_table_name dimension_operation",
        "aws_eks_apiserver_request_total_5_xx_sum": "gauge name region account_id dimension_cluster_name",
        "aws_eks_apiserver_request_duration_seconds_get_p99_average": "gauge name region account_id "
        "dimension_cluster_name",
        "aws_networkelb_processed_bytes_sum": "gauge name region account_id dimension_load_balancer",
        "aws_networkelb_tcp_target_reset_count_sum": "gauge name region account_id dimension_load_balancer",
        "aws_elasticache_evictions_sum": "gauge name region account_id dimension_cache_cluster_id",
        "aws_billing_estimated_charges_maximum": "gauge name region account_id dimension_currency "
        "dimension_service_name",
        "yace_cloudwatch_requests_total": "counter api_name",
        "yace_cloudwatch_request_errors": "counter api_name",
    },
    "operator": {
        "prometheus_operator_managed_resources": "gauge controller resource state",
        "prometheus_operator_reconcile_errors_total": "counter controller",
        "prometheus_operator_reconcile_operations_total": "counter controller",
    },
    "grafana": {
        "grafana_http_request_duration_seconds_bucket": "counter handler le method slo_group status_code status_source",
        "grafana_plugin_request_total": "counter endpoint plugin_id status status_source target",
        "grafana_stat_totals_dashboard": "gauge",
    },
    "kubernetes-events": {
        "otelcol_exporter_queue_capacity": "gauge data_type exporter",
        "otelcol_exporter_queue_size": "gauge data_type exporter",
        "otelcol_process_cpu_seconds": "counter",
        "otelcol_process_memory_rss": "gauge",
    },
    "kube-state-metrics-own": {
        "kube_state_metrics_list_total": "counter resource result",
        "kube_state_metrics_watch_total": "counter resource result",
    },
}


@pytest.mark.parametrize("exporter", EXPECTED)
def test_families_have_the_real_exporters_names_types_and_labels(exporter: str) -> None:
    served = {family.name: family for family in PAGES[exporter](NOW)}
    for name, signature in EXPECTED[exporter].items():
        kind, *labels = signature.split()
        assert name in served
        assert (served[name].kind, set(served[name].labels)) == (kind, set(labels)), name


@pytest.mark.parametrize("exporter", PAGES)
def test_pages_are_valid_and_say_everything_once(client: httpx.Client, exporter: str) -> None:
    metrics = scraped(client, f"/{exporter}/metrics")
    served = [family for family in PAGES[exporter](NOW) if family.samples]
    assert sum(len(metric.samples) for metric in metrics.values()) == sum(len(family.samples) for family in served)
    samples = [(sample.name, *sorted(sample.labels.items())) for m in metrics.values() for sample in m.samples]
    assert len(samples) == len(set(samples)), "a scrape with a duplicate sample is rejected"


def snake(name: str) -> str:
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


def test_cloudwatch_series_are_exactly_those_the_program_asks_for() -> None:
    stack = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"]["order-processor-monitoring:stack"]
    asked = {"aws_billing_estimated_charges_maximum", "aws_dynamodb_info"}
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
        assert value("kube_deployment_status_replicas_available", deployment=service) == 1
        assert value("kube_pod_container_resource_limits", pod=pod, resource="memory") > 0
        assert rows("container_memory_working_set_bytes", pod=pod, container=service)


def test_pod_is_the_same_everywhere() -> None:
    known = {(labels["namespace"], labels["pod"]) for labels, _ in rows("kube_pod_info")}
    measured = {(labels["namespace"], labels["pod"]) for labels, _ in rows("container_memory_working_set_bytes")}
    assert measured == known | {("", "")}, "cAdvisor adds the node's root cgroup"
    claims = {labels["persistentvolumeclaim"] for labels, _ in rows("kubelet_volume_stats_used_bytes")}
    assert claims == {labels["persistentvolumeclaim"] for labels, _ in rows("kube_persistentvolumeclaim_status_phase")}


# Healthy numbers ----------------------------------------------------------------------------------------------------

MOMENTS = [NOW + step * HOUR / 7 for step in range(0, 40, 6)] + [NOW + step * DAY for step in range(1, 31, 5)]


@pytest.mark.parametrize("now", MOMENTS)
def test_numbers_stay_within_healthy_limits(now: float) -> None:
    assert value("node_memory_MemAvailable_bytes", now) > 0.5 * value("node_memory_MemTotal_bytes", now)
    for labels, size in rows("node_filesystem_size_bytes", now):
        assert value("node_filesystem_avail_bytes", now, mountpoint=labels["mountpoint"]) > 0.4 * size
    for labels, size in rows("kubelet_volume_stats_capacity_bytes", now):
        claim = labels["persistentvolumeclaim"]
        assert value("kubelet_volume_stats_available_bytes", now, persistentvolumeclaim=claim) > 0.4 * size
    for pod in PODS:
        used = value("container_memory_working_set_bytes", now, pod=pod.name, container=pod.container)
        assert used < 0.7 * pod.memory_limit
    assert value("aws_billing_estimated_charges_maximum", now, dimension_service_name="") < 200


def test_counters_only_grow() -> None:
    counters = [name for name, family in families().items() if family.kind == "counter"]
    assert len(counters) > 30
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


def test_cores_are_idle_for_exactly_the_time_they_are_not_busy() -> None:
    modes = rows("node_cpu_seconds_total", cpu="0")
    assert sum(seconds for _, seconds in modes) == pytest.approx(NOW - EPOCH)
    assert {labels["mode"]: seconds for labels, seconds in modes}["idle"] > 0.7 * (NOW - EPOCH)


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


@pytest.mark.parametrize(
    ("setting", "status", "message"),
    [
        ({"series": "node_uname", "value": 1}, 404, "did you mean node_uname_info?"),
        ({"series": "node_load1", "labels": {"cpu": "0"}, "value": 1}, 404, "no label cpu"),
        ({"series": "node_load1"}, 400, "give a value"),
        ({"series": "node_load1", "value": "1"}, 400, "value must be"),
        ({"series": "node_load1", "labels": {"cpu": 0}, "value": 1}, 400, "labels must be"),
        ({"series": "node_load1", "value": 1, "unit": "s"}, 400, "unit"),
        ([], 400, "JSON object"),
    ],
)
def test_wrong_setting_says_what_is_wrong(client: httpx.Client, setting: object, status: int, message: str) -> None:
    answer = client.post("/_set", json=setting)
    assert answer.status_code == status
    assert message in answer.json()["error"]


def test_unknown_exporter_is_not_found(client: httpx.Client) -> None:
    assert client.get("/etcd/metrics").status_code == 404


# Blackbox -----------------------------------------------------------------------------------------------------------


class Health(BaseHTTPRequestHandler):
    over = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/hangs":
            self.over.wait(DEADLINE_SECONDS)
            return
        status = 503 if self.path == "/broken" else 200
        body = self.headers["Host"].encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def service() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        yield server.server_port
        Health.over.set()
        server.shutdown()


@pytest.fixture(scope="module")
def prober() -> Iterator[httpx.Client]:
    with service() as port:
        names = {
            "order-service.order-processor.svc:8002": f"127.0.0.1:{port}",
            "stopped.order-processor.svc:8002": "127.0.0.1:1",
        }
        with serving(blackbox.application(names)) as client:
            yield client


def probed(prober: httpx.Client, target: str, headers: dict[str, str] | None = None) -> dict[str, float]:
    answer = prober.get("/probe", params={"target": target, "module": "http_2xx"}, headers=headers)
    assert answer.status_code == 200, answer.text
    return {
        sample.name + "".join(sample.labels.values()): sample.value
        for metric in text_string_to_metric_families(answer.text)
        for sample in metric.samples
    }


def test_probe_of_a_healthy_service_succeeds_with_its_phases(prober: httpx.Client) -> None:
    seen = probed(prober, "http://order-service.order-processor.svc:8002/health")
    assert seen["probe_success"] == 1
    assert seen["probe_http_status_code"] == 200
    assert seen["probe_ip_protocol"] == 4
    assert seen["probe_failed_due_to_regex"] == 0
    assert seen["probe_http_content_length"] == len("order-service.order-processor.svc:8002"), "the Host it asked for"
    phases = ("resolve", "connect", "tls", "processing", "transfer")
    assert seen["probe_dns_lookup_time_seconds"] == seen["probe_http_duration_secondsresolve"]
    assert seen["probe_http_duration_secondsprocessing"] > 0
    assert sum(seen[f"probe_http_duration_seconds{phase}"] for phase in phases) <= seen["probe_duration_seconds"]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://order-service.order-processor.svc:8002/broken", 503),
        ("http://stopped.order-processor.svc:8002/health", 0),
        ("http://unknown.order-processor.svc:8002/health", 0),
        ("http://order-service.order-processor.svc:9999/health", 0),
        ("https://order-service.order-processor.svc:8002/health", 0),
        ("http://[", 0),
    ],
)
def test_probe_fails_for_what_is_broken_stopped_or_unknown(prober: httpx.Client, target: str, status: int) -> None:
    seen = probed(prober, target)
    assert seen["probe_success"] == 0
    assert seen["probe_http_status_code"] == status


def test_probe_gives_up_before_its_scraper_does(prober: httpx.Client) -> None:
    headers = {"X-Prometheus-Scrape-Timeout-Seconds": "0.7"}
    seen = probed(prober, "http://order-service.order-processor.svc:8002/hangs", headers)
    assert seen["probe_success"] == 0
    assert seen["probe_duration_seconds"] == pytest.approx(0.2, abs=0.15)


def test_wrong_probes_are_refused_and_counted(prober: httpx.Client) -> None:
    unknown = prober.get("/probe", params={"target": "http://127.0.0.1", "module": "icmp"})
    assert (unknown.status_code, unknown.text.strip()) == (400, 'Unknown module "icmp"')
    assert prober.get("/probe", params={"module": "http_2xx"}).status_code == 400
    metrics = scraped(prober, "/metrics")
    assert metrics["blackbox_exporter_build_info"].samples[0].value == 1
    assert metrics["blackbox_module_unknown"].samples[0].value > 0


def test_port_in_use_is_one_clear_line() -> None:
    with listen(0, "--port") as first:
        port = first.getsockname()[1]
        with pytest.raises(SystemExit) as refusal:
            listen(port, "--port")
    assert str(refusal.value).startswith(f"cannot listen on 127.0.0.1:{port}")
