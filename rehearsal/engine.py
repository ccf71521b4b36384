"""The real Pulumi engine, run on this machine without a cluster, a cloud or the user's own Pulumi.

The program runs through Pulumi's Automation API as users deploy it; only the providers are stand-ins
(`rehearsal.provider` says what that does not prove). All that the engine needs and writes is in one state directory:

- `cluster/`: the stand-ins' objects (see `rehearsal.provider.store`)
- `engine/workspace/`: copies of the project's Pulumi.yaml and Pulumi.<stack>.yaml
- `engine/backend/`: the engine's state, its secrets encrypted with `engine/passphrase`
- `engine/home/`: PULUMI_HOME, with the plugins

Neither the project's tree nor the user's environment (PATH, kubeconfig, cloud credentials, Pulumi login) takes part.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import functools
import importlib.metadata
import os
import runpy
import secrets
import shlex
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any, TypedDict, Unpack

import click
import pulumi
import yaml
from pulumi import automation

from rehearsal.changes import PROGRAM_FAILED, Changes, Events, OnEvent
from rehearsal.command import Command, OnOutput
from rehearsal.errors import RehearsalError
from rehearsal.toolchain import tool

Secrets = Mapping[str, str]

_ROOT = Path(__file__).resolve().parent.parent
_STAND_INS = ("aws", "kubernetes")
_PATIENCE = 2.0  # seconds


class EngineError(RehearsalError):
    """The engine could not do what was asked; the message has its diagnostics."""


class Following(TypedDict, total=False):
    """How to follow an operation."""

    on_output: OnOutput
    """Takes each line of progress and of diagnostics."""
    on_event: OnEvent
    """Takes each of the engine's events."""
    diff: bool
    """Show every changed property, old and new, instead of names."""
    color: str
    """`always` or `never`, the default."""


