"""The queries of the panels: PromQL, and what they answer to given series."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from checks.dashboard_json import BOARDS, expanded, panels, queries
from checks.dashboard_rules import (
    promql_parses,
    promtool,
)


@pytest.mark.parametrize("uid", BOARDS)
def test_every_query_is_promql(uid: str, tmp_path: Path) -> None:
    assert promql_parses(BOARDS[uid], tmp_path) == []


def test_broken_promql_is_reported(tmp_path: Path) -> None:
    board = json.loads(json.dumps(BOARDS["system-health"]))
    next(panels(board))["targets"][0].update(expr="sum by (service (up)")
    assert "parse error" in promql_parses(board, tmp_path)[0]


AN_ALERTMANAGER = 'job="kube-prometheus-stack-alertmanager"'

SENT = ("total", "failed_total")

BUDGET = "service:slo_error_budget_remaining:ratio"

QUERY_CASES = [
    pytest.param(
        "system-health",
        "Service status",
        {
            'service:up:ratio{service="up"}': "1x60",
            'service:probe_success:ratio{service="up"}': "1x60",
            'service:up:ratio{service="half up"}': "0.5x60",
            'service:probe_success:ratio{service="half up"}': "1x60",
            'service:up:ratio{service="failing its probe"}': "1x60",
            'service:probe_success:ratio{service="failing its probe"}': "0x60",
            'service:up:ratio{service="not probed"}': "1x60",
            'service:probe_success:ratio{service="without metrics"}': "1x60",
        },
        {
            '{service="up"}': 1,
            '{service="half up"}': 0.5,
            '{service="failing its probe"}': 0,
            '{service="not probed"}': 1,
            '{service="without metrics"}': 1,
        },
        id="a service is as healthy as its targets, and down if its probe fails; either may be missing",
    ),
    pytest.param(
        "service-detail",
        "Failing endpoints",
        {
            "up": "1x60",
            'order_requests_total{service="a", endpoint="/born", status_code="500"}': "_x30 1x30",
            'order_requests_total{service="a", endpoint="/grown", status_code="503"}': "3x29 7x30",
            'order_requests_total{service="a", endpoint="/restarted", status_code="500"}': "8x29 0+1x30",
            'order_requests_total{service="a", endpoint="/old", status_code="500"}': "5x60",
            'order_requests_total{service="a", endpoint="/client", status_code="404"}': "_x30 9x30",
        },
        {
            '{service="a", route="/born", status_code="500"}': 1,
            '{service="a", route="/grown", status_code="503"}': 4,
            '{service="a", route="/restarted", status_code="500"}': 30 * 36 / 35,
        },
        id="the first error of a path counts, and what came after a restart; old errors and clients' errors do not",
    ),
    pytest.param(
        "service-detail",
        "Failing endpoints",
        {
            'up{instance="1"}': "1x23 0 1x35",
            'order_requests_total{service="a", endpoint="/a", status_code="500", instance="1"}': "50000x23 _ 50000x35",
            'up{instance="2"}': "_x40 1x19",
            'order_requests_total{service="a", endpoint="/b", status_code="500", instance="2"}': "_x40 50000x19",
            'up{instance="3"}': "1x50 _x9",
            'order_requests_total{service="a", endpoint="/c", status_code="500", instance="3"}': "0x29 400x20 _x10",
        },
        {'{service="a", route="/c", status_code="500"}': 400 * 255 / 250},
        id="errors of a pod that is gone count; those from before a gap, or before the data begin, do not",
    ),
    pytest.param(
        "service-detail",
        "Requests by endpoint",
        {"up": "1x60"}
        | {
            f'order_requests_total{{service="a", endpoint="{path}", status_code="200"}}': f"_x30 {count}x30"
            for path, count in {
                "/api/v1/orders/{order_id}": 1,
                "/orders/8f14e45f-ceea-467f-9575-4a1dcf9e1f6b": 2,
                "/orders/c9f0f895-fb98-4b91-a3d8-5b1a1d1e2f3a": 3,
                "/orders/17/cancel": 4,
                "/orders/18/cancel": 5,
                "/assets/BTC/balance": 6,
                "/assets/ETH2": 7,
                "/": 8,
                "/users/u1a2b3": 9,
                "/users/u1a2": 10,
            }.items()
        },
        {
            f'{{service="a", route="{route}", status_code="200"}}': count
            for route, count in {
                "/api/v1/orders/{order_id}": 1,
                "/orders/{id}": 5,
                "/orders/{id}/cancel": 9,
                "/assets/BTC/balance": 6,
                "/assets/ETH2": 7,
                "/": 8,
                "/users/{id}": 9,
                "/users/u1a2": 10,
            }.items()
        },
        id="paths that differ in an id are one, and routes stay as they are",
    ),
    pytest.param(
        "service-detail",
        "Dependencies",
        {
            'service:dependency:info{service="a", dependency="redis"}': "1x60",
            'service:dependency:info{service="a", dependency="b"}': "1x60",
            'service:dependency:info{service="a", dependency="without metrics"}': "1x60",
            'service:dependency:info{service="a", dependency="dynamodb"}': "1x60",
            'service:used_dependency:info{service="a", dependency="c"}': "1x60",
            'service:used_dependency:info{service="a", dependency="cache"}': "1x60",
            'order_dependency_up{service="a", dependency="redis", pod="1"}': "1x60",
            'order_dependency_up{service="a", dependency="redis", pod="2"}': "0x60",
            'service:up:ratio{service="b"}': "0.5x60",
            'service:up:ratio{service="c"}': "0x60",
            'service:probe_success:ratio{service="b"}': "1x60",
            'service:probe_success:ratio{service="without metrics"}': "1x60",
        },
        {
            '{service="a", dependency="redis"}': 0,
            '{service="a", dependency="b"}': 0.5,
            '{service="a", dependency="without metrics"}': 1,
            '{service="a", dependency="dynamodb"}': -1,
            '{service="a", dependency="c"}': 0,
            '{service="a", dependency="cache"}': -1,
        },
        id="a dependency is as the service says, else as it answers, else unknown",
    ),
    pytest.param(
        "service-detail",
        "Calls that the gateway could not complete",
        {
            'service:expected:info{service="order-service"}': "1x60",
            'gateway_proxy_errors_total{service="gateway", namespace="n", target_service="order_service", '
            'error_type="request_failed"}': "0+600x60",
            'gateway_proxy_errors_total{service="gateway", namespace="n", target_service="other_service", '
            'error_type="request_failed"}': "0+600x60",
        },
        {'{service="order-service", error_type="request_failed"}': 60},
        id="the gateway's name of a service is not the catalogue's",
    ),
    pytest.param(
        "service-detail",
        "Deployments",
        {
            'kube_replicaset_owner{namespace="n", replicaset="a-1", owner_kind="Deployment", owner_name="a"}': "1x60",
            'kube_replicaset_owner{namespace="n", replicaset="a-2", owner_kind="Deployment", owner_name="a"}': "1x60",
            'kube_replicaset_owner{namespace="n", replicaset="b-1", owner_kind="Deployment", owner_name="b"}': "1x60",
            'kube_replicaset_created{namespace="n", replicaset="a-1"}': "100x60",
            'kube_replicaset_created{namespace="n", replicaset="a-2"}': "35950x60",
            'kube_replicaset_created{namespace="n", replicaset="b-1"}': "35860x60",
        },
        {'{namespace="n", replicaset="a-2", owner_name="a"}': 35950e3},
        id="a deployment is marked at the moment of its new replica set, until it has surely been scraped",
    ),
    pytest.param(
        "system-health",
        "Error budget left",
        {
            **{
                f'{BUDGET}{{service="{service}", sli="latency"}}': "0.9x60"
                for service in ("stopped", "failing", "well")
            },
            'service:probe_success:ratio{service="stopped"}': "0x60",
            'service:up:ratio{service="failing"}': "1x60",
            'service:up:ratio{service="well"}': "1x60",
            'service:http_errors:ratio_rate5m{service="stopped"}': "1x60",
            'service:http_errors:ratio_rate5m{service="failing"}': "0.06x60",
            'service:http_errors:ratio_rate5m{service="well"}': "0.04x60",
        },
        {
            f'{BUDGET}{{service="stopped", sli="latency", name="down now: stopped latency"}}': 0.9,
            f'{BUDGET}{{service="failing", sli="latency", name="failing now: failing latency"}}': 0.9,
            f'{BUDGET}{{service="well", sli="latency", name="well latency"}}': 0.9,
        },
        id="a budget says once of each service whether it is down or failing now",
    ),
    pytest.param(
        "system-health",
        "Firing alerts",
        {
            f'{series}, alertname="{name}", severity="{severity}", {owner}}}': f"{value}x60"
            for name, state, severity, owner in (
                ("HighErrorRate", "firing", "critical", 'service="a"'),
                ("NodeDown", "firing", "warning", 'owner="platform"'),
                ("LatencyDegraded", "pending", "warning", 'service="a"'),
                ("Watchdog", "firing", "none", 'owner="platform"'),
            )
            for series, value in ((f'ALERTS{{alertstate="{state}"', 1), ('ALERTS_FOR_STATE{job=""', 1700000000))
        },
        {
            '{alertname="HighErrorRate", rank="1 critical", service="a"}': 1700000000e3,
            '{alertname="NodeDown", rank="2 warning", owner="platform"}': 1700000000e3,
        },
        id="firing alerts of the service and of the platform, by the millisecond since they are active",
    ),
    pytest.param(
        "monitoring",
        "Notification latency P95",
        {
            f'alertmanager_notification_latency_seconds_bucket{{job="kube-prometheus-stack-alertmanager", '
            f'integration="{channel}", le="{bound}"}}': f"{values}x60"
            for bound in ("1.0", "+Inf")
            for channel, values in (("slack", "0+600"), ("email", "7+0"))
        },
        {'{integration="slack"}': 0.95},
        id="a channel that notified nobody has no latency, which is not NaN",
    ),
    pytest.param(
        "infrastructure",
        "Last terminations",
        {
            'kube_pod_container_status_last_terminated_reason{namespace="n", pod="a-1", container="a", '
            'reason="OOMKilled"}': "1x60",
            'kube_pod_container_status_last_terminated_timestamp{namespace="n", pod="a-1", container="a"}': "1700x60",
            'kube_pod_container_status_last_terminated_timestamp{namespace="n", pod="b-1", container="b"}': "1800x60",
        },
        {'{container="a", pod="a-1", reason="OOMKilled"}': 1700e3},
        id="a container is there with its reason, at the millisecond that it ended",
    ),
    pytest.param(
        "infrastructure",
        "Failed runtime calls",
        {
            'kubelet_runtime_operations_total{node="a", operation_type="list_containers"}': "0+600x60",
            'kubelet_runtime_operations_total{node="b", operation_type="list_containers"}': "0+600x60",
            'kubelet_runtime_operations_errors_total{node="b", operation_type="pull_image"}': "0+600x60",
        },
        {'{node="a"}': 0, '{node="b"}': 60},
        id="a kubelet whose calls never failed has no errors, not no value",
    ),
    pytest.param(
        "logs",
        "Delay of the newest lines",
        {
            'otelcol_exporter_queue_size{data_type="logs", job="log-agent", pod="a"}': "10x60",
            'otelcol_exporter_sent_log_records{job="log-agent", pod="a"}': "0+3000x60",
            'otelcol_exporter_queue_size{data_type="logs", job="kubernetes-events", pod="e"}': "90x60",
        },
        {"{}": 10 / 5},
        id="what waits, at the pace at which it is sent; events of the cluster are no lines of a service",
    ),
    *(
        pytest.param(
            "logs",
            "Delay of the newest lines",
            {
                'otelcol_exporter_queue_size{data_type="logs", pod="stuck"}': "0+1000x60",
                'otelcol_exporter_queue_size{data_type="logs", pod="fine"}': "10x60",
                'otelcol_exporter_sent_log_records{pod="fine"}': "0+6000x60",
            }
            | sent,
            {"{}": 86400},
            id=f"an agent that sends nothing {since} is a day late",
        )
        for since, sent in {
            "any more": {'otelcol_exporter_sent_log_records{pod="stuck"}': "500x60"},
            "from the first": {},
        }.items()
    ),
    pytest.param(
        "business-operations",
        "Orders",
        {
            'pod:business_events:sum{namespace="n", event="order_created", pod="old"}': "5x30 35x30",
            'pod:business_events:sum{namespace="n", asset="ETH", event="order_created", pod="old"}': "3x60",
            'pod:business_events:sum{namespace="n", pod="replaced", event="order_created"}': "7x29 57x20 _x11",
            'pod:business_events:sum{namespace="n", event="order_created", pod="again"}': "35+35x29 0+35x30",
        },
        {"{}": 30 + 0 + 50 * 53 / 50 + 34 * 36},
        id="orders are counted to the last one, and estimated where a pod is gone or a process restarted",
    ),
    pytest.param(
        "business-operations",
        "Asset price change",
        {
            'business_asset_price_usd{namespace="n", asset="BTC", pod="a"}': "100x24 150x36",
            'business_asset_price_usd{namespace="n", asset="BTC", pod="b"}': "_x58 150x2",
            'business_asset_price_usd{namespace="n", asset="new", pod="a"}': "_x48 80x12",
        },
        {'{asset="BTC"}': 0.5, '{asset="new"}': 0},
        id="a price is compared with that at the start of the range, or of its data; never with another instance's",
    ),
    pytest.param(
        "infrastructure",
        "Replicas missing",
        {
            'kube_deployment_spec_replicas{namespace="n", deployment="d"}': "3x60",
            'kube_deployment_status_replicas_ready{namespace="n", deployment="d"}': "1x60",
            'kube_statefulset_replicas{namespace="n", statefulset="s"}': "1x60",
            'kube_statefulset_status_replicas_ready{namespace="n", statefulset="s"}': "1x60",
            'kube_daemonset_status_desired_number_scheduled{namespace="m", daemonset="d"}': "4x60",
            'kube_daemonset_status_number_ready{namespace="m", daemonset="d"}': "3x60",
        },
        {'{workload="n/d"}': 2, '{workload="n/s"}': 0, '{workload="m/d"}': 1},
        id="pods that are missing, of all three kinds of workloads",
    ),
    pytest.param(
        "infrastructure",
        "Memory by container",
        {
            'container_memory_working_set_bytes{namespace="n", pod="p", container="c"}': "5x60",
            'container_memory_working_set_bytes{namespace="n", pod="p", container="d"}': "7x60",
            'container_memory_working_set_bytes{namespace="n", pod="p", container=""}': "12x60",
        },
        {'{container="p/c"}': 5, '{container="p/d"}': 7},
        id="the containers of a pod, and not their sum",
    ),
    pytest.param(
        "infrastructure",
        "Load per core",
        {
            'node_load1{job="node-exporter", instance="a"}': "6x60",
            'node_cpu_seconds_total{job="node-exporter", instance="a", mode="idle", cpu="0"}': "0+1x60",
            'node_cpu_seconds_total{job="node-exporter", instance="a", mode="idle", cpu="1"}': "0+1x60",
            'node_cpu_seconds_total{job="node-exporter", instance="a", mode="user", cpu="1"}': "0+1x60",
        },
        {'{instance="a"}': 3},
        id="load for each core",
    ),
    pytest.param(
        "infrastructure",
        "DynamoDB errors",
        {
            'aws_dynamodb_system_errors_sum{dimension_table_name="a", dimension_operation="Query"}': "2x60",
            'aws_dynamodb_system_errors_sum{dimension_table_name="a", dimension_operation="Scan"}': "1x60",
            'aws_dynamodb_successful_request_latency_sample_count{dimension_table_name="a"}': "10x60",
            'aws_dynamodb_successful_request_latency_sample_count{dimension_table_name="healthy"}': "10x60",
        },
        {'{dimension_table_name="a"}': 3, '{dimension_table_name="healthy"}': 0},
        id="a table that answers and has no figure of errors has none",
    ),
    pytest.param(
        "infrastructure",
        "Share of the budget",
        {
            'aws:month_charges:usd{dimension_currency="USD"}': "10x60",
            'aws:month_forecast:usd{dimension_currency="USD"}': "310x60",
            "aws:monthly_budget:usd": "1000x60",
        },
        {'{dimension_currency="USD"}': 0.31},
        id="the share of the budget is that of the forecast",
    ),
    pytest.param(
        "infrastructure",
        "Share of the budget",
        {
            'aws:month_charges:usd{dimension_currency="USD"}': "10x60",
            "aws:monthly_budget:usd": "1000x60",
        },
        {'{dimension_currency="USD"}': 0.01},
        id="in the first week of a month the bill of a day is not made up to a month's",
    ),
    pytest.param(
        "infrastructure",
        "Share of the budget",
        {'aws:month_charges:usd{dimension_currency="USD"}': "10x60"},
        {'{dimension_currency="USD"}': -1},
        id="no budget is no share of it",
    ),
    pytest.param(
        "monitoring",
        "Last heartbeat",
        {f'alertmanager_notifications_{series}{{{AN_ALERTMANAGER}, integration="webhook"}}': "0x60" for series in SENT},
        {"{}": -1},
        id="a stack that calls no webhook has no heartbeat to wait for",
    ),
    pytest.param(
        "monitoring",
        "Last heartbeat",
        {
            f'alertmanager_notifications_{series}{{{AN_ALERTMANAGER}, integration="webhook"}}': "0+10x60"
            for series in SENT
        },
        {"{}": 3600},
        id="a heartbeat that never arrives is late",
    ),
    pytest.param(
        "monitoring",
        "Rules failed",
        {
            f'prometheus_rule_evaluation_failures_total{{job="kube-prometheus-stack-prometheus", pod="{pod}", '
            f'rule_group="{group}"}}': "0+1x60"
            for pod in "ab"
            for group in "cd"
        },
        {"{}": 72},
        id="two replicas that fail alike are not counted twice",
    ),
]
"""Dashboard, panel, the series given for ten hours, and the samples expected at the end."""


@pytest.mark.parametrize(("uid", "title", "given", "expected"), QUERY_CASES)
def test_query_gives(uid: str, title: str, given: dict[str, str], expected: dict[str, float], tmp_path: Path) -> None:
    expr = next(expr for name, expr in queries(BOARDS[uid]) if name == title)
    outcome = {
        "expr": expanded(expr),
        "eval_time": "10h",
        "exp_samples": [{"labels": labels, "value": value} for labels, value in expected.items()],
    }
    series = [{"series": name, "values": values} for name, values in given.items()]
    test = {"interval": "10m", "input_series": series, "promql_expr_test": [outcome]}
    file = tmp_path / "queries.test.yaml"
    file.write_text(yaml.safe_dump({"evaluation_interval": "10m", "fuzzy_compare": True, "tests": [test]}))
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr
