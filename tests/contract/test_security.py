"""What the stacks ask of Kubernetes for their own safety: rights of containers, whose objects are obeyed, budgets."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import catalogue
from checks.program import evaluate
from components import flows, priorities, security, storage
from components.charts import KUBE_PROMETHEUS_STACK
from components.foundation import DIRECTORIES_NEED
from components.metrics.component import prometheus_spec
from facts import ROOT
from settings import Access, read_stack

RELEASE = "kubernetes:helm.sh/v3:Release"
OBEYED = ("podMonitor", "probe", "rule", "scrapeConfig", "serviceMonitor")
WORKLOADS = ("kubernetes:batch/v1:Job", "kubernetes:apps/v1:Deployment")


def stack_values(stack: str) -> dict[str, Any]:
    (values,) = [
        release.inputs["values"]
        for release in evaluate(stack).of(RELEASE)
        if release.inputs["chart"] == KUBE_PROMETHEUS_STACK.name
    ]
    return dict(values)


def pods(stack: str) -> Iterator[Mapping[str, Any]]:
    """The pods that the program itself describes."""
    for kind in WORKLOADS:
        for workload in evaluate(stack).of(kind):
            yield workload.inputs["spec"]["template"]["spec"]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_our_own_pods_are_locked_and_have_no_token(stack: str) -> None:
    found = list(pods(stack))
    assert found
    for pod in found:
        assert pod["automountServiceAccountToken"] is False
        for container in pod["containers"]:
            context = container["securityContext"]
            assert not [
                key for key in security.LOCKED if key != "capabilities" and context[key] != security.LOCKED[key]
            ]
            assert context["capabilities"]["drop"] == ["ALL"]


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_our_own_servers_are_restarted_when_they_are_stuck_and_not_when_they_are_busy(stack: str) -> None:
    (deployment,) = evaluate(stack).of("kubernetes:apps/v1:Deployment")
    (container,) = deployment.inputs["spec"]["template"]["spec"]["containers"]
    alive, ready = container["livenessProbe"], container["readinessProbe"]
    assert alive["httpGet"] == ready["httpGet"]
    assert alive["timeoutSeconds"] >= 10
    assert alive["periodSeconds"] > ready.get("periodSeconds", 10)


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_only_objects_of_our_own_namespace_are_obeyed(stack: str) -> None:
    values = stack_values(stack)
    prometheus, alertmanager = values["prometheus"]["prometheusSpec"], values["alertmanager"]["alertmanagerSpec"]
    given = {key: value for spec in (prometheus, alertmanager) for key, value in spec.items() if "NamespaceSel" in key}
    assert {key.removesuffix("NamespaceSelector") for key in given} == {"alertmanagerConfig", *OBEYED}
    assert all(value == {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}} for value in given.values())


def test_other_namespaces_are_obeyed_where_a_stack_names_them() -> None:
    selector = security.obeyed("shop", "bank")
    assert selector == {
        "matchExpressions": [
            {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["monitoring", "shop", "bank"]}
        ]
    }
    settings = read_stack(ROOT / "Pulumi.dev.yaml")
    named = settings.model_copy(update={"access": Access(obeyed_namespaces=("shop", "bank"))})
    spec = prometheus_spec(named)
    assert all(spec[f"{kind}NamespaceSelector"] == selector for kind in OBEYED)
    known = catalogue.load(ROOT / "services.yaml")
    (flow,) = [each for each in flows.flows(named, known) if each.target.name == "access.obeyedNamespaces"]
    assert (flow.source, flow.ports) == (flows.PROMETHEUS, ())
    assert len(flow.target.peers) == 2


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_prometheus_has_no_endpoint_that_ends_it_or_deletes_series(stack: str) -> None:
    spec = stack_values(stack)["prometheus"]["prometheusSpec"]
    assert spec["reloadStrategy"] == "ProcessSignal"  # as the operator sets the flag for any other
    assert not spec.get("enableAdminAPI")


@pytest.mark.parametrize("part", ["prometheus", "alertmanager"])
@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_a_drained_node_takes_one_replica_at_most_and_a_single_one_blocks_no_drain(stack: str, part: str) -> None:
    values = stack_values(stack)[part]
    spec = values[f"{part}Spec"]
    if spec["replicas"] == 1:
        assert "podDisruptionBudget" not in values
        assert "podAntiAffinity" not in spec
    else:
        assert values["podDisruptionBudget"] == {"enabled": True, "minAvailable": spec["replicas"] - 1}
        assert spec["podAntiAffinity"] == "hard"
        (zones,) = spec["topologySpreadConstraints"]
        assert zones["labelSelector"]["matchLabels"]["app.kubernetes.io/name"] == part


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_what_adds_up_routes_is_placed_as_the_prometheus_that_asks_it(stack: str) -> None:
    program = evaluate(stack)
    (deployment,) = (each for each in program.of("kubernetes:apps/v1:Deployment"))
    spec, pod = deployment.inputs["spec"], deployment.inputs["spec"]["template"]["spec"]
    budgets = [each.inputs["spec"] for each in program.of("kubernetes:policy/v1:PodDisruptionBudget")]
    assert pod["priorityClassName"] == priorities.ALERTING
    if spec["replicas"] == 1:
        assert budgets == []
        assert not {"affinity", "topologySpreadConstraints"} & pod.keys()
        return
    labels = spec["selector"]
    assert spec["replicas"] == stack_values(stack)["prometheus"]["prometheusSpec"]["replicas"]
    assert budgets == [{"minAvailable": spec["replicas"] - 1, "selector": labels}]
    (apart,) = pod["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart == {"topologyKey": "kubernetes.io/hostname", "labelSelector": labels}
    assert [zones["labelSelector"] for zones in pod["topologySpreadConstraints"]] == [labels]
    # A third pod has no node where there are as many nodes as replicas: a roll-out would wait for it for ever.
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_grafana_runs_what_is_pinned_and_sends_nothing_out() -> None:
    ini = stack_values("prod")["grafana"]["grafana.ini"]
    assert ini["plugins"] == {"preinstall_auto_update": False, "plugin_admin_enabled": False}
    assert not any(ini["analytics"].values())
    assert ini["snapshots"] == {"external_enabled": False}
    assert ini["security"] == {"cookie_secure": True, "disable_gravatar": True}


def test_grafanas_sidecars_watch_no_secrets() -> None:
    sidecar = stack_values("prod")["grafana"]["sidecar"]
    assert [sidecar[part]["resource"] for part in ("dashboards", "datasources")] == ["configmap", "configmap"]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv")
def test_the_directories_of_local_volumes_are_made_twice_with_the_rights_of_their_job(tmp_path: Path) -> None:
    settings = read_stack(ROOT / "Pulumi.dev.yaml")
    script = storage.ownership_script(settings).replace("/volumes", str(tmp_path))
    rights = ",".join(["-all", *(f"+{name.lower()}" for name in DIRECTORIES_NEED)])
    command = ["setpriv", "--no-new-privs", f"--bounding-set={rights}", "sh", "-c", script]
    for _ in range(2):
        subprocess.run(command, check=True, capture_output=True)
        for part in storage.parts(settings):
            directory = tmp_path / f"{part}-0"
            assert (directory.stat().st_uid, directory.stat().st_gid) == (
                storage.OWNERS[part].user,
                storage.OWNERS[part].group,
            )
            directory.chmod(0o700)
            (directory / "inside").mkdir(mode=0o700, exist_ok=True)
