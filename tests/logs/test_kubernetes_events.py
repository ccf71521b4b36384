"""What becomes of the cluster's events, from the receiver on: it is not in this build, and OTLP stands in for it."""

from __future__ import annotations

import time
from copy import deepcopy
from typing import Any

import httpx

from checks.logs.pipeline import Entry, Pipeline
from checks.waiting import eventually
from components.logs.agent import events_values
from facts import ROOT
from settings import read_stack

OTHER_HOST = "127.0.0.2"
"""The agent listens on the same ports of the usual one."""


def told(namespace: str, kind: str, message: str) -> dict[str, Any]:
    """An event in the shape that the receiver gives it."""

    record = {
        "timeUnixNano": str(time.time_ns()),
        "severityNumber": 13 if kind == "Warning" else 9,
        "severityText": kind,
        "body": {"stringValue": message},
        "attributes": [
            {"key": "k8s.event.reason", "value": {"stringValue": "BackOff"}},
            {"key": "k8s.event.uid", "value": {"stringValue": "6f1c"}},
            {"key": "k8s.namespace.name", "value": {"stringValue": namespace}},
            {"key": "k8s.event.count", "value": {"intValue": "7"}},
        ],
    }
    resource = [
        {"key": "k8s.object.kind", "value": {"stringValue": "Pod"}},
        {"key": "k8s.object.name", "value": {"stringValue": "order-service-1"}},
        {"key": "k8s.object.uid", "value": {"stringValue": "9a2b"}},
        {"key": "k8s.node.name", "value": {"stringValue": "node-1"}},
    ]
    return {"resource": {"attributes": resource}, "scopeLogs": [{"logRecords": [record]}]}


def test_an_event_is_found_by_namespace_reason_and_object(node: Pipeline) -> None:
    values = events_values(read_stack(ROOT / "Pulumi.dev.yaml"))
    configuration = deepcopy(values["alternateConfig"])
    endpoint = f"{OTHER_HOST}:{node.ports['agent-otlp-http']}"
    configuration["receivers"] = {"otlp": {"protocols": {"http": {"endpoint": endpoint}}}}
    configuration["service"]["pipelines"]["logs"]["receivers"] = ["otlp"]
    environment = {
        "CLUSTER_NAME": "dev",
        "LOKI_OTLP_URL": f"{node.ports.url('loki')}/otlp",
        "MY_POD_IP": OTHER_HOST,
    }
    with node.collector("kubernetes-events", configuration, environment):
        events = [told("order-processor", "Warning", "Back-off, token=abc"), told("kube-system", "Normal", "Pulled")]

        def taken() -> bool:
            answer = httpx.post(f"http://{endpoint}/v1/logs", json={"resourceLogs": events}, timeout=5, trust_env=False)
            return answer.status_code == 200

        eventually(taken, what="the collector of events takes them")
        query = '{service_name="kubernetes-events", k8s_namespace_name="order-processor"} | reason="BackOff"'

        def entry() -> Entry | None:
            return next(iter(node.entries(f'{query} | object="order-service-1"')), None)

        found = eventually(entry, what=query)
    assert found.text == "Back-off, token=***"
    assert found.labels.items() >= {"severity": "WARN", "kind": "Pod", "node": "node-1", "count": "7"}.items()
    assert not [name for name in found.labels if "uid" in name or name.startswith("k8s_event")]
