"""A reloader sends the Prometheus of its own pod a signal, as the operator has it do; it needs no API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from checks.waiting import eventually
from control_plane.children import Children
from control_plane.mirror import Mirror, Object
from control_plane.network import PodNetwork
from control_plane.plane import ControlPlane
from control_plane.sandbox import Host, Pod
from engine import toolchain
from facts import NAMESPACE
from local.processes import alive

TOOLS = ["prometheus", "prometheus-config-reloader"]
MOUNTS = [{"name": "config", "mountPath": "/config"}]
PROMETHEUS = {
    "name": "prometheus",
    "image": "example.com/prometheus/prometheus:v3",
    "args": ["--config.file=/config/prometheus.yaml", "--storage.tsdb.path=/tmp"],
    "volumeMounts": MOUNTS,
}
RELOADER = {
    "name": "config-reloader",
    "image": "example.com/prometheus-config-reloader:v0",
    "args": [
        "--reload-method=signal",
        "--runtimeinfo-url=http://127.0.0.1:9090/api/v1/status/runtimeinfo",
        "--config-file=/config/prometheus.yaml",
        "--watched-dir=/config",
    ],
    "volumeMounts": MOUNTS,
}
"""With the operator's arguments for a reload by a signal."""


class Files:
    """A mirror of one ConfigMap: Prometheus' files, with one rule."""

    def __init__(self) -> None:
        self.expression = "1"

    def get(self, kind: str, namespace: str, name: str) -> Object:
        assert (kind, namespace, name) == ("configmaps", NAMESPACE, "config")
        groups = {"groups": [{"name": "some", "rules": [{"record": "some", "expr": self.expression}]}]}
        configuration = {"rule_files": ["/config/rules.yaml"]}
        return {"data": {"prometheus.yaml": json.dumps(configuration), "rules.yaml": json.dumps(groups)}}

    def every(self, kind: str) -> list[Object]:
        assert kind == "endpointslices"
        return []


def pod(name: str, address: str) -> Object:
    volumes = [{"name": "config", "configMap": {"name": "config"}}]
    containers = [PROMETHEUS, RELOADER]
    return {
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": name},
        "spec": {"containers": containers, "volumes": volumes, "shareProcessNamespace": True},
        "status": {"podIP": address},
    }


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
def host(pods_answer: PodNetwork, files: Files, tmp_path: Path) -> Iterator[Host]:
    toolchain.build(TOOLS)
    plane = cast(ControlPlane, SimpleNamespace(url="http://127.0.0.1:1"))  # nothing asks it
    with httpx.Client() as client, Children(tmp_path / "logs") as children:
        yield Host(plane, pods_answer, cast(Mirror, files), client, children, tmp_path)


def known(address: str) -> list[str]:
    """The rules that a Prometheus has; none while it does not answer."""
    try:
        answer = httpx.get(f"http://{address}:9090/api/v1/rules", trust_env=False).raise_for_status()
    except httpx.HTTPError:
        return []
    page: dict[str, Any] = answer.json()
    return [rule["query"] for group in page["data"]["groups"] for rule in group["rules"]]


def test_a_reloader_reaches_the_prometheus_of_its_own_pod_and_no_other(host: Host, files: Files) -> None:
    addresses = [str(host.network.pods[number]) for number in (10, 11)]
    first, second = pods = [Pod(host, pod(f"prometheus-{at}", at)) for at in addresses]

    def have(expected: list[str]) -> bool:
        for each in pods:
            each.step()  # which also writes what its ConfigMap holds
        return [known(at) for at in addresses] == [[one] for one in expected]

    eventually(lambda: have(["1", "1"]), 60, "they have not started")
    running = [*first.processes, *second.processes]
    files.expression = "2"
    eventually(lambda: have(["2", "2"]), 60, "a reloader has not reached its Prometheus")
    for each, address in zip(pods, addresses, strict=True):
        for path in ("/-/reload", "/-/quit"):
            answer = httpx.post(f"http://{address}:9090{path}", trust_env=False)
            assert answer.status_code == httpx.codes.FORBIDDEN
        each.stop()
    eventually(lambda: not any(map(alive, running)), 10, "they run without their pods")
    assert not any(map(known, addresses))
