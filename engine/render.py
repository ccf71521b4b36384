"""What a stack would deploy, as files for people: one per object, one of values per Helm release.

The program runs under the real engine into a store that is thrown away, with placeholders for the secrets it needs,
so no real secret can appear. `***` stands for every secret value. Equal programs give equal bytes.
Charts are not rendered: what Helm would make of the values needs Helm.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import yaml
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

import inputs
from engine import rule_files
from engine.configuration import Aside, Secrets
from engine.differences import COMPONENT, Difference, as_markdown, as_text, differences, in_short
from engine.operations import Engine
from engine.provider.aws import Aws
from engine.provider.documents import dump
from engine.provider.kubernetes import RELEASE, Kubernetes
from engine.provider.model import Model
from engine.provider.values import is_secret
from facts import ROOT
from invalid import InvalidInputError
from local.errors import RehearsalError, explained
from settings import read_config, stack_file
from targets import Target

MASK = "***"
_MODELS: dict[str, Model] = {"aws": Aws(), "kubernetes": Kubernetes()}
_STACK = "pulumi:pulumi:Stack"
_MARKER = ".rendered"
_FILES = (".yaml", ".tmpl")  # a Secret's keys that are configuration to review, not credentials


def rendered(stack: str, project: Path) -> dict[str, str]:
    """The files by relative path.

    Raises InvalidInputError if the input is not valid, RehearsalError if the program fails or shows a secret.
    """
    secrets = placeholders(stack, project)
    with tempfile.TemporaryDirectory(prefix="render-") as state:
        engine = Engine(project, Path(state), Aside(secrets=secrets))
        engine.up(stack)
        resources = engine.resources(stack)
    files = dict(_file(resource, secrets) for resource in resources if _shown(resource))
    for path, text in files.items():
        for key, value in secrets.items():
            if value in text:
                raise RehearsalError(f"{path}: the program shows the secret {key} in the clear; mark it as a secret")
    return files


_REQUIRED = """
import json, sys, settings
try:
    print(json.dumps(settings.secret_keys(settings.parse(json.load(sys.stdin).get(settings.KEY)))))
except ValueError as error:
    sys.exit(str(error))
"""


def placeholders(stack: str, project: Path) -> dict[str, str]:
    """A value for each secret without which the stack refuses to start.

    The program that is rendered says so in a process of its own: its modules are not those of this one.
    Raises InvalidInputError if its settings are not valid.
    """
    config = json.dumps(read_config(project / f"Pulumi.{stack}.yaml"))
    command = [sys.executable, "-c", _REQUIRED]
    done = subprocess.run(command, cwd=project, input=config, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InvalidInputError([line.strip().removeprefix("- ") for line in done.stderr.splitlines() if line.strip()])
    return {key: f"placeholder-for-{key}" for key in json.loads(done.stdout)}


def _shown(resource: Mapping[str, Any]) -> bool:
    """Whether it is an object, or the stack with its outputs; not a component or a provider."""
    is_object = bool(resource.get("custom")) and not resource["type"].startswith("pulumi:")
    return is_object or resource["type"] == _STACK


def _file(resource: Mapping[str, Any], secrets: Secrets) -> tuple[str, str]:
    """A resource's path and text."""
    type_: str = resource["type"]
    head = f"{COMPONENT}{_component(resource['urn'])}\n"
    if type_ == _STACK:
        return "outputs.yaml", head + dump(masked(resource.get("outputs", {}), secrets))
    package = type_.partition(":")[0]
    inputs: dict[str, Any] = masked(resource["inputs"], secrets)
    key = _MODELS[package].key(type_, inputs)
    path = f"{key.kind}/{key.namespace or '_'}/{key.name}"
    head += "".join(f"# {flag}\n" for flag in ("protect", "retainOnDelete") if resource.get(flag))
    if type_ == RELEASE:
        release = {name: value for name, value in inputs.items() if name not in ("compat", "values")}
        asked = "".join(f"# {line}\n" for line in dump(release).splitlines())
        return f"{path}.values.yaml", head + asked + dump(inputs.get("values", {}))
    return f"{path}.yaml", head + dump(readable(inputs) if package == "aws" else inputs)


