"""The stack files of `examples/stacks/`, each with what it deploys beside it, for reviewers to read.

`rendered/` of an example has what its settings decide: values of each Helm release, Alertmanager's configuration, AWS
objects, volumes, policies, Secrets with their values masked, and outputs. Rules, dashboards and programs would change
it with each edit, and no example changes them: of these it has kind and name only, and of the log agent's long lists
that they are there. The program runs under Pulumi's mocks, so that all of it takes seconds; `make render` has the rest.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pulumi

import catalogue as catalogues
from checks.program import SECRETS, Program, Registered
from components import flows
from components.alerting.component import CONFIGURATION_KEY, CONFIGURATION_SECRET
from engine.provider.documents import dump
from engine.provider.kubernetes import RELEASE
from engine.render import MASK, readable
from facts import ROOT
from settings import KEY, Settings, parse, read_config, secret_keys
from validation import InvalidInputError
from verify import program

EXAMPLES = ROOT / "examples" / "stacks"
COMMAND = "make examples"
RENDERED = "rendered"
SECRET = "kubernetes:core/v1:Secret"  # noqa: S105 - a type of object, not its content
PROVIDER = "pulumi:providers:"
IN_FULL = {"Job", "PersistentVolume", "Probe", "Secret", "StorageClass"}
"""Kinds whose objects settings decide, beside AWS' and releases."""
SAME_EVERYWHERE = "(the same in every stack)"
LISTS = {"blocked_key_patterns", "blocked_values", "log_statements", "logs", "operators"}
"""Keys of a collector's configuration below which there is what it masks, parses and counts."""


def names() -> list[str]:
    """The examples."""
    return sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())


def stack_file(name: str) -> Path:
    """The stack file of an example."""
    return EXAMPLES / name / f"Pulumi.{name}.yaml"


def rendered(name: str) -> dict[str, str]:
    """What an example deploys, by file, with each secret set that it can use. Raises InvalidInputError."""
    config = read_config(stack_file(name))
    settings = parse(config.get(KEY))
    usable = secret_keys(settings)
    files = _files(program.evaluate(name, config, {key: SECRETS[key] for key in usable}))
    files["flows.txt"] = _flows(settings)
    for path, text in files.items():
        for key in usable:
            assert SECRETS[key] not in text, f"{name}: {path} shows {key} in the clear"
    return files


def committed(name: str) -> dict[str, str]:
    """What is in the tree of an example."""
    tree = EXAMPLES / name / RENDERED
    return {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}


def write(name: str) -> dict[str, str]:
    """Write what an example deploys in place of what is in its tree."""
    files, tree = rendered(name), EXAMPLES / name / RENDERED
    shutil.rmtree(tree, ignore_errors=True)
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
    return files


def _files(found: Program) -> dict[str, str]:
    objects = sorted((item for item in found if item.custom and not item.type.startswith("pulumi:")), key=_title)
    shown = [item for item in objects if item.type.startswith("aws:") or item.type.rpartition(":")[2] in IN_FULL]
    providers = {item.name: item.inputs for item in found if item.type.startswith(PROVIDER)}
    configuration = found.one(SECRET, CONFIGURATION_SECRET).inputs["stringData"][CONFIGURATION_KEY]
    return {
        "alertmanager.yaml": configuration,
        "objects.txt": "".join(f"{_title(item)}{_flags(item)}\n" for item in objects),
        "objects.yaml": "---\n".join(_document(item) for item in shown),
        "outputs.yaml": dump(found.outputs),
        "providers.yaml": dump(providers),
        **{f"values/{item.name}.yaml": _release(item.inputs) for item in found.of(RELEASE)},
    }


def _flows(settings: Settings) -> str:
    """Who may reach whom: what the network policies admit."""
    found = flows.flows(settings, catalogues.load(ROOT / "services.yaml").of_stack(settings))
    return "".join(f"{flow.source.name} -> {flow.target.name}: {flow.shown}; {flow.why}\n" for flow in found)


def _title(item: Registered) -> str:
    """Kind, namespace and name, or AWS' type and the name in the stack."""
    if item.type.startswith("aws:"):
        return f"{item.type} {item.name}"
    metadata = item.inputs.get("metadata", item.inputs)
    return " ".join([item.type.rpartition(":")[2], "/".join(filter(None, map(metadata.get, ("namespace", "name"))))])


def _flags(item: Registered) -> str:
    flags = {"protected": item.protect, "retained": item.retain_on_delete}
    return "".join(f" {flag}" for flag, holds in flags.items() if holds)


def _document(item: Registered) -> str:
    if item.type == SECRET:
        return dump(item.inputs | {"stringData": dict.fromkeys(item.inputs.get("stringData", {}), MASK)})
    return f"# {_title(item)}\n{dump(readable(item.inputs))}" if item.type.startswith("aws:") else dump(item.inputs)


def _release(inputs: Mapping[str, Any]) -> str:
    """The values below what Helm is asked for, which is a comment."""
    asked = {key: value for key, value in inputs.items() if key not in ("compat", "values")}
    comment = "".join(f"# {line}\n" for line in dump(asked).splitlines())
    return comment + dump(_shortened(inputs.get("values", {})))


def _shortened(values: dict[str, Any]) -> dict[str, Any]:
    """The values without the collector's lists and its start, which no setting changes."""
    short = dict(values)
    if "alternateConfig" in values:
        configuration = values["alternateConfig"]
        parts = {key: _without_lists(configuration[key]) for key in configuration.keys() - {"service"}}
        short["alternateConfig"] = configuration | parts
    if "initContainers" in values:
        short["initContainers"] = [
            container | {"env": [one | {"value": SAME_EVERYWHERE} for one in container["env"]]}
            for container in values["initContainers"]
        ]
    return short


def _without_lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: SAME_EVERYWHERE if key in LISTS else _without_lists(item) for key, item in value.items()}


@click.command()
@click.argument("chosen", nargs=-1, metavar="[NAME]...")
def main(chosen: tuple[str, ...]) -> None:
    """Write what each example of examples/stacks/ deploys, or only those named, for `git diff` to show."""
    unknown = sorted(set(chosen) - set(names()))
    if unknown:
        raise click.ClickException(f"{', '.join(unknown)}: no such example; there are: {', '.join(names())}")
    for name in chosen or names():
        try:
            files = write(name)
        except (InvalidInputError, pulumi.RunError) as error:
            raise click.ClickException(f"{name}: {error}") from None
        size = sum(len(text.encode()) for text in files.values())
        click.echo(f"{name}: {len(files)} files, {size / 1024:.0f} KiB")


if __name__ == "__main__":
    main(prog_name="checks.examples")
