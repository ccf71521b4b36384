"""Copies of the project, and stacks of them that the real CLI deploys with a state of the test's own."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checks.program import SECRETS
from engine.changes import Changes
from engine.configuration import Aside
from engine.operations import Engine, EngineError
from facts import ROOT
from tests.tree import copy_tree

CANARIES = {key: f"canary-{key}" for key in SECRETS}
"""A secret for every key, that can be found wherever it leaks."""
REQUIRED = [
    key for key in CANARIES if key not in ("grafanaAdminPassword", "grafanaClientSecret", "remoteWriteCredential")
]
"""The secrets without which a stack with every channel refuses to start."""

Edits = Mapping[str, list[tuple[str, str, str]]]
"""What is changed in a project before a step: file, pattern, replacement."""


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
    objects: dict[str, str]
    """What is in the cluster afterwards: `Kind/namespace/name`, and a digest of the content."""

    @property
    def changed(self) -> list[str]:
        """The names of all that is not the same as before, as `Kind::name`."""
        parts = (urn.split("::") for urn in self.changes.changed)
        return sorted(f"{types.rpartition(':')[2]}::{name}" for *_, types, name in parts)


@dataclass(frozen=True)
class Sandbox:
    """A project with a state directory; the stand-ins for providers keep the objects in it."""

    root: Path
    aside: Aside | None = None
    policies: bool = False
    """Whether what the project's policies refuse is refused."""

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
        return Engine(
            self.project, self.state, self.aside, policies=self.project / "policies" if self.policies else None
        )

    def objects(self) -> dict[str, str]:
        """What is in the cluster, with a digest of the content of each."""
        found = {path.relative_to(self.cluster): path.read_bytes() for path in self.cluster.glob("*/*/*.yaml")}
        return {str(path.with_suffix("")): digest(content) for path, content in sorted(found.items())}

    def do(self, operation: str, stack: str = "dev", **options: bool) -> Result:
        """Perform one operation to its end, however it ends."""
        output: list[str] = []
        log, error, changes = self.state / "engine" / "events.json", "", Changes()
        try:
            changes = getattr(self.engine, operation)(stack, on_output=output.append, **options)
        except EngineError as failure:
            error = str(failure)
        events = log.read_text() if log.exists() else ""
        return Result(changes, output, events, error, self.objects())

    def start(self) -> subprocess.Popen[str]:
        """Start `up` of the dev stack in a process of its own."""
        program = (
            "import json, sys; from pathlib import Path; from engine.operations import Aside, Engine; "
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


class Life(dict[str, Result]):
    """The result of each step in the life of one stack, in a copy of the whole project."""

    def __init__(self, sandbox: Sandbox, stack: str, edits: Edits) -> None:
        super().__init__()
        self.sandbox, self.stack, self._edits = sandbox, stack, edits
        self.resources: list[dict[str, Any]] = []
        self.edited = {f"Pulumi.{stack}.yaml"}
        copy_tree(sandbox.project)
        self.original = files(sandbox.project)
        sandbox.engine.init(stack)

    def step(self, name: str, operation: str, **options: bool) -> None:
        """Change what belongs to a step, then perform its operation."""
        for file, *change in self._edits.get(name, []):
            self.sandbox.substitute(file, *change)
            self.edited.add(file)
        self[name] = self.sandbox.do(operation, self.stack, **options)

    def set_secrets(self, keys: Iterable[str]) -> None:
        """`pulumi config set --secret` for each."""
        for key in keys:
            self.sandbox.engine.configure(self.stack, key, CANARIES[key], secret=True)


def digest(content: bytes) -> str:
    """Something short that differs where contents do."""
    return hashlib.sha256(content).hexdigest()[:12]


def files(tree: Path) -> dict[str, bytes]:
    """The content of every file by path, but for the interpreter's cache."""
    paths = (path for path in tree.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(tree)): path.read_bytes() for path in paths}


def is_running(pid: int) -> bool:
    """Whether a process lives; one that only waits for its parent to notice its end does not."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False
