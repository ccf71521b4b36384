"""What `make preflight` makes of answers that no API server of the tests gives; tests/cluster has the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError

from facts import ROOT
from settings import Settings, read_stack
from verify import account, preflight, room, volumes
from verify.cluster import ForbiddenError
from verify.finding import Finding

CHECKS = {check.name: check for check in preflight.checks(read_stack(ROOT / "Pulumi.prod.yaml"), lambda *_: True)}


def node(number: int, **spec: Any) -> dict[str, Any]:
    """A node as EKS has it of the size t3.large."""
    offers = {"cpu": "1930m", "memory": "7220184Ki", "pods": "35"}
    name = f"node-{number}"
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}},
        "spec": spec,
        "status": {"allocatable": offers},
    }


def pod(name: str, number: int, **requests: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"nodeName": f"node-{number}", "containers": [{"resources": {"requests": requests}}, {}]},
    }


class Answers:
    """A cluster that gives these answers, and forbids everything else."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self._answers = answers

    def get(self, path: str) -> Any:
        if path not in self._answers:
            raise ForbiddenError(f"GET {path} is forbidden")
        return self._answers[path]


def lacking(nodes: list[dict[str, Any]], pods: list[dict[str, Any]], stack: str = "prod") -> list[Finding]:
    cluster = Answers({room.NODES: {"items": nodes}, room.PODS: {"items": pods}})
    return list(room.lacking(cluster, _settings(stack)))


def _settings(stack: str) -> Settings:
    return read_stack(ROOT / f"Pulumi.{stack}.yaml")


def test_three_nodes_of_the_documented_size_have_room_for_prod() -> None:
    assert lacking([node(number) for number in range(3)], []) == []


def test_the_third_alertmanager_needs_a_third_node() -> None:
    found = lacking([node(0), node(1), node(2, taints=[{"key": "gpu", "effect": "NoSchedule"}])], [])
    assert len(found) == 1
    assert "alertmanager" in found[0].what
    assert "without another of them" in found[0].what


def test_what_others_request_is_not_free() -> None:
    taken = [pod(f"pod-{number}", number, cpu="1", memory="6500M") for number in range(3)]
    found = [finding.what for finding in lacking([node(number) for number in range(3)], taken)]
    assert any(
        "prometheus-kube-prometheus-stack-prometheus, which requests 500m CPU and 2048Mi" in what for what in found
    )
    assert lacking([node(0)], [pod(str(number), 0) for number in range(35)], "dev") != []  # no place for one more pod


@pytest.mark.parametrize(("minor", "old"), [("24", True), ("25", False), ("33+", False)])
def test_an_old_cluster_is_named(minor: str, old: bool) -> None:
    cluster = Answers({"/version": {"major": "1", "minor": minor, "gitVersion": f"v1.{minor}.0"}})
    found = preflight._version(cluster, None)  # type: ignore[arg-type]
    assert [finding.what for finding in found] == ([f"the cluster is Kubernetes v1.{minor}.0"] if old else [])


def test_without_credentials_nothing_is_said_of_the_account(monkeypatch: pytest.MonkeyPatch) -> None:
    def client(*_: Any) -> Any:
        raise NoCredentialsError

    monkeypatch.setattr(account, "_client", client)
    for name in ("roles", "bucket", "tags"):
        (finding,) = CHECKS[name].run(Answers({}), None)  # type: ignore[arg-type]
        assert finding.unknown
        assert "log in to the account" in finding.do


def claim(name: str, size: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"resources": {"requests": {"storage": size}}}}


@pytest.mark.parametrize(
    ("name", "size", "part"),
    [
        ("prometheus-stack-db-prometheus-kube-prometheus-stack-prometheus-1", "60Gi", "prometheus"),
        ("kube-prometheus-stack-grafana", "1Ti", "grafana"),
        ("storage-loki-0", "1T", "loki"),
        ("data-loki-ingester-2", "200Gi", "loki"),
        ("data-loki-ingester-2", "10Gi", None),
        ("data-mine-0", "1Ti", None),
        ("kube-prometheus-stack-grafana-old", "1Ti", None),
    ],
)
def test_a_volume_that_would_have_to_shrink_is_named(name: str, size: str, part: str | None) -> None:
    cluster = Answers({volumes.CLAIMS: {"items": [claim(name, size)]}})
    found = [finding.what for finding in CHECKS["volumes"].run(cluster, None)]  # type: ignore[arg-type]
    assert [what.partition(":")[0] for what in found] == ([f"storage.sizes.{part}"] if part else [])
    assert all(f"the {size} of {name}" in what for what in found)
