"""The Python language host: what it makes of Pulumi.yaml, and how it tells what goes wrong."""

from __future__ import annotations

import dataclasses
import json

from engine.configuration import Aside
from tests.sandbox import Sandbox

OPTION = "    virtualenv: .venv\n"


def test_a_failed_type_check_ends_the_run_before_the_programs_first_line(small: Sandbox) -> None:
    small.edit("Pulumi.yaml", OPTION, f"{OPTION}    typechecker: mypy\n")
    (small.project / "unused.py").write_text('number: int = "one"\n')
    (small.project / "__main__.py").write_text("from pathlib import Path\nPath('begun').touch()\n")
    failed = small.do("preview")
    assert "mypy failed: exit status 1" in failed.error
    assert any("Incompatible types in assignment" in line for line in failed.output)
    assert not (small.project / "begun").exists()
    (small.project / "unused.py").write_text("number: int = 1\n")
    assert not small.do("preview").error
    assert (small.project / "begun").exists()


def test_a_type_checker_that_is_not_installed_is_named(small: Sandbox) -> None:
    small.edit("Pulumi.yaml", OPTION, f"{OPTION}    typechecker: pyright\n")
    assert "The typechecker option is set to pyright, but pyright is not installed" in small.do("preview").error


def test_a_missing_virtual_environment_is_named(small: Sandbox) -> None:
    small.edit("Pulumi.yaml", ".venv", "nowhere")
    error = small.do("preview").error
    assert "virtualenv" in error
    assert str(small.project / "nowhere") in error


def test_a_program_that_fails_is_shown_by_its_own_lines(small: Sandbox) -> None:
    (small.project / "__main__.py").write_text("raise LookupError('no such thing')\n")
    error = small.do("preview").error
    assert "line 1, in <module>" in error
    assert "LookupError: no such thing" in error
    assert "runpy" not in error


def test_what_the_program_says_is_wrong_is_told_alone(small: Sandbox) -> None:
    (small.project / "__main__.py").write_text("import pulumi\nraise pulumi.RunError('choose a name')\n")
    assert small.do("preview").error == "preview of stack dev failed:\nchoose a name"


def test_the_program_knows_what_the_engine_passes_on(small: Sandbox) -> None:
    (small.project / "__main__.py").write_text(
        """
import json, os, sys, pulumi
from pulumi.runtime import is_config_secret
facts = [pulumi.get_project(), pulumi.get_stack(), pulumi.get_organization(), pulumi.runtime.is_dry_run(),
         pulumi.runtime.get_root_directory(), os.getcwd(), sys.prefix,
         is_config_secret("order-processor-monitoring:slackWebhookUrl"),
         is_config_secret("order-processor-monitoring:stack")]
print("facts", json.dumps(facts))
"""
    )
    project = str(small.project)
    for operation, is_dry_run in (("preview", True), ("up", False)):
        (line,) = {text.partition("facts ")[2] for text in small.do(operation).output if "facts [" in text}
        expected = [
            "order-processor-monitoring",
            "dev",
            "organization",
            is_dry_run,
            project,
            project,
            f"{project}/.venv",
            True,
            False,
        ]
        assert json.loads(line) == expected


def test_a_program_needs_no_configuration(small: Sandbox) -> None:
    (small.project / "__main__.py").write_text("import pulumi\npulumi.export('is', pulumi.Config().get('nothing'))\n")
    (small.project / "Pulumi.dev.yaml").write_text("config: {}\n")
    assert not dataclasses.replace(small, aside=Aside()).do("preview").error
