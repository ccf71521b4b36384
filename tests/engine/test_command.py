"""The engine from the command line."""

from __future__ import annotations

import yaml

from tests.engine.conftest import CANARIES, Sandbox


def test_an_unknown_stack_is_named_with_the_known_ones(small: Sandbox) -> None:
    process = small.python("rehearsal.engine", "preview", "--stack", "staging")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Pulumi.staging.yaml: there is no such stack; the project has: dev, prod" in errors


def test_secrets_come_from_a_file(small: Sandbox) -> None:
    secrets = small.root / "secrets.yaml"
    secrets.write_text(yaml.safe_dump(CANARIES))
    options = ["--stack", "dev", "--state", str(small.state), "--secrets", str(secrets)]
    process = small.python("rehearsal.engine", "preview", *options)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "+ 42 to create" in output
