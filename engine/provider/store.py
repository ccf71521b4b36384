"""The directory that is the rehearsal's cluster: one file per object, and a record of what was done, in order.

`<Kind>/<namespace>/<name>.yaml` is an object (`_` where there is no namespace), secrets in the clear, mode 0600.
`operations.jsonl` has every operation's time, operation, type and name, and no values.
`refuse`, if somebody puts it there, has `Kind/name` lines: objects to refuse, so that recovery can be tried.
"""

from __future__ import annotations

import datetime
import json
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import yaml

from engine.provider.documents import dump
from engine.provider.values import Properties


class ApiError(Exception):
    """What an API server would answer instead of doing what it was asked."""


@dataclass(frozen=True)
class Key:
    """What identifies an object; `namespace` is empty where objects have none."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f'{self.kind} "{self.namespace + "/" if self.namespace else ""}{self.name}"'


class Store:
    """Objects as files under one directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._lock = threading.Lock()
        root.mkdir(parents=True, exist_ok=True)
        root.chmod(0o700)

    def path(self, key: Key) -> Path:
        """The object's file."""
        return self.root / key.kind / (key.namespace or "_") / f"{key.name.replace('/', '_')}.yaml"

    def exists(self, key: Key) -> bool:
        """Whether there is such an object."""
        return self.path(key).exists()

    def read(self, key: Key) -> Properties | None:
        """The object, or None."""
        path = self.path(key)
        return yaml.load(path.read_text(), Loader=yaml.CSafeLoader) if path.exists() else None

    def create(self, key: Key, document: Properties, owner: str) -> None:
        """Write a new object. Raises ApiError if another resource's object of that name exists.

        A resource's own object is taken over: a killed run leaves one that its state does not hold yet.
        """
        self._admit(key)
        if self.exists(key) and self.path(key).read_text().splitlines()[0] != _owner_line(owner):
            raise ApiError(f"{key} already exists")
        self._write(key, document, owner)

    def update(self, key: Key, document: Properties, owner: str) -> None:
        """Write an object anew. Raises ApiError if there is none."""
        self._admit(key)
        if not self.exists(key):
            raise ApiError(f"{key} not found")
        self._write(key, document, owner)

    def delete(self, key: Key) -> None:
        """Remove an object; one that is gone already is no error."""
        self.path(key).unlink(missing_ok=True)

    def names(self, kind: str) -> set[str]:
        """The names of all objects of a kind."""
        return {path.stem for path in (self.root / kind).glob("*/*.yaml")}

    def record(self, operation: str, type_: str, name: str) -> None:
        """Append to the record of operations."""
        time = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": time, "operation": operation, "type": type_, "name": name})
        with self._lock, (self.root / "operations.jsonl").open("a") as file:
            file.write(line + "\n")

    def _admit(self, key: Key) -> None:
        refuse = self.root / "refuse"
        if refuse.exists() and f"{key.kind}/{key.name}" in refuse.read_text().split():
            raise ApiError(f'admission webhook "refuse.rehearsal.local" denied the request: {key} is forbidden')

    def _write(self, key: Key, document: Properties, owner: str) -> None:
        path = self.path(key)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_suffix(".new")  # renamed when complete, so that nobody reads half an object
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{_owner_line(owner)}\n{dump(document)}")
        new.replace(path)


def _owner_line(owner: str) -> str:
    return f"# {owner}"
