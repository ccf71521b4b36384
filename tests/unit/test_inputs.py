"""What people write for a stack: read together, and refused before an engine starts."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pulumi
import pytest
from click.testing import CliRunner

import documents
import inputs
from engine import render
from facts import ROOT
from local.errors import RehearsalError
from rehearsal.deployment import until_error
from settings import KEY, PROJECT, SECRET_KEYS, load
from validation import InvalidInputError


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of all that people write."""
    for name in ("Pulumi.dev.yaml", "Pulumi.prod.yaml", "services.yaml", "events.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "alerts", tmp_path / "alerts")
    return tmp_path


def edit(file: Path, old: str, new: str) -> int:
    """Replace a text; returns its line."""
    text = file.read_text()
    assert text.count(old) >= 1
    file.write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


def refused(project: Path, stack: str = "dev", instead: dict[str, Any] | None = None) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        inputs.read(project, stack, instead)
    return error.value.problems


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_the_shipped_stacks_are_right(stack: str) -> None:
    assert inputs.read(ROOT, stack).rules


def test_a_service_that_is_not_there_is_refused_with_the_line_of_its_key(project: Path) -> None:
    line = edit(project / "Pulumi.dev.yaml", "platform: kind", "absentServices: [oder-service]\n    platform: kind")
    (found,) = refused(project)
    assert found.startswith(f"Pulumi.dev.yaml:{line}: {KEY} absentServices: 'oder-service' is not in services.yaml; ")
    assert found.endswith('did you mean "order-service"?')


def test_what_does_not_fit_together_is_refused_with_the_line_of_its_key(project: Path) -> None:
    line = edit(
        project / "Pulumi.dev.yaml", "platform: kind", "workloads: {grafana: {replicas: 2}}\n    platform: kind"
    )
    (found,) = refused(project)
    assert found.startswith(f"Pulumi.dev.yaml:{line}: {KEY} workloads.grafana.replicas must be 1")


def test_wrong_settings_and_services_are_refused_at_once(project: Path) -> None:
    edit(project / "Pulumi.dev.yaml", "platform: kind", "platform: kid")
    line = edit(project / "services.yaml", "port: 8080", "port: http")
    found = refused(project)
    assert [problem.partition(":")[0] for problem in found] == ["Pulumi.dev.yaml", "services.yaml"]
    assert found[1].startswith(f"services.yaml:{line}: services[0].port: 'http' expected a whole number")


def test_wrong_keys_and_values_of_a_stack_are_refused_at_once_in_the_order_of_the_file(project: Path) -> None:
    file = project / "Pulumi.dev.yaml"
    edit(file, "    platform: kind", "    platform: kid\n    retenton: {}")
    edit(file, "config:\n", f"config:\n  {PROJECT}:slackWebhokUrl: {{secure: v1}}\n")
    file.write_text(f"{file.read_text()}\n  {PROJECT}:smtpPassword: plain\n")
    found = [problem.split(" ")[:3] for problem in refused(project)]
    assert [words[1].removesuffix(":") for words in found] == [
        f"{PROJECT}:slackWebhokUrl",
        KEY,
        KEY,
        f"{PROJECT}:smtpPassword",
    ]
    assert [words[2] for words in found] == ["unknown", "platform:", "retenton:", "a"]
    lines = [int(words[0].split(":")[1]) for words in found]
    assert lines == sorted(lines)


def test_settings_in_place_of_a_stack_s_own_are_read_too(project: Path) -> None:
    (found,) = refused(project, instead={"escalation": {"warningAfter": "3h"}})
    assert "more than 25m" in found


@pytest.mark.parametrize("arguments", [["render", "--out", "out"], ["diff", "--base", "HEAD"]])
def test_no_engine_starts_for_input_that_is_wrong(
    arguments: list[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(project / "Pulumi.dev.yaml", "platform: kind", "absentServices: [oder-service]\n    platform: kind")
    monkeypatch.setattr(render, "rendered", None)
    monkeypatch.setattr(render, "compare", None)
    monkeypatch.chdir(project)
    command = [*arguments, "--stack", "dev", "--project", str(project)]
    done = CliRunner().invoke(render.main, command)
    assert done.exit_code == render.TROUBLE
    assert done.stderr.startswith("Error: Pulumi.dev.yaml:")
    assert done.stderr.count("oder-service") == 1


def test_a_difference_that_cannot_be_shown_says_of_which_side(monkeypatch: pytest.MonkeyPatch) -> None:
    def apart(_: str, project: Path, __: Path) -> subprocess.Popen[str]:
        code = "" if project == ROOT else "import sys; sys.exit('Error: no such thing')"
        return subprocess.Popen(
            [sys.executable, "-c", code], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        )

    monkeypatch.setattr(render, "_render_apart", apart)
    with pytest.raises(RehearsalError, match=r"^BASE=HEAD cannot be rendered: no such thing$"):
        render.compare("dev", "HEAD", ROOT)


def test_an_error_of_the_engine_is_left_to_who_reports_it() -> None:
    said: list[str] = []
    show = until_error(said.append)
    for line in ("Updating (dev):", "error: Program failed", "Traceback", "Resources:"):
        show(line)
    assert said == ["Updating (dev):"]


def test_a_key_that_nothing_reads_is_refused_by_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare `pulumi up` reads no file of ours."""
    config = f'{{"{KEY}": "{{}}", "order-processor-monitoring:retension": "3d", "aws:region": "x"}}'
    monkeypatch.setenv("PULUMI_CONFIG", config)
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    with pytest.raises(InvalidInputError) as error:
        load(pulumi.Config("order-processor-monitoring"), ROOT)
    assert error.value.problems[0].startswith("order-processor-monitoring:retension: unknown key; ")
    assert error.value.problems[0].endswith("; remove it with: pulumi config rm --stack dev retension")
    assert not any("aws:region" in problem for problem in error.value.problems)
    assert any("platform: missing" in problem for problem in error.value.problems)


def test_a_misspelt_secret_is_not_missing_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = json.dumps(documents.read(ROOT / "Pulumi.prod.yaml")["config"][KEY])
    secrets = {f"{PROJECT}:{key}": "x" for key in (*SECRET_KEYS[1:], f"{SECRET_KEYS[0]}s")}
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps({KEY: stack} | secrets))
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", lambda _: True)
    monkeypatch.setattr(pulumi, "get_stack", lambda: "prod")

    async def program() -> None:  # secrets are outputs, which need an event loop
        load(pulumi.Config(PROJECT), ROOT)

    with pytest.raises(InvalidInputError) as error:
        asyncio.run(program())
    assert [problem.partition(";")[0] for problem in error.value.problems] == [
        f"{PROJECT}:{SECRET_KEYS[0]}s: unknown key"
    ]
