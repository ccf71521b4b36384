"""A copy of the project, and stacks of it deployed by the real engine into a directory of the test's own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rehearsal.toolchain import tool
from tests.program import SECRETS
from tests.tree import copy_tree

CANARIES = {key: f"canary-{key}" for key in SECRETS}
"""A secret for every key, that can be found wherever it leaks."""

HOSTILE = {
    "AWS_PROFILE": "production",
    "KUBECONFIG": "/nonexistent/kubeconfig",
    "PULUMI_ACCESS_TOKEN": "pul-0000000000000000000000000000000000000000",
    "PULUMI_BACKEND_URL": "https://pulumi.invalid",
    "PULUMI_CONFIG_PASSPHRASE": "somebody else's",
    "PULUMI_HOME": "/nonexistent/pulumi",
    "PULUMI_STACK": "production",
}
"""An environment in which everything fails that takes any notice of it."""


SMALL_SETTINGS = """
KEY = "small:stack"
def parse(document): return document
def secret_keys(settings): return ["slackWebhookUrl"]
"""
SMALL_PROGRAM = """
import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

config = pulumi.Config()
url = config.require_secret("slackWebhookUrl")

def thing(name, spec):
    CustomResource(name, api_version="v1", kind="Thing", metadata={"name": name}, spec=spec)

for number in range(config.require_object("stack")["things"]):
    thing(f"thing-{number}", {"number": number})
thing("hidden", {"url": url})
"""


@dataclass(frozen=True)
class Result:
    """What one step did."""

    output: list[str]
    events: list[str]
    error: str
    objects: list[str]
    """Files of the cluster afterwards, as `Kind/namespace/name.yaml`."""
    urns: dict[str, list[str]] = field(default_factory=dict)
    paths: dict[str, list[str]] = field(default_factory=dict)

    @property
    def changed(self) -> list[str]:
        """The names of all that is not the same as before, as `Kind::name`."""
        changed = {urn for operation, urns in self.urns.items() if operation != "same" for urn in urns}
        parts = (urn.split("::") for urn in changed)
        return sorted(f"{types.rpartition(':')[2]}::{name}" for *_, types, name in parts)


@dataclass(frozen=True)
class Sandbox:
    """A copy of the project with a state directory."""

    root: Path

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def cluster(self) -> Path:
        return self.state / "cluster"

    def run(self, *steps: dict[str, Any], settings: dict[str, Any] | None = None) -> list[Result]:
        """Perform steps one after the other in one process of their own, with settings in place of the project's."""
        process = self.start(*steps, settings=settings)
        output, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
        return [Result(**result) for result in json.loads(output)]

    def start(self, *steps: dict[str, Any], settings: dict[str, Any] | None = None) -> subprocess.Popen[str]:
        """Start performing steps; the caller waits for the process."""
        process = self.python("tests.engine.drive")
        assert process.stdin is not None
        request = {"state": str(self.state), "secrets": CANARIES, "settings": settings, "steps": steps}
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        process.stdin = None
        return process

    def python(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a module of the copy."""
        pipe = subprocess.PIPE
        environment = {**os.environ, **HOSTILE, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.Popen(
            command, cwd=self.project, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True
        )

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that must be there."""
        path = self.project / file
        text = path.read_text()
        assert old in text, f"{file} does not say {old!r}"
        path.write_text(text.replace(old, new, 1))

    def operations(self) -> list[dict[str, str]]:
        """What the stand-in providers did, in order."""
        return [json.loads(line) for line in (self.cluster / "operations.jsonl").read_text().splitlines()]


@pytest.fixture(scope="session", autouse=True)
def engine_is_built() -> None:
    tool("pulumi")


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the working tree."""
    return copy_tree(tmp_path_factory.mktemp("original") / "project")


@pytest.fixture
def sandbox(original: Path, tmp_path: Path) -> Sandbox:
    """A fresh copy of the project, nothing deployed."""
    return copied(original, tmp_path)


@pytest.fixture
def small(sandbox: Sandbox) -> Sandbox:
    """A sandbox with a small program in place of the project's, which starts faster."""
    (sandbox.project / "__main__.py").write_text(SMALL_PROGRAM)
    (sandbox.project / "settings.py").write_text(SMALL_SETTINGS)
    (sandbox.project / "Pulumi.yaml").write_text("name: small\nruntime: python\n")
    (sandbox.project / "Pulumi.dev.yaml").write_text("config:\n  small:stack: {things: 40}\n")
    return sandbox


def copied(original: Path, root: Path) -> Sandbox:
    shutil.copytree(original, root / "project")
    return Sandbox(root)
