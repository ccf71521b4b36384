"""A closed network: every image of a stack is listed, and none is pulled from anywhere but its registry."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from checks.chart_keys import KeyList
from checks.mirror import containers, images, listing
from checks.program import Program, evaluate
from components import versions
from components.charts import CHARTS, LOG_AGENT, package
from components.images import OWN
from components.logs.agent import AGENT_IMAGE
from engine.provider.kubernetes import RELEASE
from engine.toolchain import tool
from facts import ROOT
from settings import KEY, read_config, stack_file
from tests.contract.test_charts import at

REGISTRY = "registry.example.com:5000/mirror"
STACKS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "dev": ("dev", {}),
    "prod": ("prod", {}),
    "prod, distributed logs": ("prod", {"logs": {"mode": "distributed"}}),
}


def mirrored(stack: str) -> Program:
    name, overrides = STACKS[stack]
    return evaluate(name, {**overrides, "images": {"registry": REGISTRY}})


def digests(stack: str) -> dict[str, str]:
    """A digest for each image of a stack, each another one."""
    return {name: f"sha256:{hashlib.sha256(name.encode()).hexdigest()}" for name in images(evaluate(*STACKS[stack]))}


def lines(stack: str) -> list[list[str]]:
    return [line.split("\t") for line in listing(stack, read_config(stack_file(ROOT, stack)))]


def test_the_list_has_charts_and_images_each_once_and_sorted() -> None:
    found = lines("prod")
    assert [line for kind in ("chart", "image") for line in found if line[0] == kind] == found
    assert found == sorted(found)
    assert len(found) == len({(kind, name) for kind, name, *_ in found})
    charts = {tuple(line[1:]) for line in found if line[0] == "chart"}
    assert charts == {(chart.name, chart.version, chart.repository) for chart in CHARTS}


def test_the_list_follows_the_settings() -> None:
    dev, prod = ({name for _, name, *_ in lines(stack)} for stack in ("dev", "prod"))
    assert {name for name in prod - dev if "/" in name} == {
        "quay.io/prometheuscommunity/yet-another-cloudwatch-exporter:v0.67.0"
    }
    distributed = images(evaluate("prod", {"logs": {"mode": "distributed"}})) - images(evaluate("prod"))
    assert {name.rpartition(":")[0] for name in distributed} == {
        "docker.io/nginxinc/nginx-unprivileged",
        "ghcr.io/jkroepke/access-log-exporter",
    }


def test_a_stack_with_a_registry_lists_where_each_image_is_expected() -> None:
    config = read_config(stack_file(ROOT, "prod"))
    there = {**config, KEY: {**config[KEY], "images": {"registry": REGISTRY}}}
    found = [line.split("\t")[1:] for line in listing("prod", there) if line.startswith("image")]
    assert [name for name, _ in found] == [name for kind, name, *_ in lines("prod") if kind == "image"]
    assert {place for name, place in found if name.startswith("quay.io/prometheus/prometheus:")} == {
        f"{REGISTRY}/prometheus/prometheus:v3.14.0-distroless"
    }
    assert len({place for _, place in found}) == len(found), "two images would have one name in the mirror"


@pytest.mark.parametrize("stack", STACKS)
def test_no_image_is_pulled_from_anywhere_but_the_registry(stack: str) -> None:
    found = mirrored(stack)
    named = {name for item in found for name in containers(item.inputs)}
    assert named
    assert [name for name in named if not name.startswith(f"{REGISTRY}/")] == []
    for release in found.of(RELEASE):
        values, (chart,) = release.inputs["values"], [c for c in CHARTS if c.name == release.inputs["chart"]]
        pulls = any(item.images for item in versions.deployed() if item.chart == f"{chart.name}-{chart.version}")
        where = at(values, tuple(chart.registry.split("."))) or at(values, ("image", "repository"))
        assert not pulls or where.startswith(REGISTRY), f"{release.name} pulls from the chart's own registry"
        assert list(KeyList.of(chart).unknown(values)) == []


def test_without_a_registry_nothing_is_set_and_a_section_is_added_to_not_replaced() -> None:
    assert not any(at(release.inputs["values"], ("global",)) for release in evaluate("prod").of(RELEASE))
    ours = at(
        evaluate("prod", {"images": {"registry": REGISTRY}}).one(RELEASE, "log-agent").inputs["values"], ("image",)
    )
    assert ours == {"repository": f"{REGISTRY}/{AGENT_IMAGE.partition('/')[2]}"}


def test_the_image_that_our_values_name_is_the_listed_one() -> None:
    (listed,) = [item for item in versions.deployed() if item.chart == f"{LOG_AGENT.name}-{LOG_AGENT.version}"]
    assert [image.name for image in listed.images] == [f"{AGENT_IMAGE}:{listed.version}"]


@pytest.mark.parametrize("stack", STACKS)
def test_every_image_can_be_pinned_by_digest(stack: str) -> None:
    (name, overrides), wanted = STACKS[stack], digests(stack)
    found = evaluate(name, {**overrides, "images": {"digests": wanted}})
    for own in {name for item in found for name in containers(item.inputs)}:
        image, _, digest = own.partition("@")
        assert digest == wanted[image]
    texts = [text for release in found.of(RELEASE) for text in every(release.inputs["values"])]
    unpinned = [
        name
        for name, digest in wanted.items()
        if name not in OWN and not any(text.endswith(digest.removeprefix("sha256:")) for text in texts)
    ]
    assert unpinned == []
    for release in found.of(RELEASE):
        (chart,) = [c for c in CHARTS if c.name == release.inputs["chart"]]
        assert list(KeyList.of(chart).unknown(release.inputs["values"])) == []


def test_a_digest_beside_other_values_replaces_none_of_them() -> None:
    before = evaluate("prod").one(RELEASE, "kube-prometheus-stack").inputs["values"]
    wanted = {name: digest for name, digest in digests("prod").items() if "/grafana:" in name}
    after = evaluate("prod", {"images": {"digests": wanted}}).one(RELEASE, "kube-prometheus-stack").inputs["values"]
    assert after["grafana"].pop("image") == {"sha": next(iter(wanted.values())).removeprefix("sha256:")}
    assert after == before


def test_the_digest_of_an_image_that_the_charts_no_longer_have_is_refused() -> None:
    old = {"docker.io/grafana/loki:3.7.5": f"sha256:{0:064x}"}
    with pytest.raises(
        pulumi.RunError,
        match=r'images.digests: "docker.io/grafana/loki:3.7.5" is no image of a stack; .*'
        r'did you mean "docker.io/grafana/loki:3.7.6"',
    ):
        evaluate("prod", {"images": {"digests": old}})


def every(value: Any) -> Iterator[str]:
    """Every text of a value."""
    if isinstance(value, str):
        yield value
    for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from every(item)


# The real charts, where CHARTS names a directory of them


@pytest.mark.skipif("CHARTS" not in os.environ, reason="CHARTS names no directory of the real charts")
@pytest.mark.parametrize("registry", [None, REGISTRY])
@pytest.mark.parametrize("stack", STACKS)
def test_the_real_charts_pull_what_is_listed(stack: str, registry: str | None, tmp_path: Path) -> None:
    name, overrides = STACKS[stack]
    found = evaluate(name, {**overrides, "images": {"registry": registry}})
    pulled = {image for release in found.of(RELEASE) for image in templated(release.inputs, tmp_path)}
    pulled |= {name for item in found for name in containers(item.inputs)}
    listed = images(evaluate(name, overrides))
    if registry:
        listed = {f"{registry}/{name.partition('/')[2]}" for name in listed}
    assert pulled == listed


@pytest.mark.skipif("CHARTS" not in os.environ, reason="CHARTS names no directory of the real charts")
@pytest.mark.parametrize("stack", STACKS)
def test_the_real_charts_pull_by_the_digests(stack: str, tmp_path: Path) -> None:
    (name, overrides), wanted = STACKS[stack], digests(stack)
    found = evaluate(name, {**overrides, "images": {"digests": wanted}})
    pulled = {image for release in found.of(RELEASE) for image in templated(release.inputs, tmp_path)}
    pulled |= {name for item in found for name in containers(item.inputs)}
    # Loki's chart names no tag beside a digest.
    expected = {f"{name.rpartition(':')[0]}@{digest}" for name, digest in wanted.items()}
    assert {re.sub(":[^:/@]+@", "@", image) for image in pulled} == expected


def templated(release: Mapping[str, Any], scratch: Path) -> Iterator[str]:
    """The images that Helm makes of a release."""
    (chart,) = [chart for chart in CHARTS if chart.name == release["chart"]]
    file = Path(os.environ["CHARTS"]) / package(chart)
    (values := scratch / "values.yaml").write_text(yaml.safe_dump(release["values"]))
    command: list[str | Path] = [tool("helm"), "template", file, "--kube-version", "1.33.0", "--values", values]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    documents = yaml.load_all(text.replace(" - =\n", " - '='\n"), Loader=yaml.CSafeLoader)
    for item in documents:
        yield from containers(item)
        yield from (line.partition("=")[2] for line in every(item) if line.startswith("--prometheus-config-reloader="))