class Engine:
    """Deploys one project's stacks into one state directory.

    A program's modules are imported once per process: after an edit, use a new process.
    """

    def __init__(
        self, project: Path, state: Path, binary: Path, settings: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Use the program in `project`, the state directory `state` and the engine's `binary`.

        `settings` are set in place of the project's, below the keys of its configuration that they are given by.
        """
        self.store = state.resolve() / "cluster"
        self._project = project.resolve()
        self._state = state.resolve() / "engine"
        self._binary = binary
        self._settings = settings or {}

    def preview(self, stack: str, secrets: Secrets | None = None, **following: Unpack[Following]) -> Changes:
        """What `up` would do, with the same arguments."""
        return self._run(stack, "preview", secrets or {}, {**following})

    def up(self, stack: str, secrets: Secrets | None = None, **following: Unpack[Following]) -> Changes:
        """Deploy the stack.

        `secrets` has the program's secret configuration by key (without the project's name). They are handed to the
        program in this process: they are on no command line and in no configuration file.
        Raises EngineError with the engine's diagnostics.
        """
        return self._run(stack, "up", secrets or {}, {**following})

    def destroy(self, stack: str, exclude_protected: bool = False, **following: Unpack[Following]) -> Changes:
        """Remove what the stack deployed. Protected resources are an error, or stay with `exclude_protected`."""
        return self._run(stack, "destroy", {}, {"exclude_protected": exclude_protected, **following})

    def outputs(self, stack: str) -> dict[str, Any]:
        """The stack's outputs, secret ones as `[secret]`."""
        with _explained("outputs", stack):
            outputs = self._stack(stack, {}).workspace.stack_outputs(stack)
        return {name: "[secret]" if output.secret else output.value for name, output in sorted(outputs.items())}

    def resources(self, stack: str) -> list[dict[str, Any]]:
        """The resources in the stack's state. Secrets are marked, and readable: show them to nobody."""
        with _explained("export", stack):
            deployment = self._stack(stack, {}).export_stack().deployment or {}
        resources: list[dict[str, Any]] = deployment.get("resources", [])
        return resources

    def _run(self, stack: str, operation: str, secrets: Secrets, options: dict[str, Any]) -> Changes:
        events = Events(options.pop("on_event", None))
        options = {"color": "never", "on_error": options.get("on_output"), **options}
        # The language host, too, runs the program in the project's directory.
        with self._exclusive(), contextlib.chdir(self._project), _explained(operation, stack, events):
            selected = self._stack(stack, secrets)
            self._recover(selected)
            getattr(selected, operation)(on_event=events.take, **options)
        return events.changes

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Keep other runs away until this process, and any engine that it started and left behind, has ended."""
        self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self._state / "lock").open("w") as lock:
            if not _locked(lock):
                raise EngineError(f"{self._state} is in use by another run; wait for it to end")
            self._command.held = (lock.fileno(),)
            yield

    def _recover(self, stack: automation.Stack) -> None:
        """Release the engine's own lock if a run was killed, and forget what that run had not finished creating.

        It is created again: the stand-ins let a resource take over its own object.
        """
        if any((self._state / "backend" / ".pulumi" / "locks").glob(f"**/{stack.name}/*.json")):
            stack.cancel()
            stack.refresh(clear_pending_creates=True)

    def _stack(self, stack: str, secrets: Secrets) -> automation.Stack:
        """The stack with the project's present configuration; created in the backend if it is new."""
        self._prepare()
        self._copy_configuration(stack)
        workspace = automation.LocalWorkspace(
            work_dir=str(self._workspace), program=self._program(secrets), pulumi_command=self._command
        )
        if not any((self._state / "backend" / ".pulumi" / "stacks").glob(f"*/{stack}.json")):
            workspace.create_stack(stack)
        return _Stack(stack, workspace)

    def _program(self, secrets: Secrets) -> Callable[[], None]:
        def program() -> None:
            for key, value in secrets.items():
                pulumi.runtime.set_config(f"{pulumi.get_project()}:{key}", value)
            if str(self._project) not in sys.path:
                sys.path.insert(0, str(self._project))
            try:
                runpy.run_path(str(self._project / "__main__.py"), run_name="__main__")
            except Exception as error:
                pulumi.log.error(str(error) if isinstance(error, pulumi.RunError) else self._trace(error))
                raise pulumi.RunError(PROGRAM_FAILED) from None  # the Automation API tells this one twice

        return program

    def _trace(self, error: Exception) -> str:
        """The program's part of a traceback, without the frames that led to it."""
        trace = error.__traceback__
        while trace and not Path(trace.tb_frame.f_code.co_filename).is_relative_to(self._project / "__main__.py"):
            trace = trace.tb_next
        return "".join(traceback.format_exception(type(error), error, trace))

    @property
    def _workspace(self) -> Path:
        return self._state / "workspace"

    @functools.cached_property
    def _command(self) -> Command:
        return Command(self._binary, self._environment())

    def _environment(self) -> dict[str, str]:
        """All that the engine and the plugins see of the outside."""
        return {
            "HOME": str(self._state),
            "KUBECONFIG": os.devnull,
            "LANG": "C.UTF-8",
            "PATH": str(self._state / "bin"),  # nothing: the engine starts only the plugins below
            "PULUMI_AUTOMATION_API": "true",
            "PULUMI_BACKEND_URL": f"file://{self._state / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(self._state / "passphrase"),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PULUMI_HOME": str(self._state / "home"),
            "PULUMI_IGNORE_AMBIENT_PLUGINS": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PYTHONPYCACHEPREFIX": str(self._state / "bytecode"),
        }

    def _prepare(self) -> None:
        """Make the state directory, its passphrase and the plugins, where they are missing."""
        for directory in (self._state, self._workspace, self._state / "backend"):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        passphrase = self._state / "passphrase"
        if not passphrase.exists():
            _write(passphrase, secrets.token_urlsafe(32), 0o600)
        for package in _STAND_INS:
            version = importlib.metadata.version(f"pulumi-{package}")
            plugin = self._state / "home" / "plugins" / f"resource-{package}-v{version}" / f"pulumi-resource-{package}"
            plugin.parent.mkdir(parents=True, exist_ok=True)
            _write(plugin, self._launcher(package), 0o700)

    def _launcher(self, package: str) -> str:
        python = [sys.executable, "-P", "-m", "rehearsal.provider", package, "--store", str(self.store)]
        return f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(_ROOT))} exec {shlex.join(python)} "$@"\n'

    def _copy_configuration(self, stack: str) -> None:
        """Copy the project's configuration, without values encrypted for somewhere else, and keep our own salt."""
        source = self._project / f"Pulumi.{stack}.yaml"
        if not source.exists():
            known = sorted(path.name.split(".")[1] for path in self._project.glob("Pulumi.*.yaml"))
            raise EngineError(f"{source}: there is no such stack; the project has: {', '.join(known) or 'none'}")
        _write(self._workspace / "Pulumi.yaml", (self._project / "Pulumi.yaml").read_text())
        copy = self._workspace / source.name
        config = (yaml.safe_load(source.read_text()) or {}).get("config") or {}
        ours = yaml.safe_load(copy.read_text()) if copy.exists() else {}
        salt = {key: ours[key] for key in ("encryptionsalt",) if key in ours}
        plain = {key: value for key, value in config.items() if not (isinstance(value, dict) and "secure" in value)}
        plain |= {key: {**plain.get(key, {}), **settings} for key, settings in self._settings.items()}
        _write(copy, yaml.safe_dump({**salt, "config": plain}))


