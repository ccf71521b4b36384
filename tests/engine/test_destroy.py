"""A protected stack is destroyed wholly, knowingly, or not at all: by the real engine, without a preview."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from components.protection import NAME
from rehearsal.toolchain import tool
from settings import PROJECT
from tests.engine.conftest import Sandbox, copied

UP, DESTROY = {"operation": "up"}, {"operation": "destroy"}
EXCLUDE_PROTECTED = {"operation": "destroy", "arguments": {"exclude_protected": True}}
GUARD = f"urn:pulumi:dev::{PROJECT}::pulumi:index:Stash::{NAME}"


@pytest.fixture
def protected(original: Path, tmp_path: Path) -> Sandbox:
    """A project whose dev stack is protected."""
    sandbox = copied(original, tmp_path)
    sandbox.edit("Pulumi.dev.yaml", "kind: local", "kind: local\n      protect: true")
    return sandbox


def test_nothing_is_destroyed_while_the_stack_is_protected(protected: Sandbox) -> None:
    up, refused, excluded, again = protected.run(UP, DESTROY, EXCLUDE_PROTECTED, UP)
    assert len(up.objects) > 50
    assert NAME in refused.error
    assert "because it is protected" in refused.error
    assert "delete" not in refused.urns
    assert refused.objects == excluded.objects == up.objects
    assert again.changed == []


def test_a_service_leaves_a_protected_stack(protected: Sandbox) -> None:
    absent = {
        "file": "Pulumi.dev.yaml",
        "pattern": "cluster: dev",
        "replacement": "cluster: dev\n    absentServices: [insights-service]",
    }
    up, changed = protected.run(UP, UP | {"edit": [absent]})
    assert not changed.error
    assert set(up.objects) - set(changed.objects) == {"Probe/monitoring/insights-service.yaml"}


def test_a_stack_goes_wholly_once_the_setting_is_off(protected: Sandbox) -> None:
    off = {"edit": [{"file": "Pulumi.dev.yaml", "pattern": "protect: true", "replacement": "protect: false"}]}
    _, unprotected, destroyed = protected.run(UP, UP | off, DESTROY)
    assert (unprotected.changed, unprotected.error, destroyed.error) == ([], "", "")
    assert destroyed.objects == []


def test_what_holds_data_stays_when_only_the_guard_is_taken_away(protected: Sandbox) -> None:
    (up,) = protected.run(UP)
    unprotect(protected, GUARD)
    (destroyed,) = protected.run(EXCLUDE_PROTECTED)
    left = set(destroyed.objects)
    assert {path for path in up.objects if path.startswith("PersistentVolume/")} <= left
    assert {"Namespace/_/monitoring.yaml", "Release/monitoring/prometheus-operator-crds.yaml"} <= left
    assert not [path for path in left if path.startswith(("ConfigMap/", "PrometheusRule/", "Secret/"))]
    assert len([path for path in left if path.startswith("Release/")]) == 1


def unprotect(sandbox: Sandbox, urn: str) -> None:
    """As people do it, in the test's own backend."""
    engine = sandbox.state / "engine"
    environment = {
        "HOME": str(engine),
        "PATH": os.environ["PATH"],
        "PULUMI_BACKEND_URL": f"file://{engine / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(engine / "passphrase"),
        "PULUMI_HOME": str(engine / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
    }
    command = [str(tool("pulumi")), "state", "unprotect", urn, "--yes", "--stack", "dev"]
    subprocess.run(command, cwd=engine / "workspace", env=environment, check=True, timeout=120)
