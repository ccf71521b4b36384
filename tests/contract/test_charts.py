"""Helm accepts any values; these tests refuse what the pinned charts would ignore, and the defaults that hurt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest

from checks.chart_keys import DOCUMENTED, LISTS, KeyList, KeyPath, list_file, parse, render
from checks.program import Registered, evaluate
from components.charts import CHARTS, KUBE_PROMETHEUS_STACK, LOG_AGENT, LOKI, TEMPO, Chart

RELEASE = "kubernetes:helm.sh/v3:Release"

PINNED = {"ghcr.io/jkroepke/access-log-exporter:0.4.11": f"sha256:{0:064x}"}
STACKS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "dev": ("dev", {}),
    "dev, nothing kept": ("dev", {"storage": {"kind": "ephemeral"}}),
    "prod": ("prod", {}),
    "prod, distributed logs": ("prod", {"logs": {"mode": "distributed"}, "images": {"digests": PINNED}}),
}
"""The stacks, and the settings that change which values are set."""

OFF_BY_DEFAULT = {
    "kube-prometheus-stack": {
        "grafana.downloadDashboards": "grafana.dashboards",
        "grafana.imageRenderer": "grafana.imageRenderer.enabled",
        "kube-state-metrics.kubeRBACProxy": "kube-state-metrics.kubeRBACProxy.enabled",
        "prometheus-node-exporter.kubeRBACProxy": "prometheus-node-exporter.kubeRBACProxy.enabled",
        "prometheusOperator.admissionWebhooks.deployment": "prometheusOperator.admissionWebhooks.deployment.enabled",
        "thanosRuler.thanosRulerSpec": "thanosRuler.enabled",
    },
    "loki": {
        "bloomBuilder": "bloomBuilder.replicas",
        "bloomGateway": "bloomGateway.replicas",
        "bloomPlanner": "bloomPlanner.replicas",
        "chunksCache.l2": "chunksCache.l2.enabled",
        "compactor": "compactor.replicas",
        "distributor": "distributor.replicas",
        "indexGateway": "indexGateway.replicas",
        "ingester": "ingester.replicas",
        "minio": "minio.enabled",
        "overridesExporter": "overridesExporter.enabled",
        "patternIngester": "patternIngester.replicas",
        "querier": "querier.replicas",
        "queryFrontend": "queryFrontend.replicas",
        "queryScheduler": "queryScheduler.replicas",
        "tableManager": "tableManager.enabled",
    },
    "prometheus-blackbox-exporter": {"configReloader": "configReloader.enabled"},
    "tempo": {"tempoQuery": "tempoQuery.enabled"},
}
"""Containers that are not there unless this value is set: they need no size while it is not."""

SWITCHED_OFF = {
    "kube-prometheus-stack": {
        "crds.upgradeJob": "crds.enabled",
        "grafana.initChownData": "grafana.initChownData.enabled",
        "grafana.testFramework": "grafana.testFramework.enabled",
    },
    "loki": {
        "backend": "backend.replicas",
        "chunksCache": "chunksCache.enabled",
        "gateway": "gateway.enabled",
        "gateway.metrics": "gateway.enabled",
        "lokiCanary": "lokiCanary.enabled",
        "memcachedExporter": "chunksCache.enabled",
        "read": "read.replicas",
        "resultsCache": "resultsCache.enabled",
        "ruler": "ruler.enabled",
        "sidecar": "sidecar.rules.enabled",
        "singleBinary": "singleBinary.replicas",
        "write": "write.replicas",
    },
}
"""Containers that are there by default: they need no size only where this value switches them off."""


@cache
def releases(stack: str) -> tuple[Registered, ...]:
    name, overrides = STACKS[stack]
    return tuple(evaluate(name, overrides).of(RELEASE))


def values_of(chart: Chart, stack: str) -> dict[str, Any]:
    release, *_ = [release for release in releases(stack) if release.inputs["chart"] == chart.name]
    values: dict[str, Any] = release.inputs["values"]
    return values


@cache
def key_list(chart_name: str) -> KeyList:
    (chart,) = [chart for chart in CHARTS if chart.name == chart_name]
    return KeyList.of(chart)


def complaints(chart_name: str, values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the values, in the words that a person needs."""
    known = key_list(chart_name)
    return [
        f"{chart_name} has no value {render(path)}; did you mean {known.nearest(path)}?"
        for path in known.unknown(values)
    ]