def _component(urn: str) -> str:
    """The component that registered a resource, itself or through another: `Logs` of `…::monitoring:index:Logs$…`."""
    outermost = urn.split("::")[2].split("$")[0]
    return outermost.rpartition(":")[2] if outermost.startswith("monitoring:") else "stack"


def masked(value: Any, secrets: Secrets) -> Any:
    """The value from the engine's state with every secret in it masked, its keys kept."""
    if is_secret(value):
        return _hidden(json.loads(value["plaintext"]), secrets)
    if isinstance(value, dict):
        return {key: masked(item, secrets) for key, item in value.items()}
    return [masked(item, secrets) for item in value] if isinstance(value, list) else value


def _hidden(value: Any, secrets: Secrets, key: str = "") -> Any:
    if is_secret(value):
        return _hidden(json.loads(value["plaintext"]), secrets, key)
    if isinstance(value, dict):
        return {name: _hidden(item, secrets, name) for name, item in value.items()}
    shown = key.endswith(_FILES) and not any(secret in str(value) for secret in secrets.values())
    return value if shown else MASK


def readable(value: Any) -> Any:
    """The value with the JSON documents in it opened up, such as policies."""
    if isinstance(value, dict):
        return {key: readable(item) for key, item in value.items()}
    if isinstance(value, str) and value.startswith("{"):
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(value)
    return value


def refuse_foreign(out: Path) -> None:
    """Make the directory. Raises RehearsalError if that cannot be, or it holds anything but an earlier rendering."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        foreign = any(out.iterdir()) and not (out / _MARKER).exists()
    except OSError as error:
        raise RehearsalError(f"OUT={out}: cannot be written: {error.strerror}; name another directory") from None
    if foreign:
        raise RehearsalError(f"OUT={out}: neither empty nor an earlier rendering; name another directory")


def write(files: Mapping[str, str], out: Path) -> None:
    """Write the files, in place of an earlier rendering. Raises RehearsalError if `out` holds anything else."""
    refuse_foreign(out)
    try:
        shutil.rmtree(out)
        for name, text in {_MARKER: "", **files}.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    except OSError as error:
        raise RehearsalError(f"OUT={out}: cannot be written: {error.strerror}; name another directory") from None


def read(out: Path) -> dict[str, str]:
    """The files of a rendering."""
    files = (path for path in out.glob("**/*.yaml") if path.is_file())
    return {str(path.relative_to(out)): path.read_text() for path in files}


def checkout(base: str, project: Path, into: Path) -> None:
    """Write the tree of a git revision. Raises RehearsalError if there is no such revision."""
    archive = subprocess.run(["git", "-C", str(project), "archive", base], capture_output=True, check=False)
    if archive.returncode:
        told = archive.stderr.decode().strip()
        unknown = "not a valid object name" in told
        raise RehearsalError(
            f"BASE={base}: {'no such branch, tag or commit' if unknown else told}; see: git branch --all"
        )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(into, filter="data")


def compare(stack: str, base: str, project: Path) -> list[Difference]:
    """The differences that the working tree makes to what `base` renders. A base without the stack renders nothing."""
    with tempfile.TemporaryDirectory(prefix="diff-") as scratch:
        before, tree = Path(scratch) / "before", Path(scratch) / "tree"
        after = Path(scratch) / "after"
        checkout(base, project, tree)
        _run_here(tree)
        runs = {"the working tree": _render_apart(stack, project, after)}
        if (tree / f"Pulumi.{stack}.yaml").exists():
            runs[f"BASE={base}"] = _render_apart(stack, tree, before)
        with _progress(f"rendering {stack} of {base} and of the working tree with the real engine"):
            ended = {side: (run.communicate()[1], run.returncode) for side, run in runs.items()}
        for side, (errors, code) in ended.items():
            if code:
                raise RehearsalError(f"{side} cannot be rendered: {errors.strip().removeprefix('Error: ')}")
        return differences(read(before), read(after))


def _run_here(tree: Path) -> None:
    """Have the tree's program run in this environment, and unchecked: types do not change what is deployed."""
    description = yaml.safe_load((tree / "Pulumi.yaml").read_text())
    description["runtime"] = {"name": "python", "options": {"virtualenv": sys.prefix}}
    (tree / "Pulumi.yaml").write_text(yaml.safe_dump(description))


