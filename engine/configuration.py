"""A stack's configuration beside the state: made from the project's Pulumi.<stack>.yaml, which is only read.

What a user has encrypted there, for a deployment somewhere else, nobody here could decrypt, and stays out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import documents
from local.errors import RehearsalError
from local.state import write
from settings import is_encrypted

Secrets = Mapping[str, str]
"""Values by key, without the project's name."""


@dataclass(frozen=True)
class Aside:
    """What the configuration has in place of the project's own."""

    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings below the keys of the configuration that they are given by."""
    secrets: Secrets = field(default_factory=dict)
    """Secrets, which are in the file only as `pulumi config set --secret` writes them."""

    def write(self, project: Path, workspace: Path, stack: str) -> Secrets:
        """Write the files into `workspace`; returns the secrets that are still to be set, as they are new or changed.

        Raises RehearsalError if the project has no such stack.
        """
        source = project / f"Pulumi.{stack}.yaml"
        if not source.exists():
            known = sorted(path.name.split(".")[1] for path in project.glob("Pulumi.*.yaml"))
            raise RehearsalError(f"{source}: there is no such stack; the project has: {', '.join(known) or 'none'}")
        description = (project / "Pulumi.yaml").read_text()
        write(workspace / "Pulumi.yaml", description)
        copy = workspace / source.name
        ours = yaml.safe_load(copy.read_text()) if copy.exists() else {}
        full_keys = {key: f"{yaml.safe_load(description)['name']}:{key}" for key in self._same(workspace, stack)}
        encrypted = {full: ours["config"][full] for full in full_keys.values() if full in ours.get("config", {})}
        salt = {key: ours[key] for key in ("encryptionsalt",) if key in ours}
        write(copy, yaml.safe_dump({**salt, "config": self._plain(source) | encrypted}))
        return {key: value for key, value in self.secrets.items() if full_keys.get(key) not in encrypted}

    def _same(self, workspace: Path, stack: str) -> set[str]:
        """The secrets that are the same as those of the last time, and a note of today's for the next."""
        notes = workspace / f"{stack}.digests.json"
        before = json.loads(notes.read_text()) if notes.exists() else {}
        now = {key: hashlib.sha256(f"{key}={value}".encode()).hexdigest() for key, value in self.secrets.items()}
        write(notes, json.dumps(now))
        return {key for key, digest in now.items() if before.get(key) == digest}

    def _plain(self, source: Path) -> dict[str, Any]:
        config = (documents.read(source) or {}).get("config") or {}
        plain = {key: value for key, value in config.items() if not is_encrypted(value)}
        return plain | {key: {**(plain.get(key) or {}), **settings} for key, settings in self.settings.items()}
