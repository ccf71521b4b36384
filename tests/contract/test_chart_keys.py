"""The key lists: how they are made from charts, and what the command says where they differ."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from checks import chart_keys, versions
from checks.chart_keys import KeyList, lines, list_file, parse, render
from checks.chart_source import Package, UnreachableError, from_repositories, unpack
from components.charts import CHARTS, Chart
from components.versions import deployed

CHART = Chart("example", "1.2.3", "https://charts.test/stable")


def package(files: dict[str, Any]) -> bytes:
    """A chart's package with these files; anything that is not text is written as JSON, which is YAML."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            data = (content if isinstance(content, str) else json.dumps(content)).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def test_a_list_has_every_key_and_marks_what_takes_anything() -> None:
    defaults: dict[str, Any] = {"a": {"b": 1, "labels": {}, "none": None}, "list": [], "args": ["x"], "x.y": {"z": ""}}
    assert lines(Package(defaults, {})) == ['"x.y".z', "a.b", "a.labels *", "a.none *", "args", "list *"]


def test_a_closed_schema_adds_its_keys_and_says_what_is_open() -> None:
    limits = {"type": "object", "additionalProperties": False, "properties": {"cpu": {"type": "string"}}}
    schema = {
        "additionalProperties": False,
        "properties": {"config": {"type": "object"}, "mode": {"type": "string"}, "limits": limits},
    }
    defaults: dict[str, Any] = {"config": {"receivers": {"otlp": {}}}, "limits": {}}
    assert lines(Package(defaults, schema)) == ["config *", "limits.cpu", "mode"]


def test_an_open_schema_adds_its_keys_but_does_not_open_what_the_defaults_list() -> None:
    probe = {"type": "object", "properties": {"path": {"type": "string"}}}
    schema = {"properties": {"limits": {"type": "object"}, "more": {"type": "object"}, "probe": probe}}
    assert lines(Package({"limits": {"rate": 1}}, schema)) == ["limits.rate", "more *", "probe.path"]


@pytest.mark.parametrize("path", [("a", "b"), ("grafana", "grafana.ini", "paths"), ("a b", 'c"d')])
def test_a_rendered_path_parses_to_itself(path: tuple[str, ...]) -> None:
    assert parse(render(path)) == path
    assert parse(render(path) + " *") == path


def test_below_a_free_form_value_anything_is_known() -> None:
    known = KeyList(["labels *", "name"])
    assert list(known.unknown({"labels": {"a": {"b": 1}}, "name": "x"})) == []
    assert list(known.unknown({"label": {}, "name": {"first": "x"}})) == [("label",), ("name", "first")]


def test_a_subchart_is_listed_under_its_name_with_the_parents_values_on_top() -> None:
    chart = package(
        {
            "example/Chart.yaml": {
                "dependencies": [
                    {"name": "grafana", "condition": "grafana.enabled"},
                    {"name": "windows", "condition": "windows.enabled"},
                    {"name": "operator", "alias": "rollout"},
                ]
            },
            "example/values.yaml": {"grafana": {"enabled": True, "size": 2}, "windows": {"enabled": False}},
            "example/charts/grafana/Chart.yaml": {},
            "example/charts/grafana/values.yaml": {"size": 1, "sidecar": {"label": ""}},
            "example/charts/operator/Chart.yaml": {},
            "example/charts/operator/values.yaml": {"replicas": 1},
        }
    )
    unpacked = unpack(chart)
    assert unpacked.defaults["grafana"]["size"] == 2
    assert lines(unpacked) == [
        "grafana.enabled",
        "grafana.sidecar.label",
        "grafana.size",
        "rollout.replicas",
        "windows.enabled",
    ]


# From a repository


def served(pages: dict[str, bytes]) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        page = pages.get(str(request.url))
        return httpx.Response(404) if page is None else httpx.Response(200, content=page)

    return httpx.Client(transport=httpx.MockTransport(answer))


def repository(data: bytes, digest: str | None = None) -> dict[str, bytes]:
    entry = {"version": "1.2.3", "urls": ["example-1.2.3.tgz"], "digest": digest or hashlib.sha256(data).hexdigest()}
    index = {"entries": {"example": [{"version": "1.2.2", "urls": ["old.tgz"]}, entry]}}
    return {f"{CHART.repository}/index.yaml": json.dumps(index).encode(), f"{CHART.repository}/example-1.2.3.tgz": data}


