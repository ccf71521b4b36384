"""The skeleton charts by themselves: they take the program's values, and the monitors find what they look for.

Helm renders them as the provider's own copy of it would. With `CHARTS` the same is asked of the real charts.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks import skeletons
from checks.chart_keys import KeyList, parse
from checks.program import merged
from components.charts import CHARTS, KUBE_PROMETHEUS_STACK, LOKI, PROMETHEUS_OPERATOR_CRDS, Chart, package
from engine.toolchain import TOOLS, tool
from facts import NAMESPACE
from rehearsal.chart_targets import CHART_TARGETS
from tests.contract.test_charts import MISSPELT, STACKS, releases, renamed, values_of

Object = Mapping[str, Any]
Render = Callable[[str], Sequence[Object]]

WITHOUT_A_SERVICE = {"kube-prometheus-stack-kubelet", "kube-prometheus-stack-apiserver"}
"""Monitors of Services that no chart makes: the operator makes that of the kubelets, the API server its own."""
NOT_REHEARSED = {"tempo"}
"""Jobs that nothing plays in the rehearsal (rehearsal/chart_targets.py); nor are the reloaders."""

only_skeletons = pytest.mark.skipif("CHARTS" in os.environ, reason="the real charts take any value")


@pytest.fixture(scope="module")
def render(charts: Path) -> Render:
    """What the charts of a stack's releases render, together, but for the definitions."""

    @cache
    def rendered(stack: str) -> Sequence[Object]:
        return [
            item
            for release in releases(stack)
            if release.inputs["chart"] != PROMETHEUS_OPERATOR_CRDS.name
            for item in yaml.load_all(
                template(charts, release.inputs["chart"], release.name, release.inputs["values"]),
                Loader=yaml.CSafeLoader,
            )
            if item
        ]

    return rendered


class RefusedError(Exception):
    """Helm's reason for not rendering."""


