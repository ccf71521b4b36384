"""What goes wrong during `pulumi up` on a real cluster, and what gets it right again, as docs/deploying.md says.

A run is held half-way by nodes that stop: no pod becomes ready, so Helm waits.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from checks.waiting import eventually
from components.foundation import namespace_metadata
from control_plane.network import PodNetwork
from control_plane.plane import ControlPlane, control_plane
from facts import NAMESPACE
from tests.cluster.conftest import NODES
from tests.cluster.deployment import Direct, begin
from tests.cluster.shell import Shell, ShellError
from verify import releases
from verify.expectations import RELEASE, expectations
from verify.finding import Finding

UP = "pulumi up --stack dev --skip-preview"
STACK = "kube-prometheus-stack"
FIRST, NEXT = "loki", "log-agent"
"""Of these two releases, one begins when the other is installed."""
SIZES = "components/metrics/component.py"
LARGER = ('"20m", "64Mi", "200m", "256Mi"', '"20m", "64Mi", "200m", "288Mi"')


@pytest.fixture(scope="module")
def own(network: PodNetwork | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane for these tests alone, whose nodes they stop."""
    with control_plane(tmp_path_factory.mktemp("trouble"), node_count=NODES, network=network) as plane:
        yield plane


@pytest.fixture(scope="module")
def shell(own: ControlPlane, charts: Path, tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """A user's shell, in which the dev stack is configured and not deployed yet."""
    return Shell(begin(tmp_path_factory.mktemp("deployment"), "dev", own, charts, {}).sandbox)


@contextmanager
def nodes_stopped(plane: ControlPlane) -> Iterator[None]:
    """No pod becomes ready meanwhile."""
    plane.children.send("kwok", signal.SIGSTOP)
    try:
        yield
    finally:
        plane.children.send("kwok", signal.SIGCONT)


def statuses(plane: ControlPlane) -> dict[str, str]:
    """What Helm's newest records say of the releases."""
    with plane.client() as client:
        return {name: record.status for name, record in releases.records(Direct(client)).items()}


def deployed(plane: ControlPlane) -> set[str]:
    """The releases that Helm has installed."""
    return {name for name, at in statuses(plane).items() if at == "deployed"}


def processes(run: subprocess.Popen[str], name: str = "") -> Iterator[int]:
    """The ids of a run's processes, or of those with this name."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            called, _, fields = (process / "stat").read_text().partition("(")[2].rpartition(") ")
        except OSError:
            continue
        if int(fields.split()[3]) == run.pid and name in ("", called):  # its session
            yield int(process.name)


def kill_all(run: subprocess.Popen[str]) -> None:
    """End every process of a run at once, as a machine that goes off does."""
    for process in processes(run):
        os.kill(process, signal.SIGKILL)
    run.wait()


def begun(plane: ControlPlane, shell: Shell, release: str, at: str) -> subprocess.Popen[str]:
    """Start a run, and wait until Helm's record of a release says so."""
    run = shell.start(UP)
    eventually(lambda: statuses(plane).get(release) == at, 240, f"{release} does not come to be {at}")
    return run


def killed(plane: ControlPlane, shell: Shell, run: subprocess.Popen[str], release: str, at: str) -> None:
    """Kill a run while Helm has a release so, which it stays without nodes; Pulumi knows of all that is deployed."""
    with nodes_stopped(plane):
        eventually(lambda: statuses(plane).get(release) == at, 240, f"{release} does not come to be {at}")
        eventually(lambda: deployed(plane) <= known(shell), 60, "the engine has not noted what Helm has deployed")
        kill_all(run)
    shell.run("pulumi cancel --stack dev")
    assert [finding for finding in found(plane, shell) if f"the Helm release {release} was left {at}" in finding.what]


def known(shell: Shell) -> set[str]:
    """The releases that are in Pulumi's state."""
    return {item["outputs"]["name"] for item in shell.sandbox.engine.resources("dev") if item["type"] == RELEASE}


def found(plane: ControlPlane, shell: Shell) -> list[Finding]:
    """What `make verify` finds of the releases, by the program without a test's edits of its code."""
    with plane.client() as client:
        return releases.compared(Direct(client), expectations("dev", shell.sandbox.project).releases, "dev")


def remedied(plane: ControlPlane, shell: Shell) -> None:
    """Type the remedies that `make verify` names for the releases."""
    remedies = [finding.do for finding in found(plane, shell)]
    for record in re.findall(r"kubectl delete secret ([^ ,;]+)", " ".join(remedies)):
        shell.run(f"kubectl --namespace {NAMESPACE} delete secret {record}")
    (command,) = {command for do in remedies for command in re.findall(r"pulumi up --refresh --stack dev", do)}
    shell.run(command)


def uninstalled(shell: Shell, error: ShellError) -> set[str]:
    """Uninstall the releases of which Pulumi says that their names are in use, and return their names."""
    unknown = set(re.findall(r"Release (\S+) \*\*creating failed\*\* error: cannot re-use a name", str(error)))
    for release in sorted(unknown):
        shell.run(f"{releases.UNINSTALL} {release}")
    return unknown


def test_a_first_run_is_killed_that_has_not_noted_what_helm_installed(own: ControlPlane, shell: Shell) -> None:
    """Its provider ends the installations that it has begun; the namespace is there already."""
    own.kubectl("create", "namespace", NAMESPACE)
    run = begun(own, shell, FIRST, "pending-install")
    for engine in processes(run, "pulumi"):
        os.kill(engine, signal.SIGSTOP)
    eventually(lambda: deployed(own) == statuses(own).keys(), 240, "the provider does not end what it has begun")
    kill_all(run)
    with pytest.raises(ShellError, match="the stack is currently locked by 1 lock"):
        shell.run(UP)
    shell.run("pulumi cancel --stack dev")
    unknown = deployed(own) - known(shell)
    assert FIRST in unknown
    assert f"the Helm release {NEXT} is not installed" in [finding.what for finding in found(own, shell)]
    while unknown:  # a run that fails begins nothing more, so it may not name all of them
        with pytest.raises(ShellError, match="cannot re-use a name") as error:
            shell.run("pulumi up --refresh --skip-preview --stack dev")
        named = uninstalled(shell, error.value)
        assert named
        assert named <= unknown
        unknown -= named


def test_a_first_run_is_killed_while_helm_installs(own: ControlPlane, shell: Shell) -> None:
    killed(own, shell, begun(own, shell, FIRST, "deployed"), NEXT, "pending-install")
    remedied(own, shell)
    assert found(own, shell) == []
    labels = own.kubectl("get", "namespace", NAMESPACE, "--output=jsonpath={.metadata.labels}")
    assert json.loads(labels).items() >= namespace_metadata()["labels"].items()


def test_a_run_is_interrupted_while_another_one_comes(own: ControlPlane, shell: Shell) -> None:
    shell.sandbox.edit(SIZES, *LARGER)
    run = begun(own, shell, STACK, "pending-upgrade")
    with nodes_stopped(own):
        with pytest.raises(ShellError, match="the stack is currently locked by 1 lock"):
            shell.run(UP)
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(240) != 0
    assert statuses(own)[STACK] == "deployed"  # Helm has rolled it back
    shell.run(UP)
    shell.run("pulumi preview --refresh --expect-no-changes --stack dev")


def test_an_upgrade_is_killed(own: ControlPlane, shell: Shell) -> None:
    shell.sandbox.edit(SIZES, *reversed(LARGER))
    killed(own, shell, begun(own, shell, STACK, "pending-upgrade"), STACK, "pending-upgrade")
    with pytest.raises(ShellError, match=r"another operation .* is in progress"):
        shell.run(UP)
    remedied(own, shell)
    shell.run("pulumi preview --refresh --expect-no-changes --stack dev")
