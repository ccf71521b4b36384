"""The lifecycle of a rehearsal: a real supervisor and processes that only sleep, without the engine and the tools."""

from __future__ import annotations

import dataclasses
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from checks.waiting import eventually
from engine import rule_files, toolchain
from engine.changes import Changes
from engine.configuration import Aside
from engine.operations import EngineError
from engine.toolchain import ToolchainError
from facts import ROOT
from local import ports
from local.errors import RehearsalError
from local.ports import Ports
from local.program import Program
from local.state import State
from rehearsal import deployment, grafana, health, jaeger, lifecycle
from rehearsal.__main__ import main
from rehearsal.deployed import Deployed
from rehearsal.deployment import Deployment
from rehearsal.derive import loki_configuration
from rehearsal.lifecycle import Rehearsal
from rehearsal.programs import _alertmanager, agent_environment
from rehearsal.scrape import ScrapeError
from rehearsal.supervisor import GUARD, Supervisor
from settings import KEY
from simulation import dialect, redis
from tests.tree import copy_tree

SLEEP = ["sleep", "1000"]
PROMETHEUS, ALERTMANAGER, ORDERS = (Program(name, SLEEP) for name in ("prometheus", "alertmanager", "order-service"))
OFFSET = 25000
DEPLOY = Deployment._deploy


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


class TestSupervisor:
    @pytest.fixture
    def supervisor(self, tmp_path: Path) -> Iterator[Supervisor]:
        state = State(tmp_path)
        state.make()
        supervisor = Supervisor(state)
        supervisor.start([PROMETHEUS, ORDERS])
        try:
            eventually(lambda: len(pids(supervisor)) == 2)
            yield supervisor
        finally:
            supervisor.stop()

    def test_a_changed_digest_restarts_exactly_that_program(self, supervisor: Supervisor) -> None:
        before = pids(supervisor)
        restarted = supervisor.update([dataclasses.replace(PROMETHEUS, restart_on="another"), ORDERS])
        assert set(restarted) - {GUARD} == {"prometheus"}
        eventually(lambda: len(pids(supervisor)) == 2)
        after = pids(supervisor)
        assert after["order-service"] == before["order-service"]
        assert after["prometheus"] != before["prometheus"]

    def test_only_what_has_ended_is_started(self, supervisor: Supervisor) -> None:
        before = pids(supervisor)
        assert supervisor.start_ended() == []
        supervisor.stop_program("order-service")
        assert supervisor.start_ended() == ["order-service"]
        eventually(lambda: len(pids(supervisor)) == 2)
        assert pids(supervisor)["prometheus"] == before["prometheus"]

    def test_stopping_or_starting_twice_is_as_good_as_once(self, supervisor: Supervisor) -> None:
        supervisor.stop_program("order-service")
        supervisor.stop_program("order-service")
        assert "order-service" not in pids(supervisor)
        supervisor.start_program("order-service")
        supervisor.start_program("order-service")  # which is still about to start
        eventually(lambda: "order-service" in pids(supervisor))

    def test_other_faults_are_errors_in_a_sentence(self, supervisor: Supervisor) -> None:
        with pytest.raises(RehearsalError, match="startProcess: BAD_NAME: nobody"):
            supervisor.start_program("nobody")

    def test_stopping_leaves_nothing(self, supervisor: Supervisor, tmp_path: Path) -> None:
        all_pids = [*pids(supervisor).values(), int((tmp_path / "supervisord.pid").read_text())]
        supervisor.stop()
        assert not supervisor.running
        eventually(lambda: not any(alive(pid) for pid in all_pids))
        supervisor.stop()
        with pytest.raises(RehearsalError, match="does not answer"):
            supervisor.stop_program("order-service")


def pids(supervisor: Supervisor) -> dict[str, int]:
    """Process id of everything that runs, by name."""
    return {item.name: item.pid for item in supervisor.processes() if item.running and item.name != GUARD}


