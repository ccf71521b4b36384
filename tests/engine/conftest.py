"""Copies of projects, and stacks of them deployed by the real CLI into a directory of the test's own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from rehearsal.changes import Changes
from rehearsal.configuration import Aside
from rehearsal.engine import Engine, EngineError
from rehearsal.toolchain import build
from tests.program import SECRETS
from tests.tree import ROOT, link_environment

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
    "PYTHONDONTWRITEBYTECODE": "1",
    "VIRTUAL_ENV": "/nonexistent/environment",
}
"""An environment in which everything fails that takes any notice of it."""

SMALL_FILES = {
    ".gitignore": ".venv\n__pycache__/\n",
    "Pulumi.yaml": "name: small\nruntime:\n  name: python\n  options:\n    virtualenv: .venv\n",
    "Pulumi.dev.yaml": "config:\n  small:stack: {things: 40}\n",
    "settings.py": """
KEY = "small:stack"
def parse(document): return document
def secret_keys(settings): return ["slackWebhookUrl"]
""",
    "__main__.py": """
import pulumi
from pulumi_kubernetes.apiextensions import CustomResource

config = pulumi.Config()
url = config.require_secret("slackWebhookUrl")

def thing(name, spec):
    CustomResource(name, api_version="v1", kind="Thing", metadata={"name": name}, spec=spec)

for number in range(config.require_object("stack")["things"]):
    thing(f"thing-{number}", {"number": number})
thing("hidden", {"url": url})
""",
}
SMALL_SECRETS = {"slackWebhookUrl": CANARIES["slackWebhookUrl"]}


def python(*arguments: str) -> subprocess.Popen[str]:
    """Start Python where it finds the project's modules."""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


@dataclass(frozen=True)
class Result:
    """What one operation did."""

    changes: Changes
    output: list[str]
    events: str
    error: str
    objects: list[str]
    """Files of the cluster afterwards, as `Kind/namespace/name.yaml`."""

    @property
    def changed(self) -> list[str]:
        """The names of all that is not the same as before, as `Kind::name`."""
        parts = (urn.split("::") for urn in self.changes.changed)
        return sorted(f"{types.rpartition(':')[2]}::{name}" for *_, types, name in parts)


@dataclass(frozen=True)
class Sandbox:
    """A project with a state directory."""

    root: Path
    aside: Aside | None = None

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def cluster(self) -> Path:
        return self.state / "cluster"

    @property
    def engine(self) -> Engine:
        return Engine(self.project, self.state, self.aside)

    def do(self, operation: str, stack: str = "dev", **options: bool) -> Result:
        """Perform one operation to its end, however it ends."""
        output: list[str] = []
        log, error, changes = self.state / "engine" / "events.json", "", Changes()
        try:
            changes = getattr(self.engine, operation)(stack, on_output=output.append, **options)
        except EngineError as failure:
            error = str(failure)
        events = log.read_text() if log.exists() else ""
        objects = sorted(str(path.relative_to(self.cluster)) for path in self.cluster.glob("*/*/*.yaml"))
        return Result(changes, output, events, error, objects)

    def start(self) -> subprocess.Popen[str]:
        """Start `up` of the dev stack in a process of its own."""
        program = (
            "import json, sys; from pathlib import Path; from rehearsal.engine import Aside, Engine; "
            "Engine(Path(sys.argv[1]), Path(sys.argv[2]), Aside(**json.loads(sys.argv[3]))).up('dev')"
        )
        assert self.aside
        aside = json.dumps({"settings": self.aside.settings, "secrets": self.aside.secrets})
        return python("-c", program, str(self.project), str(self.state), aside)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that must be there."""
        self.substitute(file, re.escape(old), new.replace("\\", r"\\"))

    def substitute(self, file: str, pattern: str, replacement: str) -> None:
        """Change the first place that matches."""
        path = self.project / file
        text, count = re.subn(pattern, replacement, path.read_text(), count=1, flags=re.MULTILINE)
        assert count, f"{file}: nothing matches {pattern!r}"
        path.write_text(text)

    def operations(self) -> list[dict[str, str]]:
        """What the stand-in providers did, in order."""
        return [json.loads(line) for line in (self.cluster / "operations.jsonl").read_text().splitlines()]


def files(tree: Path) -> dict[str, bytes]:
    """The content of every file by path, but for the interpreter's cache."""
    paths = (path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(tree)): path.read_bytes() for path in paths}


@pytest.fixture(scope="package", autouse=True)
def hostile_machine() -> Iterator[None]:
    """Built tools, and an environment that none of them may take notice of."""
    build(["pulumi", "pulumi-language-python"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in HOSTILE.items():
            patch.setenv(name, value)
        yield


@pytest.fixture
def small(tmp_path: Path) -> Sandbox:
    """A small project, which starts faster, nothing deployed; its configuration is kept aside."""
    sandbox = Sandbox(tmp_path, Aside(secrets=SMALL_SECRETS))
    sandbox.project.mkdir()
    for name, text in SMALL_FILES.items():
        (sandbox.project / name).write_text(text)
    link_environment(sandbox.project)
    return sandbox
