"""The policies in the real engine: the shipped stacks pass, and what someone adds to them is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from checks.waiting import eventually
from engine.configuration import Aside
from facts import ROOT
from policies.rules import RULES, STACK_RULES
from tests.sandbox import CANARIES, REQUIRED, Sandbox, is_running
from tests.tree import copy_tree

ADDED = """
from pulumi_kubernetes.core.v1 import ConfigMap, PersistentVolumeClaim, Pod, Service

added = {"name": "added", "namespace": "monitoring"}
settings = ConfigMap("added", metadata=added, data={"app.ini": "password = hunter2"})
volume = {"name": "node", "hostPath": {"path": "/"}}
container = {"name": "shell", "image": settings.metadata.uid, "securityContext": {"privileged": True}}
Pod("added", metadata=added, spec={"containers": [container], "volumes": [volume]})
Service("added", metadata=added, spec={"type": "LoadBalancer", "ports": [{"port": 80}]})
PersistentVolumeClaim("added", metadata=added, spec={"accessModes": ["ReadWriteOnce"]})
"""
"""Breaks every policy of a protected stack. The image is known only once the ConfigMap is there."""

REFUSED = [
    "no-load-balancer: No Service is of type LoadBalancer.\nService/added: spec.type: LoadBalancer",
    "ConfigMap/added: data.app.ini: gives password a value; put it into a Secret",
    "Pod/added: container shell: resources lack requests.cpu, requests.memory, limits.memory; set what it needs",
    "Pod/added: spec.containers[0].securityContext.privileged: it could do all that its node can; add the cap",
    "Pod/added: spec.volumes[0].hostPath: mounts files of the node; use a PersistentVolumeClaim",
    "PersistentVolumeClaim/added: give it ResourceOptions(protect=settings.storage.protect)",
]


@pytest.fixture(scope="module", autouse=True)
def environment() -> None:
    assert (ROOT / "policies" / ".venv" / ".ready").exists(), "the policies' environment is missing: make test-engine"


def stack(root: Path, added: str = "") -> Sandbox:
    """A copy of the whole project under its policies, with more in its program."""
    sandbox = Sandbox(root, Aside(secrets={key: CANARIES[key] for key in REQUIRED}), policies=True)
    copy_tree(sandbox.project)
    program = sandbox.project / "__main__.py"
    program.write_text(program.read_text() + added)
    return sandbox


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_a_shipped_stack_passes_every_policy(tmp_path: Path, name: str) -> None:
    sandbox = stack(tmp_path)
    for operation in ("preview", "up"):
        passed = sandbox.do(operation, name)
        assert not passed.error
        assert any("✅ order-processor-monitoring@v" in line for line in passed.output), "the policies did not run"
        assert "can't run policy" not in "\n".join([*passed.output, *passed.changes.warnings])


def test_what_breaks_the_policies_is_refused_by_their_names_with_remedies(tmp_path: Path) -> None:
    sandbox = stack(tmp_path, ADDED)
    refused = sandbox.do("preview", "prod")
    for rule in (*RULES, *STACK_RULES):
        assert f"{rule.name}: {rule.description}" in refused.error
    for sentence in REFUSED:
        assert sentence in refused.error
    assert refused.error.count("\n") == 2 * len(REFUSED), "something else is refused"
    assert "can't run policy" not in "\n".join([*refused.output, refused.events])
    assert "hunter2" not in refused.error
    stopped = sandbox.do("up", "prod")  # without the preview before it
    assert any(f"{rule.name}: {rule.description}" in stopped.error for rule in RULES)
    assert {f"{kind}/monitoring/added" for kind in ("ConfigMap", "Pod", "Service")}.isdisjoint(stopped.objects)


def test_a_pack_that_cannot_start_deploys_nothing_and_says_why(small: Sandbox) -> None:
    broken = with_pack(small, "raise LookupError('no rules')")
    failed = broken.do("up")
    assert "exit status 1" in failed.error
    assert any("LookupError: no rules" in line for line in failed.output)
    (small.project / "policies" / ".venv").unlink()
    missing = broken.do("up")
    assert f"{small.project}/policies/.venv" in missing.error
    assert failed.objects == missing.objects == {}


def test_no_pack_outlives_its_operation(small: Sandbox) -> None:
    passing = """
import os
from pathlib import Path
from pulumi_policy import PolicyPack, ResourceValidationPolicy

Path("pid").write_text(str(os.getpid()))
PolicyPack("small", [ResourceValidationPolicy("any", "Everything passes.", lambda told, report: None)])
"""
    assert not with_pack(small, passing).do("preview").error
    pid = int((small.project / "pid").read_text())
    eventually(lambda: not is_running(pid))


def with_pack(small: Sandbox, program: str) -> Sandbox:
    """The small project with policies of its own."""
    pack = small.project / "policies"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text((ROOT / "policies" / "PulumiPolicy.yaml").read_text())
    (pack / "__main__.py").write_text(program)
    (pack / ".venv").symlink_to(ROOT / "policies" / ".venv")
    return dataclasses.replace(small, policies=True)
