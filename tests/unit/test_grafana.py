"""What a Grafana of the rehearsal is started with. No real one has read it: this says what is written, and how."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

import catalogue
import dashboards
from components.grafana import data_sources_file
from facts import ROOT
from local.errors import RehearsalError
from local.ports import Ports
from local.state import State
from rehearsal import grafana, health
from settings import KEY, parse

PORTS = Ports(200)
SOURCES = data_sources_file(parse(yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"][KEY]))


def config_map(state: State, name: str, label: str, data: dict[str, str], folder: str | None = None) -> None:
    metadata: dict[str, Any] = {"name": name, "labels": {label: "1"}}
    if folder:
        metadata["annotations"] = {"grafana_folder": folder}
    path = state.cluster / "ConfigMap" / "monitoring" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"metadata": metadata, "data": data}))


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    config_map(state, "sources", "grafana_datasource", SOURCES)
    config_map(state, "dashboard-one", "grafana_dashboard", {"one.json": '{"uid": "one"}'}, folder="Order processor")
    return state


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_dashboards_ask_no_data_source_that_is_not_run(state: State) -> None:
    text = dashboards.load(catalogue.load(ROOT / "services.yaml"))["service-detail"]
    config_map(state, "dashboard-two", "grafana_dashboard", {"two.json": text}, folder="Order processor")
    grafana.provision(state, PORTS)
    written = json.loads((state.root / "grafana/dashboards/Order processor/two.json").read_text())
    assert "tempo" in text
    assert "tempo" not in json.dumps(written)
    kept = [panel["title"] for panel in written["panels"]]
    left_out = {panel["title"] for panel in json.loads(text)["panels"]} - {*kept}
    assert left_out == {"Slow or failed traces"}


def test_data_sources_are_the_deployed_ones_at_this_machines_addresses(state: State) -> None:
    grafana.provision(state, PORTS)
    written = (state.root / "grafana/provisioning/datasources/datasources.yaml").read_text()
    sources = {source["type"]: source for source in yaml.safe_load(written)["datasources"]}
    assert {kind: source["url"] for kind, source in sources.items()} == {
        "prometheus": "http://127.0.0.1:9290",
        "alertmanager": "http://127.0.0.1:9293",
        "loki": "http://127.0.0.1:3300",
    }
    deployed = json.loads(SOURCES["datasources.yaml"])["datasources"]
    for source in deployed:
        if source["type"] in sources:
            assert sources[source["type"]] | {"url": None} == source | {"url": None}


def test_dashboards_are_in_their_folder_and_go_when_they_are_no_longer_deployed(state: State) -> None:
    grafana.provision(state, PORTS)
    provider = yaml.safe_load((state.root / "grafana/provisioning/dashboards/dashboards.yaml").read_text())
    (found,) = provider["providers"]
    assert found["options"]["foldersFromFilesStructure"] is True
    directory = Path(found["options"]["path"])
    assert (directory / "Order processor" / "one.json").read_text() == '{"uid": "one"}'
    (state.cluster / "ConfigMap/monitoring/dashboard-one.yaml").unlink()
    grafana.provision(state, PORTS)
    assert list(directory.rglob("*.json")) == []


def test_a_dashboard_that_changes_twice_arrives_both_times(state: State) -> None:
    """Up to 10 s Grafana watches directories, and loses those that are removed; above, it polls them."""
    path = state.root / "grafana/dashboards/Order processor/one.json"
    grafana.provision(state, PORTS)
    (provider,) = json.loads((state.root / "grafana/provisioning/dashboards/dashboards.yaml").read_text())["providers"]
    assert provider["updateIntervalSeconds"] > 10
    directories = {place: place.stat().st_ino for place in (path.parent, path.parent.parent)}
    for number in (1, 2):
        text = json.dumps({"uid": "one", "version": number})
        config_map(state, "dashboard-one", "grafana_dashboard", {"one.json": text}, folder="Order processor")
        grafana.provision(state, PORTS)
        assert path.read_text() == text
    assert {place: place.stat().st_ino for place in directories} == directories
    assert [file.name for file in path.parent.iterdir()] == ["one.json"]


def test_what_grafana_reads_is_replaced_as_a_whole_and_left_alone_while_it_is_the_same(state: State) -> None:
    path = state.root / "grafana/dashboards/Order processor/one.json"
    grafana.provision(state, PORTS)
    first = path.stat()
    grafana.provision(state, PORTS)
    assert path.stat().st_ino == first.st_ino
    config_map(state, "dashboard-one", "grafana_dashboard", {"one.json": "{}"}, folder="Order processor")
    with path.open() as read:  # as Grafana may be reading it
        grafana.provision(state, PORTS)
        assert read.read() == '{"uid": "one"}'
    assert path.read_text() == "{}"


def test_the_grafana_that_runs_stays_whatever_is_on_path_by_now(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = executable(tmp_path / "installed/bin/grafana")
    executable(tmp_path / "installed/conf/defaults.ini")
    docker = executable(tmp_path / "bin/docker")
    monkeypatch.setenv("PATH", f"{binary.parent}:{docker.parent}")
    grafana.provision(state, PORTS)
    first = grafana.program(state, PORTS)
    monkeypatch.setenv("PATH", str(docker.parent))
    grafana.provision(state, PORTS)
    assert grafana.program(state, PORTS, runs=True) == first
    monkeypatch.setenv("PATH", str(tmp_path))
    assert grafana.program(state, PORTS, runs=True) == first
    monkeypatch.setenv("PATH", str(docker.parent))
    assert grafana.program(state, PORTS).command[0] == str(docker)  # a new start looks again


@pytest.mark.parametrize("home", [".", "share/grafana"])
def test_an_installed_grafana_finds_its_own_files(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    binary = executable(tmp_path / "installed/bin/grafana")
    executable(tmp_path / "installed" / home / "conf/defaults.ini")
    monkeypatch.setenv("PATH", str(binary.parent))
    grafana.provision(state, PORTS)
    program = grafana.program(state, PORTS)
    assert program.command == [str(binary), "server", f"--homepath={(tmp_path / 'installed' / home).resolve()}"]
    assert health.url(program.name, PORTS) == "http://127.0.0.1:3200/api/health"
    assert program.environment["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    assert program.environment["GF_SERVER_HTTP_PORT"] == "3200"
    assert program.environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_docker_runs_the_same_as_this_user_and_only_on_this_machine(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = executable(tmp_path / "bin/docker")
    monkeypatch.setenv("PATH", str(docker.parent))
    grafana.provision(state, PORTS)
    program = grafana.program(state, PORTS)
    directory = state.root / "grafana"
    assert program.command[:3] == [str(docker), "run", "--rm"]
    assert program.command[-1] == grafana.IMAGE
    assert {f"--user={os.getuid()}:{os.getgid()}", f"--volume={directory}:{directory}"} <= set(program.command)
    assert {f"--env={key}={value}" for key, value in program.environment.items()} <= set(program.command)


def test_another_data_source_starts_it_anew_and_another_dashboard_does_not(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(executable(tmp_path / "bin/docker").parent))

    def restart_on() -> str:
        grafana.provision(state, PORTS)
        return grafana.program(state, PORTS).restart_on

    first = restart_on()
    config_map(state, "dashboard-two", "grafana_dashboard", {"two.json": "{}"}, folder="Order processor")
    assert restart_on() == first
    config_map(state, "sources", "grafana_datasource", {"datasources.yaml": '{"datasources": []}'})
    assert restart_on() != first


def test_without_grafana_and_docker_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RehearsalError, match=r"neither .* is on PATH. Install Grafana .*make report"):
        grafana.prepare()


def test_a_docker_that_does_not_run_is_told_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = executable(tmp_path / "docker", "#!/bin/sh\necho no daemon >&2; exit 1\n")
    monkeypatch.setenv("PATH", str(docker.parent))
    with pytest.raises(RehearsalError, match=r"no daemon\nStart Docker"):
        grafana.prepare()


def test_an_incomplete_grafana_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(executable(tmp_path / "bin/grafana").parent))
    with pytest.raises(RehearsalError, match="install all of Grafana"):
        grafana.prepare()


@pytest.mark.parametrize(("text", "wanted"), [("", None), ("0", False), ("1", True)])
def test_it_is_asked_for_by_1(monkeypatch: pytest.MonkeyPatch, text: str, wanted: bool) -> None:
    monkeypatch.setenv("GRAFANA", text)
    assert grafana.from_environment() is wanted


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAFANA", "yes")
    with pytest.raises(RehearsalError, match="GRAFANA=yes: expected 1"):
        grafana.from_environment()
