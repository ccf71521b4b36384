"""Inputs that are refused: by the program in words, and by the JSON Schema in the editor as far as it can know."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import pulumi
import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

import catalogue
import documents
from catalogue import Catalogue, Events
from checks import documentation, program
from checks.mutation.mutate import Equivalent
from components.alerting import rules
from drills.model import Drills
from facts import ROOT
from settings import KEY, PROJECT, SECRET_KEYS, Settings, parse, read_config
from validation import Flag, Form, InvalidInputError
from verify.program import evaluate

STACKS: list[dict[str, Any]] = documents.read(ROOT / "tests" / "unit" / "refused_stacks.yaml")
SERVICES: list[dict[str, Any]] = documents.read(ROOT / "tests" / "unit" / "refused_services.yaml")
NOT_WORDS = (
    "input should",
    "tuple",
    "dictionary",
    "instance of",
    "pattern '",
    "value error",
    "None",
    "True",
    "False",
    "(?",
    "[a-z",
    "^(",
)
"""What Python, pydantic and regular expressions say."""


def named(case: dict[str, Any]) -> str:
    return json.dumps(case["put"])


def schema(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads((ROOT / "docs" / f"{name}.schema.json").read_text()))


def judged(case: dict[str, Any], problems: list[str], editor: Draft202012Validator, document: Any) -> None:
    said = "\n".join(problems)
    assert case["says"] in said
    assert not [word for word in NOT_WORDS if word in said.replace(case["says"], "")]
    assert not [word for word in NOT_WORDS if word in case["says"] and "(?" not in json.dumps(case["put"])]
    assert len(problems) == (1 if case.get("alone") else len(set(problems)))
    assert editor.is_valid(document) != case.get("editor", True), [
        error.message for error in editor.iter_errors(document)
    ]


@pytest.mark.parametrize("case", STACKS, ids=named)
def test_a_stack_is_refused_in_words_and_in_the_editor(case: dict[str, Any]) -> None:
    document = program.document(case.get("of", "dev"), case["put"])
    with pytest.raises(InvalidInputError) as error:
        parse(document)
    assert all(problem.startswith(KEY) for problem in error.value.problems)
    judged(case, error.value.problems, schema("stack"), {"config": {KEY: document}})


@pytest.mark.parametrize("case", SERVICES, ids=named)
def test_a_service_is_refused_in_words_and_in_the_editor(case: dict[str, Any], tmp_path: Path) -> None:
    document = {"services": [{"name": "a", "port": 1} | case["put"], *case.get("others", [])]}
    file = tmp_path / "services.yaml"
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(InvalidInputError) as error:
        catalogue.load(file)
    assert all(re.match(r"services\.yaml:[0-9]+: ", problem) for problem in error.value.problems)
    judged(case, error.value.problems, schema("services"), document)


def test_enough_inputs_are_tried() -> None:
    assert len(STACKS) + len(SERVICES) >= 150


@pytest.mark.parametrize("model", [Settings, Catalogue, Events, rules._RuleFile, Drills, Equivalent])
def test_every_value_says_in_words_what_it_may_be(model: type[BaseModel]) -> None:
    """A field of a plain `str`, or with a pattern of its own, would answer with Python's types and the pattern."""
    definitions = [model.model_json_schema(by_alias=True)]
    wordless = []
    while definitions:
        schema = definitions.pop()
        if not isinstance(schema, dict):
            definitions += schema if isinstance(schema, list) else []
            continue
        if schema.get("type") in ("string", "integer", "number", "boolean") and not {
            "x-allowed",
            "enum",
            "const",
        } & set(schema):
            wordless.append(schema)
        definitions += [value for key, value in schema.items() if key not in ("default", "enum", "required")]
    assert wordless == []


def test_a_field_without_words_is_found() -> None:
    class Plain(BaseModel):
        name: str

    with pytest.raises(AssertionError):
        test_every_value_says_in_words_what_it_may_be(Plain)
    with pytest.raises(LookupError, match="a field without words"):
        documentation.table(Plain)