class World:
    """What a rehearsal meets outside: files that were derived, and processes that take a reload or refuse it."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.supervisor = Supervisor(state)
        self.digests = {"prometheus": "one", "alertmanager": "one", "loki": "one", "agent": "one"}
        self.programs = [PROMETHEUS, ALERTMANAGER, ORDERS]
        self.refuses = False
        self.reloaded: list[str] = []
        self.said: list[str] = []

    def rehearsal(self, asked: Ports | None = None, speak: str | None = None) -> Rehearsal:
        """As a new command sees it."""
        return Rehearsal(self.state, asked, speak)

    def deployment(self, rehearsal: Rehearsal) -> Deployment:
        return Deployment(rehearsal, self.said.append)

    def up(self, asked: Ports | None = None, speak: str | None = None) -> list[str]:
        """`make up`; returns the processes that loaded their configuration anew."""
        self.reloaded.clear()
        self.deployment(self.rehearsal(asked, speak)).up()
        return list(self.reloaded)

    def post(self, url: str, **_: Any) -> httpx.Response:
        """In place of a service that takes a fault."""
        assert url.endswith("/_fault")
        return httpx.Response(200, request=httpx.Request("POST", url))

    def reload(self, name: str, used: Ports, supervisor: Supervisor) -> None:
        """In place of a process that reads its files again."""
        assert used.offset == int(self.state.offset.read_text())
        assert supervisor.running
        self.reloaded.append(name)
        if self.refuses:
            raise RehearsalError("bad rule")


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    def nothing(*_: Any, **__: Any) -> None:
        pass

    made = World(State(tmp_path / "state"))
    monkeypatch.setattr(toolchain, "missing", lambda _: [])
    monkeypatch.setattr(toolchain, "tool", lambda name: Path(name))
    monkeypatch.setattr(rule_files, "check", nothing)
    monkeypatch.setattr(Deployment, "_deploy", nothing)
    monkeypatch.setattr(deployment, "derive", lambda *_: dict(made.digests))
    monkeypatch.setattr(deployment, "programs", lambda *_, **_also: made.programs)
    monkeypatch.setattr(deployment, "reload", made.reload)
    monkeypatch.setattr(health.CLIENT, "post", made.post)
    monkeypatch.setattr(Ports, "taken", lambda *_: {})
    for wait in ("wait_for_processes", "wait_for_targets", "wait_for_heartbeat"):
        monkeypatch.setattr(health, wait, nothing)
    try:
        yield made
    finally:
        made.supervisor.stop()


class TestReloading:
    def test_a_fresh_start_and_unchanged_files_need_no_reload(self, world: World) -> None:
        assert world.up() == []
        assert world.up() == []

    def test_a_change_is_loaded_once_by_the_part_that_it_concerns(self, world: World) -> None:
        world.up()
        world.digests["prometheus"] = "two"
        assert world.up() == ["prometheus"]
        assert world.up() == []

    def test_a_refused_reload_is_an_error_and_is_made_up_for(self, world: World) -> None:
        world.up()
        world.digests["prometheus"] = "two"
        world.refuses = True
        for _ in range(2):
            with pytest.raises(RehearsalError, match="bad rule"):
                world.up()
        world.refuses = False
        assert world.up() == ["prometheus"]
        assert world.up() == []

    def test_an_interrupted_reload_is_made_up_for_even_if_the_edit_is_undone(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*_: Any, **__: Any) -> None:
            raise KeyboardInterrupt

        world.up()
        world.digests["alertmanager"] = "two"
        with monkeypatch.context() as patch:
            patch.setattr(deployment, "reload", interrupted)
            with pytest.raises(KeyboardInterrupt):
                world.up()
        world.digests["alertmanager"] = "one"  # nobody knows which of them it runs
        assert world.up() == ["alertmanager"]

    def test_the_heartbeat_must_be_of_this_start_or_of_the_last_two_minutes(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[float] = []
        monkeypatch.setattr(health, "wait_for_heartbeat", lambda _, since: asked.append(time.time() - since))
        world.up()
        world.up()
        assert asked[0] < 60
        assert 119 < asked[1] < 180


class TestUp:
    def test_starts_what_was_stopped_and_nothing_else(self, world: World) -> None:
        world.up()
        eventually(lambda: len(pids(world.supervisor)) == 3)
        before = pids(world.supervisor)
        world.rehearsal().fault("down", "order-service")
        world.up()
        assert "started order-service, which make fault had stopped" in world.said
        eventually(lambda: len(pids(world.supervisor)) == 3)
        after = pids(world.supervisor)
        assert {name for name in before if after[name] != before[name]} == {"order-service"}

    def test_a_process_started_anew_has_loaded_its_files(self, world: World) -> None:
        world.up()
        world.supervisor.stop_program("prometheus")
        world.digests["prometheus"] = "two"
        assert world.up() == []

    def test_replaces_what_a_killed_start_left(self, world: World) -> None:
        world.up()
        eventually(lambda: len(pids(world.supervisor)) == 3)
        before = pids(world.supervisor)
        world.state.ready.unlink()
        world.up()
        eventually(lambda: len(pids(world.supervisor)) == 3)
        assert not set(pids(world.supervisor).values()) & set(before.values())

    def test_heal_starts_what_was_stopped(self, world: World) -> None:
        world.up()
        world.rehearsal().fault("down", "order-service")
        assert world.rehearsal().heal() == ["order-service"]
        assert world.rehearsal().heal() == []  # although it is still starting

    def test_what_is_down_cannot_fail_or_go_down_again(self, world: World) -> None:
        world.up()
        world.rehearsal().fault("down", "order-service")
        for kind in ("down", "errors"):
            with pytest.raises(RehearsalError, match="order-service is down already; make heal starts it"):
                world.rehearsal().fault(kind, "order-service")
        assert world.rehearsal().broken() == ["order-service: down"]

    @pytest.mark.parametrize(
        ("kind", "service", "said"),
        [
            ("down", "order-servic", 'expected one of order-service, redis; did you mean "order-service"?'),
            ("errors", "redis", "can only be down: KIND=down; expected one of order-service"),
            ("errors", "refund-service", "stands in services.yaml, but nothing simulates it, so that it does not run"),
            ("down", "dynamodb", "stands in services.yaml, but nothing simulates it, so that it does not run"),
            ("latency", "gateway", "does not run: Pulumi.dev.yaml names it under absentServices, or services.yaml"),
            ("down", "prometheus", "runs, but is not a service"),
            (
                "down",
                "gateway, order-service",
                "expected one service; break one at a time: make fault KIND=down SERVICE=gateway, then "
                "make fault KIND=down SERVICE=order-service",
            ),
        ],
    )
    def test_what_cannot_be_broken_is_refused_with_the_reason(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, service: str, said: str
    ) -> None:
        world.programs.append(Program(redis.NAME, SLEEP))
        world.up()
        monkeypatch.setattr(lifecycle, "ROOT", tmp_path)
        entry = "{ name: refund-service, port: 8007, uses: [redis], requires: [dynamodb] }"
        (tmp_path / "services.yaml").write_text(f"services:\n  - {entry}\n")
        with pytest.raises(RehearsalError) as error:
            world.rehearsal().fault(kind, service)
        assert str(error.value).startswith(f"SERVICE={service}: ")
        assert said in str(error.value)
        assert world.rehearsal().broken() == []

    @pytest.mark.parametrize("text", ["services: {", "services: [{}, 1]", "a: 1", "", "\x00"])
    def test_a_catalogue_that_is_not_valid_names_nothing(
        self, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        world.up()
        monkeypatch.setattr(lifecycle, "ROOT", tmp_path)
        (tmp_path / "services.yaml").write_text(text)
        with pytest.raises(RehearsalError, match="SERVICE=refund-service: expected one of order-service"):
            world.rehearsal().fault("down", "refund-service")

    def test_up_says_that_a_fault_is_over(self, world: World) -> None:
        world.up()
        world.rehearsal().fault("down", "order-service")
        world.rehearsal().note("gateway: latency")
        world.up()
        assert "started order-service, which make fault had stopped" in world.said
        assert world.rehearsal().faults()[-1][1] == "order-service: started by make up"
        assert world.rehearsal().broken() == ["gateway: latency"]
        world.rehearsal().down()
        world.up()
        assert world.rehearsal().broken() == [], "what is started again has no fault"


class TestOneAtATime:
    @pytest.mark.parametrize("command", ["up", "down", "clean"])
    def test_a_second_command_says_who_holds_the_rehearsal(self, world: World, command: str) -> None:
        with world.state.exclusive("up"), pytest.raises(RehearsalError) as error:
            world.up() if command == "up" else getattr(world.rehearsal(), command)()
        assert str(error.value) == f"make up (process {os.getpid()}) works on {world.state.root}; wait for it to end"
        assert not world.supervisor.running

    def test_the_lock_ends_with_its_holder_and_no_process_inherits_it(self, world: World) -> None:
        world.up()
        with world.state.lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_a_directory_of_somebody_else_is_refused(self, world: World) -> None:
        world.state.root.mkdir()
        (world.state.root / "thesis.txt").write_text("mine")
        for command in (world.up, world.rehearsal().down, world.rehearsal().clean):
            with pytest.raises(RehearsalError, match="neither empty nor a rehearsal's; name another directory"):
                command()
        assert (world.state.root / "thesis.txt").exists()

    def test_clean_stops_and_removes_the_directory_that_was_named(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.up()
        monkeypatch.setenv("STATE", str(world.state.root))
        assert CliRunner().invoke(main, ["clean"]).exit_code == 0
        assert not world.supervisor.running
        assert not world.state.root.exists()
        assert CliRunner().invoke(main, ["clean"]).exit_code == 0

    def test_down_leaves_no_directory_where_there_was_none(self, world: World) -> None:
        assert not world.rehearsal().down()
        assert not world.state.root.exists()


class TestPorts:
    def test_the_offset_is_remembered_while_it_runs(self, world: World) -> None:
        world.up(Ports(OFFSET))
        assert world.rehearsal().ports == world.rehearsal(Ports(OFFSET)).ports == Ports(OFFSET)
        world.rehearsal().down()
        assert world.rehearsal().ports == Ports()
        assert world.rehearsal(Ports(1)).ports == Ports(1)

    def test_another_offset_while_it_runs_is_refused_before_anything_is_done(self, world: World) -> None:
        world.up(Ports(OFFSET))
        world.said.clear()
        message = rf"PORT_OFFSET=0: the rehearsal runs with PORT_OFFSET={OFFSET}\..*make down"
        with pytest.raises(RehearsalError, match=message):
            world.up(Ports(0))
        assert world.said == []
        assert world.rehearsal(Ports(0)).down()  # or the remedy would need the right offset

    @pytest.mark.parametrize(("text", "expected"), [(None, None), ("", None), ("0", Ports(0)), ("7", Ports(7))])
    def test_the_environment_may_name_one(
        self, monkeypatch: pytest.MonkeyPatch, text: str | None, expected: Ports | None
    ) -> None:
        monkeypatch.delenv("PORT_OFFSET", raising=False)
        if text is not None:
            monkeypatch.setenv("PORT_OFFSET", text)
        assert ports.from_environment() == expected


class TestInput:
    """What is wrong with the input is said before tools are built, which takes minutes."""

    @pytest.fixture
    def built(self, world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:  # noqa: ARG002 - the world comes first
        built: list[str] = []
        monkeypatch.setattr(toolchain, "missing", lambda names: names)
        monkeypatch.setattr(toolchain, "build", built.extend)
        return built

    def test_right_input_has_the_tools_built(self, world: World, built: list[str]) -> None:
        world.up()
        assert built == deployment.NEEDED_TOOLS

    @pytest.mark.parametrize(
        ("file", "text", "said"),
        [
            (
                "Pulumi.dev.yaml",
                "config: {order-processor-monitoring:stack: {retention: {metric: 1d}}}",
                "retention.metric:",
            ),
            ("Pulumi.dev.yaml", "config: {", "Pulumi.dev.yaml:1: not valid YAML"),
            ("services.yaml", "services: {", "services.yaml:1: not valid YAML"),
        ],
    )
    def test_wrong_input_is_refused_first(
        self,
        world: World,
        built: list[str],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        file: str,
        text: str,
        said: str,
    ) -> None:
        project = copy_tree(tmp_path / "project")
        (project / file).write_text(text)
        monkeypatch.setattr(deployment, "ROOT", project)
        with pytest.raises(RehearsalError, match="the input is not valid; nothing was deployed") as error:
            world.up()
        assert said in str(error.value)
        assert built == []
        assert not world.supervisor.running


def test_traces_are_refused_where_the_stack_keeps_none(world: World) -> None:
    asked = Rehearsal(world.state, with_traces=True)
    with pytest.raises(RehearsalError, match=r"TRACES=1: Pulumi\.dev\.yaml has no section tracing.*tracing: {}"):
        Deployment(asked, world.said.append, {"tracing": None}).up()
    assert not world.supervisor.running


@pytest.mark.parametrize(("variable", "option"), [("GRAFANA", "with_grafana"), ("TRACES", "with_traces")])
def test_what_starts_beside_a_running_rehearsal_is_said_and_only_down_ends_it(
    world: World, monkeypatch: pytest.MonkeyPatch, variable: str, option: str
) -> None:
    monkeypatch.setattr(grafana, "server", lambda: SLEEP)
    monkeypatch.setattr(Deployment, "_must_trace", lambda _: None)
    asked: dict[str, Any] = {option: True}
    refused: dict[str, Any] = {option: False}
    world.deployment(Rehearsal(world.state, **refused)).up()
    assert not [line for line in world.said if line.startswith(variable)]
    world.programs.append(Program(jaeger.NAME, SLEEP))
    world.deployment(Rehearsal(world.state, **asked)).up()
    assert [line.endswith("To go back: make down") for line in world.said if line.startswith(f"{variable}=1: ")] == [
        True
    ]
    world.said.clear()
    world.deployment(Rehearsal(world.state, **asked)).up()
    assert not [line for line in world.said if line.startswith(variable)]
    with pytest.raises(RehearsalError, match=rf"{variable}=0: the rehearsal runs with {variable}=1\..*make down"):
        world.deployment(Rehearsal(world.state, **refused)).up()


class TestGrafana:
    @pytest.fixture(autouse=True)
    def available(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(grafana, "server", lambda: SLEEP)

    def test_it_runs_only_if_asked_for_and_is_remembered_until_down(self, world: World) -> None:
        world.up()
        assert not world.rehearsal().grafana
        world.deployment(Rehearsal(world.state, with_grafana=True)).up()
        world.up()
        eventually(lambda: grafana.NAME in pids(world.supervisor))
        assert world.rehearsal().grafana
        world.rehearsal().down()
        world.up()
        assert not world.rehearsal().grafana

    def test_one_that_runs_stays_although_path_has_another_by_now(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.deployment(Rehearsal(world.state, with_grafana=True)).up()
        eventually(lambda: grafana.NAME in pids(world.supervisor))
        before = pids(world.supervisor)[grafana.NAME]
        monkeypatch.setattr(grafana, "server", lambda: ["sleep", "2000"])
        for again in (Rehearsal(world.state), Rehearsal(world.state, with_grafana=True)):
            world.deployment(again).up()
            assert pids(world.supervisor)[grafana.NAME] == before

    def test_without_one_nothing_is_started(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse() -> None:
            raise RehearsalError("no Grafana")

        monkeypatch.setattr(grafana, "prepare", refuse)
        with pytest.raises(RehearsalError, match="no Grafana"):
            world.deployment(Rehearsal(world.state, with_grafana=True)).up()
        assert not world.supervisor.running
        assert world.said == []


class TestLinks:
    @pytest.mark.parametrize(
        ("with_grafana", "dashboards"),
        [(False, f"http://127.0.0.1:{9501 + OFFSET}"), (True, f"http://127.0.0.1:{3000 + OFFSET}")],
    )
    def test_messages_link_to_this_rehearsal_at_any_offset(
        self, world: World, monkeypatch: pytest.MonkeyPatch, with_grafana: bool, dashboards: str
    ) -> None:
        given: list[Aside] = []

        class Recorded:
            def __init__(self, *arguments: Any) -> None:
                given.append(arguments[-1])

            def up(self, *_: Any, **__: Any) -> Changes:
                return Changes()

        monkeypatch.setattr(grafana, "server", lambda: SLEEP)
        monkeypatch.setattr(Deployment, "_deploy", DEPLOY)
        monkeypatch.setattr(deployment, "Engine", Recorded)
        world.deployment(Rehearsal(world.state, Ports(OFFSET), with_grafana=with_grafana)).up()
        (aside,) = given
        assert aside.settings[KEY]["links"] == {
            "grafana": dashboards,
            "alertmanager": f"http://127.0.0.1:{9501 + OFFSET}/alertmanager",
            "runbooks": f"http://127.0.0.1:{9501 + OFFSET}/pages/alerts/runbooks",
        }

    def test_alertmanager_links_to_the_deployed_address(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("rehearsal.programs.tool", Path)
        state = State(tmp_path)
        path = state.cluster / "Release" / "monitoring" / "kube-prometheus-stack.yaml"
        path.parent.mkdir(parents=True)
        spec = {"alertmanager": {"alertmanagerSpec": {"externalUrl": "http://here.test/alertmanager"}}}
        path.write_text(yaml.safe_dump({"values": spec}))
        command = _alertmanager(state, Ports(OFFSET)).command
        assert {"--web.external-url=http://here.test/alertmanager", "--web.route-prefix=/"} <= set(command)


class TestSaying:
    """What the first deployment shows, and what a later one does."""

    LINES = (
        *(f" +  kubernetes:core/v1:ConfigMap map-{number} created (0.{number}s)" for number in range(45)),
        " +  kubernetes:core/v1:ConfigMap other creating (0s)",
    )

    @pytest.fixture
    def engine(self, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
        """Whether each deployment asked for the changes' details."""
        details: list[bool] = []

        class Speaking:
            def __init__(self, *_: Any) -> None:
                pass

            def up(self, _: str, *, on_output: Any, diff: bool) -> Changes:
                details.append(diff)
                for line in TestSaying.LINES:
                    on_output(line)
                return Changes(urns={"create": {"map-0"}}, warnings=["mind this"])

        monkeypatch.setattr(Deployment, "_deploy", DEPLOY)
        monkeypatch.setattr(deployment, "Engine", Speaking)
        return details

    def test_the_first_shows_progress_and_warnings_instead_of_each_resource(
        self, world: World, engine: list[bool]
    ) -> None:
        world.up()
        assert [line for line in world.said if "resources created" in line] == [
            "  20 resources created",
            "  40 resources created",
        ]
        assert "warning: mind this" in world.said
        assert not set(self.LINES) & set(world.said)
        assert engine == [False]

    def test_verbose_shows_each_line(self, world: World, engine: list[bool]) -> None:
        Deployment(world.rehearsal(), world.said.append, verbose=True).up()
        assert set(self.LINES) <= set(world.said)
        assert engine == [False]

    @pytest.mark.parametrize("runs", [True, False])
    def test_a_later_one_is_quiet_too_and_names_the_file_with_the_difference(
        self, world: World, engine: list[bool], runs: bool
    ) -> None:
        world.up()
        if not runs:
            world.rehearsal().down()
        world.said.clear()
        (world.state.cluster / "Release").mkdir(parents=True)
        world.up()
        kept = world.state.logs / "pulumi-up.log"
        assert [line for line in world.said if line.startswith("  ")] == [
            "  20 resources changed",
            "  40 resources changed",
            f"  what changed is in {kept}",
        ]
        assert not set(self.LINES) & set(world.said)
        assert kept.read_text().splitlines() == [*self.LINES]
        assert engine == [False, True]

    def test_up_ends_with_what_to_look_at_next(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        given: list[bool] = []

        class Quick(Deployment):
            def __init__(self, *arguments: Any, verbose: bool) -> None:
                given.append(verbose)
                super().__init__(*arguments, verbose=verbose)

        monkeypatch.setattr(deployment, "Deployment", Quick)
        monkeypatch.setenv("STATE", str(world.state.root))
        monkeypatch.setenv("PORT_OFFSET", str(OFFSET))
        for environment, verbose in (("", False), ("1", True)):
            monkeypatch.setenv("VERBOSE", environment)
            done = CliRunner().invoke(main, ["up"])
            assert done.exit_code == 0, done.output
            assert given[-1] is verbose
            said = done.output.partition("\nready.")[2]
            for command in ("make report", "make status", "make fault KIND=down", "make heal", "make down"):
                assert command in said
            assert f"http://127.0.0.1:{9501 + OFFSET}" in said


class TestSpeed:
    def test_it_is_remembered_while_it_runs_and_another_is_refused(self, world: World) -> None:
        world.deployment(Rehearsal(world.state, pace=10)).up()
        assert world.rehearsal().speed == Rehearsal(world.state, pace=10).speed == 10
        with pytest.raises(RehearsalError, match="SPEED=5: the rehearsal runs with SPEED=10"):
            world.deployment(Rehearsal(world.state, pace=5)).up()
        eventually(lambda: len(pids(world.supervisor)) == 3)
        world.rehearsal().down()
        assert world.rehearsal().speed == 1

    def test_prometheus_watches_services_only_once_they_have_started(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[tuple[set[str], bool]] = []

        def wait(names: Iterable[str], *_: Any) -> None:
            waits.append((set(names), any(item.name == "prometheus" for item in world.supervisor.processes())))

        monkeypatch.setattr(health, "wait_for_processes", wait)
        world.deployment(Rehearsal(world.state, pace=10)).up()
        assert waits[0] == ({"alertmanager", "order-service"}, False)
        assert waits[-1] == ({"alertmanager", "order-service", "prometheus"}, True)


class TestDialect:
    def test_it_is_remembered_while_it_runs_and_a_change_restarts_what_speaks_it(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def speaking(*arguments: Any, **_: Any) -> list[Program]:
            return [PROMETHEUS, Program("order-service", SLEEP, {"DIALECT": arguments[3]})]

        def processes() -> dict[str, int]:
            eventually(lambda: len(pids(world.supervisor)) == 2)
            return pids(world.supervisor)

        monkeypatch.setattr(deployment, "programs", speaking)
        world.up()
        assert world.rehearsal().dialect == "package"
        before = processes()
        world.up(speak="today")
        (said,) = (line for line in world.said if line.startswith("DIALECT=today: "))
        assert "runs with DIALECT=package; the services and the load restart" in said
        assert said.endswith("make up DIALECT=package")
        assert "restarted order-service" in world.said
        world.said.clear()
        after = processes()
        assert {name for name in before if after[name] != before[name]} == {"order-service"}
        world.up()
        assert not [line for line in world.said if line.startswith("DIALECT=")]
        assert processes() == after
        assert world.rehearsal().dialect == "today"
        world.rehearsal().down()
        assert world.rehearsal().dialect == "package"

    @pytest.mark.parametrize(
        ("speak", "paths"), [("package", {"/metrics"}), ("today", {"/metrics", "/internal/metrics"})]
    )
    def test_the_deployed_stack_names_the_services_that_use_the_package(
        self, world: World, monkeypatch: pytest.MonkeyPatch, speak: str, paths: set[str]
    ) -> None:
        given: list[Any] = []

        class Recorded:
            def __init__(self, *arguments: Any) -> None:
                given.append(arguments[-1])

            def up(self, *_: Any, **__: Any) -> Changes:
                return Changes()

        monkeypatch.setattr(Deployment, "_deploy", DEPLOY)
        monkeypatch.setattr(deployment, "Engine", Recorded)
        monkeypatch.setattr(deployment, "channel_secrets", lambda *_: {})
        world.up(speak=speak)
        catalogue = world.deployment(world.rehearsal()).catalogue
        named = [service.name for service in catalogue.services] if speak == "package" else []
        links = {
            "grafana": "http://127.0.0.1:9501",
            "alertmanager": "http://127.0.0.1:9501/alertmanager",
            "runbooks": "http://127.0.0.1:9501/pages/alerts/runbooks",
        }
        (aside,) = given
        deployed = aside.settings[KEY]
        assert (deployed["links"], deployed["instrumentedServices"]) == (links, named)
        assert {service.metrics_path for service in catalogue.services} == paths

    @pytest.mark.parametrize(("text", "expected"), [("", None), ("today", "today"), ("package", "package")])
    def test_the_environment_may_name_one(
        self, monkeypatch: pytest.MonkeyPatch, text: str, expected: str | None
    ) -> None:
        monkeypatch.setenv("DIALECT", text)
        assert dialect.from_environment() == expected

    def test_an_unknown_one_is_named_with_those_that_there_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DIALECT", "yesterday")
        done = CliRunner().invoke(main, ["up"])
        expected = 'Error: DIALECT=yesterday: expected one of package, today; did you mean "today"?\n'
        assert (done.exit_code, done.output) == (1, expected)


class TestDeriving:
    VALUES: dict[str, Any] = {  # noqa: RUF012 - never changed
        "auth_enabled": False,
        "commonConfig": {"replication_factor": 1, "compactor_address": "somewhere"},
        "storage": {"type": "filesystem"},
        "schemaConfig": {"configs": []},
        "limits_config": {"retention_period": "168h"},
        "compactor": {"retention_enabled": True},
        "analytics": {"reporting_enabled": False},
        "ingester": {"max_chunk_age": "24h"},
        "querier": {"max_concurrent": 4},
        "query_range": {"parallelise_shardable_queries": True},
        "server": {"grpc_server_max_recv_msg_size": 1, "log_level": "debug"},
    }

    def test_loki_gets_the_values_and_the_addresses_of_this_machine(self, tmp_path: Path) -> None:
        found = loki_configuration(self.VALUES | {"podLabels": {"a": "b"}}, tmp_path, Ports(OFFSET))
        assert found["limits_config"] == {"retention_period": "168h"}
        assert found["common"]["replication_factor"] == 1
        assert found["common"]["compactor_address"] == "somewhere"
        assert found["common"]["path_prefix"] == str(tmp_path)
        assert found["server"]["http_listen_port"] == 3100 + OFFSET
        assert found["server"]["grpc_server_max_recv_msg_size"] == 1
        assert found["ingester"]["max_chunk_age"] == "24h"
        assert "podLabels" not in found

    def test_a_key_of_loki_that_nobody_mapped_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(RehearsalError, match=r"loki\.ruler has no part in the rehearsal; map it in"):
            loki_configuration(self.VALUES | {"ruler": {"enable_api": True}}, tmp_path, Ports())

    def test_the_agent_gets_the_environment_of_its_release_but_for_addresses(self, tmp_path: Path) -> None:
        variables = [
            {"name": "CLUSTER_NAME", "value": "deployed"},
            {"name": "LOG_NAMESPACES", "value": "shop"},
            {"name": "LOKI_OTLP_URL", "value": "http://loki.monitoring.svc:3100/otlp"},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ]
        found = agent_environment({"extraEnvs": variables}, State(tmp_path), Ports(OFFSET))
        assert (found["CLUSTER_NAME"], found["LOG_NAMESPACES"]) == ("deployed", "shop")
        assert found["LOKI_OTLP_URL"] == f"http://127.0.0.1:{3100 + OFFSET}/otlp"
        assert "NODE" not in found

    def test_what_was_not_deployed_is_named_with_a_remedy(self, tmp_path: Path) -> None:
        with pytest.raises(RehearsalError, match="Release loki was not deployed, and the rehearsal is derived from it"):
            Deployed(tmp_path).release("loki")

    def test_what_was_deployed_is_found(self, tmp_path: Path) -> None:
        path = tmp_path / "Release" / "monitoring" / "loki.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump({"values": {"a": 1}}))
        assert Deployed(tmp_path).release("loki") == {"a": 1}


@pytest.mark.parametrize("command", [["status"], ["fault", "down", "order-service"], ["heal"], ["down"]])
def test_commands_that_are_typed_again_and_again_import_neither_pulumi_nor_the_program(
    command: list[str], world: World
) -> None:
    world.up()
    program = """
import atexit, sys
heavy = ("pulumi", "grpc", "pydantic", "components", "catalogue")
atexit.register(lambda: print([name for name in heavy if name in sys.modules]))
from rehearsal.__main__ import main
main()
"""
    environment = os.environ | {"STATE": str(world.state.root)}
    done = subprocess.run(
        [sys.executable, "-c", program, *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stdout + done.stderr


@pytest.mark.parametrize("kind", [RehearsalError, ScrapeError, ToolchainError, EngineError])
def test_errors_are_one_message_on_the_command_line(
    kind: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Deployment) -> None:
        raise kind("what and why")

    monkeypatch.setenv("STATE", str(tmp_path))
    monkeypatch.setattr(Deployment, "up", fail)
    done = CliRunner().invoke(main, ["up"])
    assert (done.exit_code, done.output) == (1, "Error: what and why\n")