def template(charts: Path, chart: str, release: str, values: Object) -> str:
    """A chart's objects under these values, as YAML documents. Raises RefusedError."""
    (file,) = [charts / package(pin) for pin in CHARTS if pin.name == chart]
    command = [str(tool("helm")), "template", release, str(file), "--namespace", NAMESPACE, "--values", "-"]
    command += ["--kube-version", TOOLS["kube-apiserver"].version]
    done = subprocess.run(command, input=json.dumps(values), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def of(kind: str, objects: Sequence[Object]) -> list[Object]:
    return [item for item in objects if item["kind"] == kind]


# What is rendered


@pytest.mark.parametrize("stack", STACKS)
def test_every_release_renders_and_no_two_make_the_same_object(render: Render, stack: str) -> None:
    objects = render(stack)
    names = [(item["kind"], item["metadata"].get("namespace", NAMESPACE), item["metadata"]["name"]) for item in objects]
    assert len(set(names)) == len(names) > 80


def test_the_definitions_are_the_operators_and_take_annotations(charts: Path) -> None:
    values = {"crds": {"annotations": {"example.com/kept": "yes"}, "probes": {"enabled": False}}}
    text = template(charts, PROMETHEUS_OPERATOR_CRDS.name, "definitions", values)
    names = re.findall(r"(?m)^  name: (\w+)\.monitoring\.coreos\.com$", text)
    switches = KeyList.of(PROMETHEUS_OPERATOR_CRDS).below("enabled")
    assert set(names) == {definition for _, definition, _ in switches} - {"probes"}
    assert text.count('\n    example.com/kept: "yes"\n') == len(names)


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize(
    ("kind", "section"),
    [("Prometheus", "prometheus.prometheusSpec"), ("Alertmanager", "alertmanager.alertmanagerSpec")],
)
def test_what_the_values_say_of_it_is_in_the_operators_object(
    render: Render, stack: str, kind: str, section: str
) -> None:
    (spec,) = [item["spec"] for item in of(kind, render(stack))]
    above, below = section.split(".")
    for key, value in values_of(KUBE_PROMETHEUS_STACK, stack)[above][below].items():
        if key.endswith("NilUsesHelmValues"):
            assert spec[key.removesuffix("NilUsesHelmValues")] == {}, key
        elif key == "additionalConfig":
            assert spec.items() >= value.items()
        elif key == "image":
            assert (spec["version"], spec[key].rpartition(":")[2]) == (value["tag"], value["tag"])
        elif key == "podAntiAffinity":
            assert "requiredDuringSchedulingIgnoredDuringExecution" in spec["affinity"][key], key
        elif key != "useExistingSecret":
            assert spec["storage" if key == "storageSpec" else key] == value, key


@pytest.mark.parametrize("stack", STACKS)
def test_every_container_is_sized(render: Render, stack: str) -> None:
    for item in render(stack):
        for container in item.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
            assert set(container["resources"]) == {"requests", "limits"}, (item["metadata"]["name"], container["name"])


# What monitors find


def matches(selector: Object, labels: Object) -> bool:
    """Whether a label selector, as far as charts use it, selects these labels."""
    wanted = selector.get("matchLabels", {})
    unwanted = [expression for expression in selector.get("matchExpressions", []) if expression["operator"] == "NotIn"]
    return wanted.items() <= labels.items() and not any(labels.get(e["key"]) in e["values"] for e in unwanted)


def selected(monitor: Object, objects: Sequence[Object]) -> list[Object]:
    """The Services that a ServiceMonitor selects."""
    namespaces = monitor["spec"].get("namespaceSelector", {}).get("matchNames", [NAMESPACE])
    return [
        service
        for service in of("Service", objects)
        if service["metadata"].get("namespace", NAMESPACE) in namespaces
        and matches(monitor["spec"]["selector"], service["metadata"]["labels"])
    ]


def targets(objects: Sequence[Object]) -> set[tuple[str, str, str | None, str | None]]:
    """Job, Service, container and endpoint of what the charts' monitors make Prometheus scrape."""
    return {
        (
            _job(monitor, service),
            service["metadata"]["name"],
            _container(service, endpoint, objects),
            endpoint.get("port"),
        )
        for monitor in of("ServiceMonitor", objects)
        for service in selected(monitor, objects)
        for endpoint in monitor["spec"]["endpoints"]
        if any(endpoint.get("port", port["name"]) == port["name"] for port in service["spec"]["ports"])
    }


def _job(monitor: Object, service: Object) -> str:
    """The label `job`: the Service's label that the monitor names, or the Service's name, with Loki's prefix."""
    name = service["metadata"]["labels"].get(monitor["spec"].get("jobLabel"), service["metadata"]["name"])
    replacements = [
        relabeling["replacement"].replace("$1", name)
        for endpoint in monitor["spec"]["endpoints"]
        for relabeling in endpoint.get("relabelings", [])
        if relabeling["targetLabel"] == "job"
    ]
    return str(replacements[0] if replacements else name)


def _container(service: Object, endpoint: Object, objects: Sequence[Object]) -> str | None:
    """The container behind a Service's port; None where no chart makes the pods."""
    port = next(port for port in service["spec"]["ports"] if endpoint.get("port", port["name"]) == port["name"])
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        for workload in of(kind, objects):
            pod = workload["spec"]["template"]
            if service["spec"]["selector"].items() <= pod["metadata"]["labels"].items():
                for container in pod["spec"]["containers"]:
                    if any(
                        port["targetPort"] in (at["name"], at["containerPort"]) for at in container.get("ports", [])
                    ):
                        return str(container["name"])
    return None


@pytest.mark.parametrize("stack", STACKS)
def test_every_monitor_selects_services_with_its_ports(render: Render, stack: str) -> None:
    objects = render(stack)
    for monitor in of("ServiceMonitor", objects):
        name = monitor["metadata"]["name"]
        if name in WITHOUT_A_SERVICE:
            continue
        services = selected(monitor, objects)
        assert services, name
        for endpoint in monitor["spec"]["endpoints"]:
            ports = {port["name"] for service in services for port in service["spec"]["ports"]}
            assert endpoint.get("port") in {None, *ports}, name


def test_the_monitors_make_the_targets_that_the_rehearsal_scrapes(render: Render) -> None:
    rehearsed = {
        (target.job, target.labels["service"], target.labels.get("container"), target.labels.get("endpoint"))
        for target in CHART_TARGETS
        if target.job != "kubelet"
    }
    by_no_chart = {"prometheus", "alertmanager", "coredns"}  # pods of the operator, and of the cluster itself
    expected = {
        (job, service, None if container in by_no_chart else container, endpoint)
        for job, service, container, endpoint in rehearsed
    }
    found = {
        target for target in targets(render("prod")) if target[0] not in NOT_REHEARSED and target[3] != "reloader-web"
    }
    assert found == expected


# What is refused


@only_skeletons
@pytest.mark.parametrize(
    ("chart", "path", "misspelt"), MISSPELT, ids=[f"{chart.name}:{bad}" for chart, _, bad in MISSPELT]
)
def test_a_key_that_the_chart_does_not_have_is_refused(charts: Path, chart: Chart, path: str, misspelt: str) -> None:
    *above, last = parse(path)
    values = renamed(values_of(chart, "dev"), (*above, last), misspelt)
    with pytest.raises(RefusedError, match=f"additional properties '{misspelt}' not allowed"):
        template(charts, chart.name, "release", values)


@only_skeletons
def test_what_a_skeleton_has_nothing_for_is_refused(charts: Path) -> None:
    values = merged(values_of(LOKI, "dev"), {"chunksCache": {"enabled": True}})
    with pytest.raises(RefusedError, match=r"nothing for the value chunksCache\.enabled"):
        template(charts, LOKI.name, "loki", values)


@only_skeletons
def test_the_same_sources_give_the_same_packages(charts: Path, tmp_path: Path) -> None:
    skeletons.pack(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        path.name: path.read_bytes() for path in charts.iterdir()
    }