def test_a_pattern_of_the_schema_matches_the_whole_text() -> None:
    for name in ("stack", "services", "events"):
        text = (ROOT / "docs" / f"{name}.schema.json").read_text()
        patterns = [line.split('"pattern": ')[1] for line in text.splitlines() if '"pattern": ' in line]
        assert patterns
        assert all(pattern.startswith('"^(?:') and ')$"' in pattern for pattern in patterns)


def stack_file(directory: Path, config: dict[str, Any]) -> Path:
    file = directory / "Pulumi.dev.yaml"
    file.write_text(yaml.safe_dump({"config": config}))
    return file


def refused_keys(directory: Path, config: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        read_config(stack_file(directory, config))
    return error.value.problems


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        (f"{PROJECT}:slackWebhokUrl", "slackWebhookUrl"),
        (f"{PROJECT}:stak", "stack"),
        ("order-procesor-monitoring:smtpPassword", "smtpPassword"),
        ("Order-Processor-Monitoring:stack", "stack"),
        ("order_processor_monitoring:settings", "stack"),
        ("settings", "stack"),
        ("heartbeatURL", "heartbeatUrl"),
    ],
)
def test_a_key_that_nothing_reads_is_refused(tmp_path: Path, key: str, meant: str) -> None:
    config = {KEY: program.document("dev"), key: {"secure": "x"}}
    (found,) = refused_keys(tmp_path, config)
    assert re.match(
        rf'Pulumi\.dev\.yaml:[0-9]+: {key}: unknown key; did you mean "{PROJECT}:{meant}"\? allowed: ', found
    )
    if key.startswith(PROJECT) or ":" not in key:  # the editor does not know what is near
        assert not schema("stack").is_valid({"config": config})


@pytest.mark.parametrize(
    "key",
    ["order-procesor-monitoring:stack", "order-procesor-monitoring:settings", f"{PROJECT}:stac", "mine:stack", "x"],
)
def test_a_misspelt_main_key_is_not_missing_as_well(tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    document = program.document("dev")
    (found,) = refused_keys(tmp_path, {key: document})
    assert f'{key}: unknown key; did you mean "{KEY}"?' in found
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({key: "{}"}))  # as the engine passes it
    with pytest.raises(pulumi.RunError, match="unknown key") as error:
        evaluate("dev", {key: document}, {})
    assert "missing" not in str(error.value)


def test_keys_of_other_projects_are_left_alone(tmp_path: Path) -> None:
    others = {KEY: program.document("dev"), "kubernetes:context": "x", "aws:region": "x", "order-processor:stack": "x"}
    assert read_config(stack_file(tmp_path, others)) == others
    assert schema("stack").is_valid({"config": others})


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_a_secret_in_plain_text_is_refused_and_not_shown(tmp_path: Path, key: str) -> None:
    encrypted = {KEY: program.document("dev"), f"{PROJECT}:{key}": {"secure": "v1:x"}}
    plain = encrypted | {f"{PROJECT}:{key}": "hunter2"}
    assert read_config(stack_file(tmp_path, encrypted)) == encrypted
    assert [schema("stack").is_valid({"config": each}) for each in (encrypted, plain)] == [True, False]
    (found,) = refused_keys(tmp_path, plain)
    assert f"{PROJECT}:{key}: a secret in plain text" in found
    assert f"pulumi config set --stack dev --secret {key}" in found
    with pytest.raises(pulumi.RunError, match=f"{key}: a secret in plain text") as error:
        evaluate("dev", plain, {})
    assert "hunter2" not in found + str(error.value)


def test_every_flag_is_strict() -> None:
    (form,) = (each for each in get_args(Flag) if isinstance(each, Form))
    assert [value for value in (True, False, 1, 0, "true", "yes", None) if form.check(value) is None] == [True, False]