def _render_apart(stack: str, project: Path, out: Path) -> subprocess.Popen[str]:
    """Start rendering in a process of its own, so that each program gets its own modules."""
    options = {"--stack": stack, "--out": str(out), "--project": str(project)}
    return subprocess.Popen(
        [
            sys.executable,
            "-P",
            "-m",
            "engine.render",
            "render",
            "--quiet",
            *(word for pair in options.items() for word in pair),
        ],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


TROUBLE = 2
"""Exit code where nothing could be rendered, as diff(1) has it."""


@contextlib.contextmanager
def _progress(what: str) -> Iterator[None]:
    """Say on standard error what goes on; on a terminal also for how long it has."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console.print(f"{what} …", markup=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        progress.add_task(what)
        yield


_COLOURS = {"added": "green", "removed": "red", "changed": "yellow", "+": "green", "-": "red", "@": "cyan"}


def _coloured(line: str) -> str:
    """The line with colour, which click takes away where the output is no terminal."""
    colour = next((colour for start, colour in _COLOURS.items() if line.startswith(start)), None)
    return click.style(line, fg=colour, bold=line.startswith(("added", "removed", "changed")))


def _check(stack: str, project: Path) -> None:
    """Refuse input that is wrong before an engine starts: that takes seconds, and says it among lines of its own."""
    inputs.read(project, stack)
    rule_files.check(project / "alerts")


_project = click.option("--project", type=click.Path(path_type=Path, exists=True), default=ROOT, help="Tree to render.")
_stack = click.option("--stack", required=True, help="Stack, such as dev.")


@click.group()
def main() -> None:
    """Show what a stack would deploy, without a cluster."""


@main.command("render", cls=Target, example="make render STACK=dev OUT=rendered/dev")
@_stack
@_project
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Directory to write.")
@click.option("--quiet", is_flag=True, help="Show no progress, and leave the rules to the caller.")
def render_command(stack: str, project: Path, out: Path, quiet: bool) -> None:
    """Write one file per object, and one of values per Helm release."""
    with explained(TROUBLE):
        stack_file(project, stack)
        refuse_foreign(out)
        if not quiet:
            _check(stack, project)
        with contextlib.nullcontext() if quiet else _progress(f"rendering {stack} with the real engine"):
            files = rendered(stack, project.resolve())
        write(files, out)
        click.echo(f"{len(files)} files in {out}")


@main.command("diff", cls=Target, example="make diff STACK=prod BASE=main")
@_stack
@_project
@click.option("--base", required=True, help="Git revision to compare the working tree with.")
@click.option("--markdown", is_flag=True, help="Write it as the summary of a pull request.")
def diff_command(stack: str, project: Path, base: str, markdown: bool) -> None:
    """Show what the working tree changes. Exits with 0 if nothing, 1 if something, 2 in trouble."""
    with explained(TROUBLE):
        _check(stack, project)
        found = compare(stack, base, project.resolve())
    if markdown:
        click.echo(as_markdown(stack, base, found))
    elif not found:
        click.echo(f"no difference: the working tree deploys {stack} as {base} does", err=True)
    for line in () if markdown else as_text(found):
        click.echo(_coloured(line))
    if found and not markdown:  # the lines above it may be thousands
        click.echo(f"the working tree changes {stack} from {base}, so the exit code is 1: {in_short(found)}", err=True)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
