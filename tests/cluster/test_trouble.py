"""What goes wrong during `pulumi up` on a real cluster, and what gets it right again: the README's own remedies.

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

from components.foundation import NAMESPACE, namespace_metadata
from rehearsal.control_plane.network import PodNetwork
from rehearsal.control_plane.plane import ControlPlane, control_plane
from tests.cluster.conftest import NODES
from tests.cluster.deployment import Direct, begin
from tests.cluster.shell import Shell, ShellError
from tests.waiting import eventually
from verify import releases
from verify.expectations import expectations

UP = "pulumi up --stack dev --skip-preview"
STACK = "kube-prometheus-stack"
SIZES = "components/metrics.py"
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


def status(plane: ControlPlane, release: str = STACK) -> str:
    """What Helm's newest record says of a release; nothing if there is none."""
    with plane.client() as client:
        record = releases.records(Direct(client)).get(release)
    return record.status if record else ""


def kill_all(run: subprocess.Popen[str]) -> None:
    """End every process of a run at once, as a machine that goes off does."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            _, _, fields = (process / "stat").read_text().rpartition(")")
        except OSError:
            continue
        if int(fields.split()[3]) == run.pid:  # its session
            os.kill(int(process.name), signal.SIGKILL)
    run.wait()


def killed(plane: ControlPlane, shell: Shell, at: str) -> None:
    """Start a run, and kill it once Helm's record of the release says so."""
    run = shell.start(UP)
    eventually(lambda: status(plane) == at, 240, f"the release does not come to be {at}: {shell.said(run)}")
    with nodes_stopped(plane):
        kill_all(run)
    with pytest.raises(ShellError, match="the stack is currently locked by 1 lock"):
        shell.run(UP)
    shell.run("pulumi cancel --stack dev")


def remedied(plane: ControlPlane, shell: Shell) -> None:
    """Follow the remedy that `make verify` names for a release that was left pending."""
    with plane.client() as client:
        (found,) = (
            finding
            for finding in releases.compared(Direct(client), expectations("dev", shell.sandbox.project).releases, "dev")
            if STACK in finding.what
        )
    assert f"was left {status(plane)}" in found.what
    for command in re.findall(r"(kubectl delete [^ ,;]+ [^ ,;]+|pulumi up --refresh [^,;]+)", found.do):
        resumed(shell, command.replace("kubectl", f"kubectl --namespace {NAMESPACE}"))


def resumed(shell: Shell, command: str) -> None:
    """Run a command; again, as the README says, if the killed run had installed what Pulumi does not know of."""
    try:
        shell.run(command)
    except ShellError as error:
        unknown = set(re.findall(r"Release (\S+) \*\*creating failed\*\* error: cannot re-use a name", str(error)))
        if not unknown:
            raise
        for release in sorted(unknown):
            shell.run(f"helm --namespace {NAMESPACE} uninstall {release}")
        shell.run(command)


def test_a_first_run_into_a_namespace_that_is_there_is_killed(own: ControlPlane, shell: Shell) -> None:
    own.kubectl("create", "namespace", NAMESPACE)
    killed(own, shell, "pending-install")
    remedied(own, shell)
    assert status(own) == "deployed"
    labels = own.kubectl("get", "namespace", NAMESPACE, "--output=jsonpath={.metadata.labels}")
    assert json.loads(labels).items() >= namespace_metadata()["labels"].items()


def test_a_run_is_interrupted_while_another_one_comes(own: ControlPlane, shell: Shell) -> None:
    shell.sandbox.edit(SIZES, *LARGER)
    run = shell.start(UP)
    eventually(lambda: status(own) == "pending-upgrade", 240, f"the release is not being upgraded: {shell.said(run)}")
    with nodes_stopped(own):
        with pytest.raises(ShellError, match="the stack is currently locked by 1 lock"):
            shell.run(UP)
        os.killpg(run.pid, signal.SIGINT)
        assert run.wait(240) != 0
    assert status(own) == "deployed"  # Helm has rolled it back
    shell.run(UP)
    shell.run("pulumi preview --refresh --expect-no-changes --stack dev")


def test_an_upgrade_is_killed(own: ControlPlane, shell: Shell) -> None:
    shell.sandbox.edit(SIZES, *reversed(LARGER))
    killed(own, shell, "pending-upgrade")
    with pytest.raises(ShellError, match=r"another operation .* is in progress"):
        shell.run(UP)
    remedied(own, shell)
    shell.run("pulumi preview --refresh --expect-no-changes --stack dev")
