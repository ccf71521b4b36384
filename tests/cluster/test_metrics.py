"""kube-state-metrics and the operator, on a real API server, expose what is listed for them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

import catalogue
from checks import metrics
from checks.metrics import Signature
from checks.waiting import until_none
from control_plane.plane import ControlPlane
from engine.toolchain import tool
from facts import NAMESPACE, ROOT
from local.ports import free_ports
from tests.cluster.conftest import Rendering, apply_definitions

DEADLINE_SECONDS = 60
COMPONENTS = {item.name: item for item in metrics.components(catalogue.load(ROOT / "services.yaml"))}
KINDS = ("Deployment", "StatefulSet", "DaemonSet")


def workload(kind: str) -> dict[str, Any]:
    """A workload of one pod, or of one on each node, with all that a container can ask for."""
    labels = {"app": "order-processor", "component": kind.lower()}
    amounts = {"cpu": "10m", "memory": "16Mi"}
    container = {"name": "a", "image": "example.com/a", "resources": {"requests": amounts, "limits": amounts}}
    template: dict[str, Any] = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": kind.lower()}, "spec": spec}


FAILED = {
    "name": "a",
    "image": "example.com/a",
    "imageID": "",
    "ready": False,
    "restartCount": 1,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-01-01T00:00:00Z"}},
}
"""What the kubelet says of a container that was killed and waits for its next start."""


LISTS = "kube_state_metrics_list_total"


@pytest.fixture(scope="module")
def workloads(plane: ControlPlane) -> None:
    """One of each kind, and a container that does not run."""
    plane.kubectl("apply", "--filename=-", input=yaml.dump_all(map(workload, KINDS)))
    for kind in KINDS:
        plane.kubectl("rollout", "status", f"{kind.lower()}/{kind.lower()}", "--timeout=60s")
    status = json.dumps({"status": {"containerStatuses": [FAILED]}})
    plane.kubectl("patch", "pod", "statefulset-0", "--subresource=status", "--type=merge", f"--patch={status}")


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.usefixtures("workloads")
def test_kube_state_metrics(plane: ControlPlane, stacks: dict[str, Rendering], streaming: bool) -> None:
    """With the deployed arguments. A client that is streamed its objects, as is the default, lists none."""
    values = stacks["prod"].release("kube-prometheus-stack")["kube-state-metrics"]
    objects, own = free_ports(2)
    arguments = [
        f"--kubeconfig={plane.kubeconfig}",
        "--host=127.0.0.1",
        f"--port={objects}",
        "--telemetry-host=127.0.0.1",
        f"--telemetry-port={own}",
        f"--metric-labels-allowlist={','.join(values['metricLabelsAllowlist'])}",
    ]
    environment = {} if streaming else {"KUBE_FEATURE_WatchListClient": "false"}
    plane.children.start("kube-state-metrics", [tool("kube-state-metrics"), *arguments], environment)
    wanted = dict(COMPONENTS["kube-state-metrics"].series)
    if streaming:
        del wanted[LISTS]
    wait_until_exposed(wanted, [f"http://127.0.0.1:{port}/metrics" for port in (objects, own)])
    plane.children.stop("kube-state-metrics")


def test_the_operator(plane: ControlPlane, definitions: list[Path], stacks: dict[str, Rendering]) -> None:
    """With a Prometheus to configure."""
    apply_definitions(plane, definitions)
    metadata = {"name": "some", "namespace": NAMESPACE}
    prometheus = {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": metadata}
    plane.apply(*stacks["dev"].of("Namespace"))
    plane.apply(*stacks["dev"].of("PrometheusRule"), prometheus | {"spec": {"ruleSelector": {}}})
    (port,), administrator = free_ports(1), plane.access.administrator
    arguments = [
        f"--apiserver={plane.url}",
        f"--ca-file={plane.access.authority_file}",
        f"--cert-file={administrator.certificate}",
        f"--key-file={administrator.key}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    plane.children.start("operator-for-its-metrics", [tool("prometheus-operator"), *arguments])
    wait_until_exposed(COMPONENTS["operator"].series, [f"http://127.0.0.1:{port}/metrics"])
    plane.children.stop("operator-for-its-metrics")


def wait_until_exposed(series: Mapping[str, Signature | None], pages: list[str]) -> None:
    """Ask until all of this is exposed as it is listed."""

    def differences() -> list[str]:
        try:
            text = "\n".join(httpx.get(page, timeout=10, trust_env=False).raise_for_status().text for page in pages)
        except httpx.HTTPError as error:
            return [str(error)]
        return list(metrics.differences(series, metrics.exposed(text)))

    until_none(differences, DEADLINE_SECONDS, "the real exporter")
