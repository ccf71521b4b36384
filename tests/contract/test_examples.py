"""The stack files of `examples/stacks/`: each is valid, and deploys what is committed beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import catalogue as catalogues
from checks import examples
from checks.program import SECRETS
from components.logs.agent import agent_values, events_values
from engine.differences import as_text, differences
from engine.render import MASK
from facts import ROOT
from settings import GRAFANA_PASSWORD, KEY, Deployment, Settings, parse, read_config, read_stack, secret_keys
from validation import InvalidInputError

README = examples.EXAMPLES / "README.md"
BYTES = 62_000
"""What reviewers read of one example, beside its services."""
BYTES_OF_SERVICE = 700
"""What each service adds: its Probe, and the names of its other objects."""


@pytest.mark.parametrize("name", examples.names())
def test_an_example_deploys_what_is_committed(name: str) -> None:
    changed = list(as_text(differences(examples.committed(name), examples.rendered(name))))
    assert not changed, "\n".join(
        [
            f"examples/stacks/{name}/{examples.RENDERED} is not what the program deploys now. If that is intended:",
            f"  {examples.COMMAND}",
            *changed,
        ]
    )


@pytest.mark.parametrize("name", examples.names())
def test_an_example_can_be_copied_and_deployed(name: str) -> None:
    document = read_config(examples.stack_file(name))
    assert list(document) == [KEY]
    wanted = frozenset(secret_keys(parse(document[KEY]))) - {GRAFANA_PASSWORD}
    settings = parse(document[KEY], Deployment(name, wanted))
    assert settings.kube_context, "`make deploy` refuses a stack that names none"


@pytest.mark.parametrize("name", examples.names())
def test_an_example_names_its_schema_and_its_secrets(name: str) -> None:
    file = examples.stack_file(name)
    first, *comments = [line for line in file.read_text().splitlines() if line.startswith("#")]
    schema = first.removeprefix("# yaml-language-server: $schema=")
    assert (file.parent / schema).resolve() == ROOT / "docs" / "stack.schema.json"
    wanted = set(secret_keys(read_stack(file))) - {GRAFANA_PASSWORD}
    assert set(re.findall("|".join(SECRETS), "\n".join(comments))) == wanted
    (row,) = (line for line in README.read_text().splitlines() if line.startswith(f"| [{name}]({name}/{file.name})"))
    assert set(re.findall("|".join(SECRETS), row)) == wanted or row.endswith("| all four |")


STACK_FILES = [*map(examples.stack_file, examples.names()), *sorted(ROOT.glob("Pulumi.*.yaml"))]


@pytest.mark.parametrize("file", STACK_FILES, ids=lambda file: file.name)
def test_an_editor_with_the_schema_underlines_nothing(file: Path) -> None:
    validator = Draft202012Validator(json.loads((ROOT / "docs" / "stack.schema.json").read_text()))
    document = yaml.safe_load(file.read_text())
    assert list(validator.iter_errors(document)) == []
    document["config"][KEY] |= {"platfrom": "kind"}
    del document["config"][KEY]["links"]["runbooks"]
    wrong = {(*error.absolute_path, error.message.rpartition(" (")[2]) for error in validator.iter_errors(document)}
    assert wrong == {
        ("config", KEY, "'platfrom' was unexpected)"),
        ("config", KEY, "links", "'runbooks' is a required property"),
    }


@pytest.mark.parametrize("name", examples.names())
def test_an_example_repeats_no_default(name: str) -> None:
    """What it has is what it shows: a key that changes nothing hides those that do."""
    document = read_config(examples.stack_file(name))[KEY]
    settings = parse(document)
    assert [path for path in keys(document) if means(without(document, path)) == settings] == []


def keys(section: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    """The path of every key that has no section below it."""
    for key, value in section.items():
        if isinstance(value, dict) and value:
            yield from ((key, *path) for path in keys(value))
        else:
            yield (key,)


def without(section: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    key, *rest = path
    left = {name: value for name, value in section.items() if name != key}
    return {**left, key: without(section[key], tuple(rest))} if rest else left


def means(document: dict[str, Any]) -> Settings | None:
    try:
        return parse(document)
    except InvalidInputError:
        return None


@pytest.mark.parametrize("name", examples.names())
def test_a_tree_is_of_a_size_that_people_read_and_shows_no_secret(name: str) -> None:
    files = examples.committed(name)
    services = catalogues.load(ROOT / "services.yaml").services
    assert sum(len(text.encode()) for text in files.values()) < BYTES + BYTES_OF_SERVICE * len(services)
    assert not [key for key, value in SECRETS.items() if value in "".join(files.values())]
    secrets = [item for item in yaml.safe_load_all(files["objects.yaml"]) if item.get("kind") == "Secret"]
    assert {text for item in secrets for text in item["stringData"].values()} == {MASK}


def test_the_command_writes_what_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (name, *_), text = examples.names(), examples.stack_file(examples.names()[0]).read_text()
    (tmp_path / name / examples.RENDERED).mkdir(parents=True)
    (tmp_path / name / f"Pulumi.{name}.yaml").write_text(text)
    (tmp_path / name / examples.RENDERED / "gone.yaml").write_text("of a release that there was once\n")
    before = examples.committed(name)
    monkeypatch.setattr(examples, "EXAMPLES", tmp_path)
    refused = CliRunner().invoke(examples.main, ["kind-three-nodes"])
    assert (refused.exit_code, "no such example" in refused.output) == (1, True)
    done = CliRunner().invoke(examples.main, [name])
    assert done.exit_code == 0, done.output
    assert examples.committed(name) == before


def test_what_a_tree_calls_the_same_in_every_stack_is() -> None:
    first, *others = (list(left_out(read_stack(file))) for file in STACK_FILES)
    assert len(first) > 5
    assert all(other == first for other in others)


def left_out(settings: Settings) -> Iterator[tuple[str, Any]]:
    catalogue = catalogues.load(ROOT / "services.yaml").of_stack(settings)
    agent, events = agent_values(settings, catalogue), events_values(settings)
    yield "start", [container["env"] for container in agent["initContainers"]]
    for values in (agent, events):
        yield from lists({key: part for key, part in values["alternateConfig"].items() if key != "service"})


def lists(section: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if key in examples.LISTS:
            yield key, value
        elif isinstance(value, dict):
            yield from lists(value)
