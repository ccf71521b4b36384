"""`make outdated`: what is newer, what is held and why, and the exit code when registries do not answer."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner

from checks import outdated
from checks.outdated import ROBOT, NotAskedError, held, is_newer
from checks.pins import Pin, modules, pins

GO_MOD = """module tools/example

go 1.26

tool (
\texample.com/engine/v3/cmd/run
\texample.com/engine/v3/cmd/check
)

replace example.com/fork => example.com/other v0.1.0

require example.com/library v1.2.0

require (
\texample.com/engine v0.9.0 // indirect
\texample.com/engine/v3 v3.4.5 // indirect
\texample.com/unrelated v1.0.0 // indirect
)
"""


def test_of_a_module_what_is_imported_and_what_is_built_are_pins() -> None:
    assert modules(GO_MOD) == {"example.com/library": "v1.2.0", "example.com/engine/v3": "v3.4.5"}


@pytest.mark.parametrize(
    ("version", "pinned", "newer"),
    [("1.10.0", "1.9.0", True), ("v3.7.8", "3.7.8", False), ("1.0", "1.0.1", False), ("2", "1.9", True)],
)
def test_versions_are_compared_by_their_numbers(version: str, pinned: str, newer: bool) -> None:
    assert is_newer(version, pinned) is newer


def test_what_the_robot_leaves_alone_is_held_with_its_reason() -> None:
    rules = json.loads(ROBOT.read_text())["packageRules"]
    reasons = {(pin.name, pin.file): held(pin, rules) for pin in pins()}
    assert reasons["k8s.io/kubernetes", "engine/tools/kubernetes-1.34/go.mod"] == "the oldest Kubernetes that is tried"
    assert reasons["k8s.io/kubernetes", "engine/tools/kubernetes/go.mod"] == ""
    assert reasons["github.com/grafana/loki/v3", "engine/tools/loki/go.mod"] == ""  # only its forks are
    assert reasons["fastapi", "requirements/lowest.in"]
    assert not reasons["fastapi", "pyproject.toml"]


def refused(_: Pin) -> str:
    raise NotAskedError("no route to host")


@pytest.mark.parametrize(
    ("registry", "code", "said"),
    [
        (lambda pin: pin.version, outdated.NEWEST, "newest    npm         react 1.0 (package.json)"),
        (lambda _: "1.1", outdated.OUTDATED, "outdated  npm         react 1.0 -> 1.1 (package.json)"),
        (refused, outdated.UNKNOWN, "unknown   npm         react 1.0 -> no route to host (package.json)"),
    ],
)
def test_the_exit_code_says_what_is_known(
    registry: Callable[[Pin], str], code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = Pin(source="npm", name="react", version="1.0", file="package.json")
    monkeypatch.setattr(outdated, "pins", lambda: [pin])
    monkeypatch.setattr(outdated, "REGISTRIES", {"npm": registry})
    result = CliRunner().invoke(outdated.main)
    assert (result.exit_code, result.output.splitlines()[0]) == (code, said)


def test_a_registry_that_cannot_be_reached_is_said_in_the_row() -> None:
    with pytest.raises(NotAskedError, match="No such file"):
        outdated._output("no-such-client")
    with pytest.raises(NotAskedError, match="unable to access"):
        outdated._output("git", "ls-remote", "http://127.0.0.1:9/nothing")
