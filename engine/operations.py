"""The real Pulumi CLI, run as its users run it, without a user's login, state, cluster or cloud.

The commands run in the project's directory with its Pulumi.yaml. What they need and write beside it is in one
state directory:

- `engine/home/`: PULUMI_HOME, without logs, with the plugins: the stand-in of the Python language host
  (`engine/tools/pulumi/language`), and of each provider, unless another is given (`engine.provider`)
- `engine/backend/`: the stacks' states, their secrets encrypted with `engine/passphrase`
- `engine/events.json`: what the last operation told
- `cluster/`: the objects of the stand-ins for providers (`engine.provider.store`)

There are two uses, which differ in whose Pulumi.<stack>.yaml counts:

    engine = Engine(copy, state)                     # the project's, which is written to as a user's is:
    engine.init("dev")                               # pulumi stack init dev
    engine.configure("dev", "smtpPassword", "…", secret=True)
    engine.up("dev")

    engine = Engine(ROOT, state, Aside(settings))    # one beside the state, made from the project's, which stays as
    engine.up("dev")                                 # it is; the stack is created when it is needed

Both take an official provider's binary and a kubeconfig, for a real API server.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import importlib.metadata
import json
import os
import secrets
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypedDict, Unpack

from engine.changes import Changes
from engine.command import Command, CommandError, OnOutput
from engine.configuration import Aside
from engine.toolchain import TOOLS, tool
from facts import ROOT
from local.errors import RehearsalError
from local.state import write

_LANGUAGE_HOST = "pulumi-language-python"
_PROVIDERS = ("aws", "kubernetes")
_PATIENCE = 2.0  # seconds


class EngineError(RehearsalError):
    """The engine could not do what was asked; the message has its diagnostics."""


class Following(TypedDict, total=False):
    """How to follow an operation."""

    on_output: OnOutput
    """Takes each line of progress and of diagnostics."""
    diff: bool
    """Show every changed property, old and new, instead of names."""


class Engine:
    """One project's stacks in one state directory. Every failed command raises EngineError."""

    def __init__(
        self,
        project: Path,
        state: Path,
        aside: Aside | None = None,
        *,
        kubeconfig: Path | None = None,
        providers: Mapping[str, Path] | None = None,
        policies: Path | None = None,
    ) -> None:
        """Use the program in `project` and the state directory `state`.

        With `aside`, the project's Pulumi.<stack>.yaml is only read. `providers` has binaries by package, such as
        `kubernetes`, to use in place of the stand-ins. `policies` is a policy pack that `preview` and `up` must pass.
        """
        self.store = state.resolve() / "cluster"
        self._project = project.resolve()
        self._state = state.resolve() / "engine"
        self._aside = aside
        self._kubeconfig = str(kubeconfig.resolve() if kubeconfig else os.devnull)
        self._providers = dict(providers or {})
        self._policies = ["--policy-pack", str(policies.resolve())] if policies else []

    def init(self, stack: str) -> None:
        """`pulumi stack init`."""
        with self._exclusive(), _explained("stack init", stack):
            self._init(stack)

    def configure(self, stack: str, key: str, value: str, *, secret: bool = False, path: bool = False) -> None:
        """`pulumi config set`; the value is on no command line."""
        with self._exclusive(), _explained(f"config set {key}", stack):
            self._set(stack, key, value, secret=secret, path=path)

    def preview(
        self, stack: str, *, expect_no_changes: bool = False, refresh: bool = False, **following: Unpack[Following]
    ) -> Changes:
        """`pulumi preview`: what `up` would do, with `refresh` to what the providers find."""
        flags = _flags(expect_no_changes=expect_no_changes, refresh=refresh)
        return self._operate("preview", stack, [*flags, *self._policies], **following)

    def up(self, stack: str, **following: Unpack[Following]) -> Changes:
        """`pulumi up`, without the preview before it."""
        return self._operate("up", stack, ["--yes", "--skip-preview", *self._policies], **following)

    def refresh(self, stack: str, **following: Unpack[Following]) -> Changes:
        """`pulumi refresh`: take what the providers find into the state."""
        return self._operate("refresh", stack, ["--yes", "--skip-preview"], **following)

    def destroy(
        self,
        stack: str,
        *,
        exclude_protected: bool = False,
        skip_preview: bool = False,
        **following: Unpack[Following],
    ) -> Changes:
        """`pulumi destroy`: remove what the stack deployed. Protected resources are an error, or stay.

        The preview before it refuses what is protected before anything is gone.
        """
        flags = ["--yes", *_flags(exclude_protected=exclude_protected, skip_preview=skip_preview)]
        return self._operate("destroy", stack, flags, **following)

    def outputs(self, stack: str) -> dict[str, Any]:
        """`pulumi stack output`: the stack's outputs, secret ones as `[secret]`."""
        with _explained("stack output", stack):
            outputs: dict[str, Any] = json.loads(self._run("stack", "output", "--json", "--stack", stack))
        return outputs

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """`pulumi stack export`: the resources in the state. Secrets are marked, and readable: show them to nobody."""
        with _explained("stack export", stack):
            exported = self._run("stack", "export", "--show-secrets", "--stack", stack)
        resources: list[dict[str, Any]] = json.loads(exported)["deployment"].get("resources", [])
        return resources

    @property
    def environment(self) -> dict[str, str]:
        """All that the CLI and the plugins see of the outside."""
        return {
            "HOME": str(self._state),
            "KUBECONFIG": self._kubeconfig,
            "LANG": "C.UTF-8",
            "PATH": str(self._state / "bin"),  # nothing: the engine starts only the plugins below
            "PULUMI_BACKEND_URL": f"file://{self._state / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self._state / "passphrase"),
            "PULUMI_DEBUG_COMMANDS": "true",  # for --event-log
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(self._state / "home"),
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
        }

    def prepare(self) -> None:
        """Make the state directory, its passphrase and the plugins, where they are missing."""
        for directory in (self._state, self._state / "backend", self._state / "home"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        passphrase = self._state / "passphrase"
        if not passphrase.exists():
            write(passphrase, secrets.token_urlsafe(32))
        # Where its directory of logs would be: the CLI has no switch for them, logs every property of every call,
        # compressed, and does without where it cannot, which saves a quarter of a preview's time (3.259.0).
        (self._state / "home" / "logs").touch(mode=0o600)
        _link(self._plugin("language", "python", TOOLS[_LANGUAGE_HOST].version), tool(_LANGUAGE_HOST))
        for package in _PROVIDERS:
            plugin = self._plugin("resource", package, f"v{importlib.metadata.version(f'pulumi-{package}')}")
            if package in self._providers:
                _link(plugin, self._providers[package])
            else:
                write(plugin, self._launcher(package), mode=0o700)

    def _operate(self, operation: str, stack: str, flags: list[str], **following: Unpack[Following]) -> Changes:
        with self._exclusive(), _explained(operation, stack, self._events):
            self._adopt(stack)
            self._recover(stack)
            flags = [*flags, *_flags(diff=following.get("diff", False)), "--event-log", str(self._events)]
            self._events.unlink(missing_ok=True)
            self._run(operation, *flags, *self._stack(stack), on_output=following.get("on_output"))
            return Changes.told(self._events)

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Keep other runs away until this process, and any engine that it started and left behind, has ended."""
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._state / "lock").open("w") as lock:
            if not _locked(lock):
                raise EngineError(f"{self._state} is in use by another run; wait for it to end")
            self._command.held = (lock.fileno(),)
            try:
                yield
            finally:
                self._command.held = ()

    def _adopt(self, stack: str) -> None:
        """Bring the configuration aside up to date with the project's; create its stack if it is new."""
        if not self._aside:
            return
        changed = self._aside.write(self._project, self._workspace, stack)
        if not any(self._backend.glob(f"stacks/*/{stack}.json")):
            self._init(stack)
        for key, value in changed.items():
            self._set(stack, key, value, secret=True)

    def _recover(self, stack: str) -> None:
        """Release the engine's own lock if a run was killed, and forget what that run had not finished creating.

        It is created again: the stand-ins let a resource take over its own object.
        """
        if any(self._backend.glob(f"locks/**/{stack}/*.json")):
            self._run("cancel", "--yes", "--stack", stack)
            self._run("refresh", "--yes", "--skip-preview", "--clear-pending-creates", *self._stack(stack))

    def _init(self, stack: str) -> None:
        # It writes the salt of its secrets into the Pulumi.<stack>.yaml of the directory that it runs in.
        self._run("stack", "init", stack, cwd=self._workspace if self._aside else self._project)

    def _set(self, stack: str, key: str, value: str, *, secret: bool, path: bool = False) -> None:
        flags = _flags(secret=secret, plaintext=not secret, path=path)
        self._run("config", "set", key, *flags, *self._stack(stack), text=value)

    def _stack(self, stack: str) -> list[str]:
        """The options that choose the stack, and its configuration where that is not the project's."""
        file = self._workspace / f"Pulumi.{stack}.yaml"
        return ["--stack", stack, *(["--config-file", str(file)] if self._aside else [])]

    def _run(self, *arguments: str, cwd: Path | None = None, text: str = "", on_output: OnOutput | None = None) -> str:
        self.prepare()
        return self._command.run(["--color", "never", *arguments], cwd or self._project, text, on_output)

    @property
    def _workspace(self) -> Path:
        return self._state / "workspace"

    @property
    def _backend(self) -> Path:
        return self._state / "backend" / ".pulumi"

    @property
    def _events(self) -> Path:
        return self._state / "events.json"

    @functools.cached_property
    def _command(self) -> Command:
        return Command(tool("pulumi"), self.environment)

    def _plugin(self, kind: str, name: str, version: str) -> Path:
        return self._state / "home" / "plugins" / f"{kind}-{name}-{version}" / f"pulumi-{kind}-{name}"

    def _launcher(self, package: str) -> str:
        python = [sys.executable, "-P", "-m", "engine.provider", package, "--store", str(self.store)]
        return f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.join(python)} "$@"\n'


@contextlib.contextmanager
def _explained(command: str, stack: str, events: Path | None = None) -> Iterator[None]:
    """Raise EngineError, with the diagnostics if there are any, for a command that fails."""
    try:
        yield
    except CommandError as error:
        problems = "\n".join(Changes.told(events).errors) if events else ""
        raise EngineError(f"{command} of stack {stack} failed:\n{problems or error}") from error


def _flags(**wanted: bool) -> list[str]:
    return [f"--{name.replace('_', '-')}" for name, is_wanted in wanted.items() if is_wanted]


def _link(path: Path, target: Path) -> None:
    if not path.is_symlink() or path.readlink() != target:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def _locked(file: IO[str]) -> bool:
    """Lock the file, waiting a little for the plugins of a run that was killed to notice that it has ended."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.1)
    return False