def test_a_chart_is_had_from_its_repositorys_index() -> None:
    data = package({"example/Chart.yaml": {}, "example/values.yaml": {"a": 1}})
    with from_repositories(served(repository(data))) as fetch:
        assert fetch(CHART).defaults == {"a": 1}


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        ({}, "404"),
        ({f"{CHART.repository}/index.yaml": b"entries: {}"}, "lists no example 1.2.3"),
        (repository(package({"example/Chart.yaml": {}}), digest="0" * 64), "not what the repository's index lists"),
        (repository(b"<html>log in</html>"), "not a chart package"),
        (repository(package({"README.md": "nothing"})), "not a chart package"),
    ],
    ids=["no index", "no such version", "another digest", "not a package", "no chart in it"],
)
def test_what_cannot_be_had_is_named(pages: dict[str, bytes], said: str) -> None:
    with from_repositories(served(pages)) as fetch, pytest.raises(UnreachableError, match=said):
        fetch(CHART)


# The command


def synthetic(chart: Chart, extra: dict[str, Any] | None = None) -> bytes:
    """A chart as its list and versions are kept: it cannot show that they are the real chart's."""
    values: dict[str, Any] = {}
    for line in list_file(chart).read_text().splitlines():
        *above, last = parse(line)
        inner = values
        for key in above:
            inner = inner.setdefault(key, {})
        inner[last] = {} if line.endswith(" *") else ""
    files: dict[str, Any] = {"c/values.yaml": values | (extra or {}), "c/values.schema.json": {}}
    description: dict[str, Any] = {"dependencies": []}
    for item in (item for item in deployed() if item.chart == f"{chart.name}-{chart.version}"):
        *above, last = item.place.split(".")
        if last != "appVersion":
            reduce(dict.__getitem__, above, values)[last] = item.version
        elif above:
            description["dependencies"].append({"name": above[0]})
            files[f"c/charts/{above[0]}/Chart.yaml"] = {"appVersion": item.version}
        else:
            description["appVersion"] = item.version
    return package(files | {"c/Chart.yaml": description})


@pytest.fixture
def charts(tmp_path: Path) -> Path:
    for chart in CHARTS:
        (tmp_path / f"{chart.name}-{chart.version}.tgz").write_bytes(synthetic(chart))
    return tmp_path


def run(command: str, directory: Path) -> Result:
    return CliRunner().invoke(chart_keys.cli, [command, "--charts", str(directory)])


def test_check_finds_the_same(charts: Path) -> None:
    result = run("check", charts)
    assert result.exit_code == chart_keys.SAME
    assert result.output.count(": same") == len(CHARTS)


def test_check_shows_what_a_chart_has_changed(charts: Path) -> None:
    (charts / f"{CHARTS[0].name}-{CHARTS[0].version}.tgz").write_bytes(synthetic(CHARTS[0], {"added": {"key": 1}}))
    result = run("check", charts)
    assert result.exit_code == chart_keys.DIFFERENT
    assert f"{CHARTS[0].name} {CHARTS[0].version}: DIFFERENT" in result.output
    assert "+added.key" in result.output.splitlines()


def test_check_shows_what_a_chart_deploys_otherwise(charts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [replace(item, version="0.0.1") if item.tool == "node-exporter" else item for item in deployed()]
    monkeypatch.setattr(versions, "deployed", lambda: listed)
    result = run("check", charts)
    assert result.exit_code == chart_keys.DIFFERENT
    assert "prometheus-node-exporter.appVersion is 1.12.1, and 0.0.1 in versions.yaml" in result.output


@pytest.mark.parametrize("command", ["check", "update"])
def test_a_chart_that_cannot_be_had_is_no_verdict(charts: Path, command: str) -> None:
    kept = {path: path.read_bytes() for path in chart_keys.LISTS.glob("*.keys")}
    (charts / f"{CHARTS[-1].name}-{CHARTS[-1].version}.tgz").unlink()
    result = run(command, charts)
    assert result.exit_code == chart_keys.UNREACHABLE
    assert f"Cannot get {CHARTS[-1].name} {CHARTS[-1].version}" in result.output
    assert {path: path.read_bytes() for path in chart_keys.LISTS.glob("*.keys")} == kept


def test_update_writes_the_lists_and_removes_the_stale(charts: Path, tmp_path: Path, monkeypatch: Any) -> None:
    kept = {path.name: path.read_text() for path in chart_keys.LISTS.glob("*.keys")}
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "gone-1.0.0.keys").touch()
    monkeypatch.setattr(chart_keys, "LISTS", lists)
    assert run("update", charts).exit_code == 0
    assert {path.name: path.read_text() for path in lists.iterdir()} == kept