def at(values: Any, path: KeyPath) -> Any:
    """The value at a key path; None where it is not set."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def leaves(value: Any) -> Iterator[Any]:
    """Everything in the values that is neither a mapping nor a list."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield value


# The keys


@pytest.mark.parametrize("stack", STACKS)
def test_every_value_we_set_is_known_to_its_chart(stack: str) -> None:
    wrong = [
        text for release in releases(stack) for text in complaints(release.inputs["chart"], release.inputs["values"])
    ]
    assert not wrong, "\n".join(wrong)


MISSPELT = [
    (KUBE_PROMETHEUS_STACK, "prometheus", "promethues"),
    (KUBE_PROMETHEUS_STACK, "prometheus.prometheusSpec.retention", "retentionn"),
    (KUBE_PROMETHEUS_STACK, "alertmanager.alertmanagerSpec.configSecret", "configsecret"),
    (
        KUBE_PROMETHEUS_STACK,
        "grafana.sidecar.dashboards.provider.foldersFromFilesStructure",
        "folderFromFilesStructure",
    ),
    (KUBE_PROMETHEUS_STACK, "grafana.persistence.lookupVolumeName", "lookUpVolumeName"),
    (KUBE_PROMETHEUS_STACK, "kube-state-metrics.metricLabelsAllowlist", "metricLabelsAllowList"),
    (LOKI, "singleBinary", "singlBinary"),
    (LOKI, "singleBinary.replicas", "replicass"),
    (LOKI, "monitoring.serviceMonitor.enabled", "enable"),
    (LOG_AGENT, "mode", "moode"),
    (TEMPO, "tempo.reportingEnabled", "reportingEnable"),
]


@pytest.mark.parametrize(
    ("chart", "path", "misspelt"), MISSPELT, ids=[f"{chart.name}:{bad}" for chart, _, bad in MISSPELT]
)
def test_a_misspelt_key_is_refused_and_the_right_one_suggested(chart: Chart, path: str, misspelt: str) -> None:
    *above, last = parse(path)
    values = renamed(values_of(chart, "dev"), (*above, last), misspelt)
    wrong = render((*above, misspelt))
    assert complaints(chart.name, values) == [f"{chart.name} has no value {wrong}; did you mean {path}?"]


def renamed(values: Mapping[str, Any], path: KeyPath, new: str) -> dict[str, Any]:
    """The values with one key renamed; it must be there."""
    first, *rest = path
    assert first in values, f"the dev stack no longer sets {first}: choose another example"
    if rest:
        return {**values, first: renamed(values[first], tuple(rest), new)}
    return {new if key == first else key: value for key, value in values.items()}


def test_a_key_with_a_dot_is_one_key() -> None:
    nested: dict[str, Any] = {"grafana": {"grafana": {"ini": {"server": {}}}}}
    assert complaints("kube-prometheus-stack", nested) == [
        'kube-prometheus-stack has no value grafana.grafana; did you mean grafana."grafana.ini"?'
    ]


def test_a_map_where_the_chart_takes_a_plain_value_is_refused() -> None:
    assert complaints("kube-prometheus-stack", {"prometheus": {"prometheusSpec": {"retention": {"time": "15d"}}}})


def test_every_pin_has_its_list_and_no_list_is_stale() -> None:
    assert {path.name for path in LISTS.glob("*.keys")} == {list_file(chart).name for chart in CHARTS}


def test_every_documented_key_is_missing_from_its_list_and_used() -> None:
    for name, entries in DOCUMENTED.items():
        (chart,) = [chart for chart in CHARTS if chart.name == name]
        listed = list_file(chart).read_text().splitlines()
        for entry in entries:
            others = KeyList([*listed, *(other for other in entries if other != entry)])
            used = [r for stack in STACKS for r in releases(stack) if r.inputs["chart"] == name]
            needed = any(list(others.unknown(release.inputs["values"])) for release in used)
            assert needed, f"{name}: {entry} is in the chart's list or no longer set; remove it from DOCUMENTED"


# Installing them