class _Stack(automation.Stack):
    """A stack that is known to exist, and whose results the events tell: five commands less for each operation."""

    def __init__(self, name: str, workspace: automation.Workspace) -> None:
        self.name, self.workspace = name, workspace

    def outputs(self) -> automation.OutputMap:
        """Nothing."""
        return {}

    def info(self, show_secrets: bool = True) -> automation.UpdateSummary:  # noqa: ARG002 - the base class's signature
        """Nothing."""
        return automation.UpdateSummary("", datetime.datetime.now(datetime.UTC), "", {}, {}, "")


@contextlib.contextmanager
def _explained(operation: str, stack: str, events: Events | None = None) -> Iterator[None]:
    """Raise EngineError, with the diagnostics if there are any, for a command that fails."""
    try:
        yield
    except automation.CommandError as error:
        problems = events.problems() if events else ""
        raise EngineError(f"{operation} of stack {stack} failed:\n{problems or error}") from error


def _locked(file: IO[str]) -> bool:
    """Lock the file, waiting a little for the plugins of a run that was killed to notice that it has ended."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(0.1)
    return False


def _write(path: Path, text: str, mode: int = 0o600) -> None:
    """Write the text unless the file says it already, for a run at the same time may be reading."""
    if path.exists() and path.read_text() == text:
        return
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w") as file:
        file.write(text)


@click.command()
@click.argument("operation", type=click.Choice(["preview", "up", "destroy", "outputs"]))
@click.option("--stack", required=True, help="Stack, such as dev.")
@click.option("--project", type=click.Path(path_type=Path, exists=True), default=_ROOT, help="Tree of the program.")
@click.option("--state", type=click.Path(path_type=Path), default=Path(".rehearsal"), help="State directory.")
@click.option("--secrets", type=click.File(), help="YAML file with the secret configuration by key.")
@click.option("--diff", is_flag=True, help="Show every changed property.")
@click.option("--exclude-protected", is_flag=True, help="Leave protected resources when destroying.")
def main(
    operation: str, stack: str, project: Path, state: Path, secrets: IO[str] | None, diff: bool, exclude_protected: bool
) -> None:
    """Run one operation of the real engine with stand-in providers."""
    following = Following(on_output=click.echo, diff=diff, color="always" if sys.stdout.isatty() else "never")
    values = yaml.safe_load(secrets) if secrets else {}
    try:
        engine = Engine(project, state, tool("pulumi"))
        match operation:
            case "outputs":
                click.echo(yaml.safe_dump(engine.outputs(stack)))
            case "destroy":
                engine.destroy(stack, exclude_protected, **following)
            case _:
                (engine.up if operation == "up" else engine.preview)(stack, values, **following)
    except EngineError as error:
        raise click.ClickException(str(error).splitlines()[0].rstrip(":")) from None  # the rest is in the output
    except RehearsalError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
