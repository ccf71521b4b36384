"""Configuration that is kept aside: the rehearsal's own settings and secrets, beside what the project says."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from engine.command import Command
from engine.configuration import Aside
from local.errors import RehearsalError
from settings import KEY
from tests.engine.conftest import SMALL_SECRETS
from tests.sandbox import Sandbox, files

ELSEWHERE = """\
  order-processor-monitoring:heartbeatUrl: { secure: v1:bm93aGVyZQ==:bm90aGluZw== }
encryptionsalt: v1:bm93aGVyZQ==:v1:bm90aGluZw==:bm90aGluZw==
"""
"""What `pulumi config set --secret` leaves in the file of a stack that was deployed somewhere else."""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Every command line from here on."""
    run, seen = Command.run, list[list[str]]()

    def noted(command: Command, arguments: list[str], *others: object) -> str:
        seen.append(arguments)
        return run(command, arguments, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(Command, "run", noted)
    return seen


def test_settings_reach_the_program_beside_the_projects_own(small: Sandbox) -> None:
    small.edit("Pulumi.dev.yaml", "{things: 40}", "{things: 40, cluster: dev}")
    few = dataclasses.replace(small, aside=Aside({KEY: {"things": 2}}, SMALL_SECRETS))
    expected = ["Thing/default/hidden", "Thing/default/thing-0", "Thing/default/thing-1"]
    assert list(few.do("up").objects) == expected
    written = yaml.safe_load((small.state / "engine" / "workspace" / "Pulumi.dev.yaml").read_text())
    assert written["config"][KEY] == {"things": 2, "cluster": "dev"}
    assert len(small.do("up").objects) == 41


def test_the_project_is_only_read_and_values_encrypted_for_somewhere_else_stay_out(small: Sandbox) -> None:
    (small.project / "Pulumi.dev.yaml").write_text(f"config:\n  {KEY}: {{things: 1}}\n{ELSEWHERE}")
    before = files(small.project)
    assert not small.do("up").error
    assert files(small.project) == before
    assert "bm93aGVyZQ==" not in (small.state / "engine" / "workspace" / "Pulumi.dev.yaml").read_text()


def test_secrets_are_set_when_they_change_and_never_by_a_command_line(
    small: Sandbox, commands: list[list[str]]
) -> None:
    def set_by(secrets: dict[str, str]) -> list[str]:
        commands.clear()
        assert not dataclasses.replace(small, aside=Aside(secrets=secrets)).do("up").error
        told = str(commands)
        assert not [value for value in secrets.values() if value in told]
        return [line[line.index("set") + 1] for line in commands if "set" in line]

    assert set_by(SMALL_SECRETS) == ["slackWebhookUrl"]
    assert set_by(SMALL_SECRETS) == []
    assert set_by(SMALL_SECRETS | {"heartbeatUrl": "canary-of-another-time"}) == ["heartbeatUrl"]
    assert set_by({"slackWebhookUrl": "changed"}) == ["slackWebhookUrl"]
    assert (small.cluster / "Thing" / "default" / "hidden.yaml").read_text().endswith("url: changed\n")


def test_an_unknown_stack_is_named_with_the_known_ones(small: Sandbox) -> None:
    with pytest.raises(RehearsalError, match=r"Pulumi\.staging\.yaml: there is no such stack; the project has: dev"):
        small.engine.preview("staging")