@pytest.mark.parametrize("stack", STACKS)
def test_every_release_is_pinned_and_has_a_fixed_name_and_a_timeout(stack: str) -> None:
    pins = {chart.name: chart for chart in CHARTS}
    for release in releases(stack):
        pin = pins[release.inputs["chart"]]
        assert release.inputs["version"] == pin.version
        assert release.inputs["repositoryOpts"] == {"repo": pin.repository}
        assert release.inputs["name"] == release.name, "without a name of its own a release gets a random suffix"
        assert release.inputs["timeout"] > 300, "Helm's own 300 s are too short for the first pull of every image"
        assert release.inputs["atomic"] is True, (
            "a failed upgrade must leave a release that the next one can start from"
        )


def test_prod_installs_every_pinned_chart() -> None:
    assert {release.inputs["chart"] for release in releases("prod")} == {chart.name for chart in CHARTS}


@pytest.mark.parametrize("stack", STACKS)
def test_no_value_is_a_template(stack: str) -> None:
    for release in releases(stack):
        templates = [leaf for leaf in leaves(release.inputs["values"]) if isinstance(leaf, str) and "{{" in leaf]
        assert not templates, f"{release.name}: the chart would evaluate {templates}"


@pytest.mark.parametrize("stack", STACKS)
def test_definitions_have_one_owner(stack: str) -> None:
    assert at(values_of(KUBE_PROMETHEUS_STACK, stack), ("crds", "enabled")) is False


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("kind", ["rule", "serviceMonitor", "podMonitor", "probe", "scrapeConfig"])
def test_prometheus_reads_objects_without_the_release_label(stack: str, kind: str) -> None:
    spec = at(values_of(KUBE_PROMETHEUS_STACK, stack), ("prometheus", "prometheusSpec"))
    assert spec[f"{kind}SelectorNilUsesHelmValues"] is False


@pytest.mark.parametrize("stack", STACKS)
def test_grafana_can_be_upgraded_and_rolled_back(stack: str) -> None:
    grafana = values_of(KUBE_PROMETHEUS_STACK, stack)["grafana"]
    assert grafana["deploymentStrategy"] == {"type": "Recreate"}, "two pods cannot have one volume"
    if grafana["persistence"]["enabled"]:
        assert grafana["persistence"]["lookupVolumeName"] is False, (
            "the claim would be immutable, a rollback impossible"
        )


@pytest.mark.parametrize("stack", STACKS)
def test_every_claim_in_a_list_is_complete(stack: str) -> None:
    """A list replaces the chart's as a whole, and the API server refuses a claim without access modes. Without a list
    of ours, the chart would read its own instead of the size and class beside it."""
    values = values_of(LOKI, stack)
    for path in key_list(LOKI.name).below("claims"):
        volume = at(values, path[:-1]) or {}
        if volume.get("enabled"):
            assert volume.get("claims"), render(path)
            for claim in volume["claims"]:
                assert {"name", "accessModes", "size", "storageClass"} <= claim.keys(), render(path)


# Sizes


@pytest.mark.parametrize("stack", STACKS)
def test_every_container_that_a_chart_lets_us_size_is_sized(stack: str) -> None:
    wrong = [
        f"{chart.name}: {render(path)} is not set; give it requests and limits, or name what switches its part off"
        for chart in CHARTS
        for release in releases(stack)
        if release.inputs["chart"] == chart.name
        for path in key_list(chart.name).below("resources")
        if not is_sized(at(release.inputs["values"], path)) and not is_off(chart, path[:-1], release.inputs["values"])
    ]
    assert not wrong, "\n".join(wrong)


def is_sized(resources: Any) -> bool:
    """Whether both bounds of both resources are set."""
    bounds = [(kind, unit) for kind in ("requests", "limits") for unit in ("cpu", "memory")]
    return all(at(resources, bound) for bound in bounds)


def is_off(chart: Chart, part: KeyPath, values: Mapping[str, Any]) -> bool:
    """Whether the part's container is not deployed with these values."""
    if switch := OFF_BY_DEFAULT.get(chart.name, {}).get(render(part)):
        return not at(values, parse(switch))
    if switch := SWITCHED_OFF.get(chart.name, {}).get(render(part)):
        return at(values, parse(switch)) in (False, 0)
    return False


def test_a_container_without_a_size_is_noticed() -> None:
    values = values_of(KUBE_PROMETHEUS_STACK, "dev")
    unsized = renamed(values, ("grafana", "resources"), "removed")
    path = ("grafana", "resources")
    assert is_sized(at(values, path))
    assert not is_sized(at(unsized, path))
    assert not is_off(KUBE_PROMETHEUS_STACK, path[:-1], unsized)
    assert not is_sized({"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"memory": "1Gi"}})
