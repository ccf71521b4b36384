"""The rehearsal and the checks run the versions that the stack deploys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from checks.program import evaluate
from components import versions
from components.charts import CHARTS
from components.versions import Deployed
from engine.toolchain import TOOLS
from rehearsal import scrape

RUN = [item for item in versions.deployed() if item.tool]
SIBLINGS = {"promtool": "prometheus", "amtool": "alertmanager"}
"""Tools that no chart deploys, with the deployed one of the same module."""
MODULES = {
    "operatorconfig": "github.com/prometheus-operator/prometheus-operator",
    "networkpolicies": "sigs.k8s.io/kube-network-policies",
    "collector": "go.opentelemetry.io/collector/otelcol",
    "pulumi-language-python": "github.com/pulumi/pulumi/sdk/v3",
}
"""The module that gives a tool with a main package of our own its version."""


def test_every_pinned_chart_is_listed_with_what_it_deploys() -> None:
    assert {item.chart for item in versions.deployed()} == {f"{chart.name}-{chart.version}" for chart in CHARTS}
    assert [item for item in versions.deployed() if bool(item.tool) == bool(item.not_run)] == []


@pytest.mark.parametrize("item", RUN, ids=lambda item: f"{item.chart} {item.tool}")
def test_a_tool_is_the_version_that_the_chart_deploys(item: Deployed) -> None:
    assert TOOLS[item.tool].version == item.number


@pytest.mark.parametrize(("name", "deployed"), SIBLINGS.items())
def test_a_tool_that_reads_files_is_the_version_of_the_program_that_loads_them(name: str, deployed: str) -> None:
    assert TOOLS[name].version == TOOLS[deployed].version


BUILT = [name for name, item in TOOLS.items() if not item.node and (item.package[0] != "." or name in MODULES)]


@pytest.mark.parametrize("name", BUILT)
def test_a_tools_version_is_that_of_the_module_it_is_built_from(name: str) -> None:
    tool = TOOLS[name]
    pinned = dict(re.findall(r"^(?:require )?\t?(\S+) (v\S+)", (tool.directory / "go.mod").read_text(), re.MULTILINE))
    package = MODULES.get(name, tool.package)
    module = max((path for path in pinned if f"{package}/".startswith(f"{path}/")), key=len)
    # Prometheus 3.14.0 is v0.314.0 as a module, which keeps importers from relying on its API.
    version = re.sub(r"^v0\.3(\d\d)\.", r"v3.\1.", pinned[module])
    assert version.removeprefix("v") == tool.version.removeprefix("v")


@pytest.mark.parametrize("name", [name for name, item in TOOLS.items() if item.node])
def test_packages_of_node_are_the_pinned_ones_from_any_registry(name: str) -> None:
    tool = TOOLS[name]
    pinned = json.loads((tool.directory / "package.json").read_text())["dependencies"]
    locked = json.loads((tool.directory / "package-lock.json").read_text())["packages"]
    assert locked[""]["dependencies"] == pinned
    assert {package: locked[f"node_modules/{package}"]["version"] for package in pinned} == pinned
    assert pinned[tool.package] == tool.version
    packages = [item for path, item in locked.items() if path]
    assert [item for item in packages if not item["integrity"].startswith("sha512-") or "resolved" in item] == []


def test_of_grafanas_pages_nothing_is_installed_but_the_files() -> None:
    locked = json.loads((TOOLS["grafana-data"].directory / "package-lock.json").read_text())["packages"]
    pages = locked["node_modules/@grafana/ui"]
    assert pages["version"] == TOOLS["grafana-data"].version
    assert "dependencies" not in pages, "make lock leaves them out: 73 packages, 250 MB"


def test_panels_are_judged_by_the_library_of_the_grafana_that_the_chart_deploys() -> None:
    (grafana,) = (item.number for item in versions.deployed() if item.place == "grafana.appVersion")
    assert TOOLS["grafana-data"].version.rpartition(".")[0] == grafana.rpartition(".")[0]


def test_the_operator_is_told_of_the_prometheus_that_the_chart_deploys() -> None:
    (prometheus,) = (item for item in RUN if item.tool == "prometheus")
    assert scrape.CHART_DEFAULTS["version"] == prometheus.version


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_values_choose_another_version_only_where_that_is_listed(stack: str) -> None:
    releases = evaluate(stack).of("kubernetes:helm.sh/v3:Release")
    chosen = {place: tag for release in releases for place, tag in tags(release.inputs["values"])}
    assert chosen == {item.place: item.instead for item in versions.deployed() if item.instead}


def tags(values: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """All image tags that values set, by their paths."""
    if isinstance(values, Mapping):
        for key, value in values.items():
            place = f"{path}.{key}".removeprefix(".")
            if key == "tag":
                yield place, value
            yield from tags(value, place)
