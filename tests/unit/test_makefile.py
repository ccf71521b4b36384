"""The parts of `make test`: together they are all tests, and none is in two of them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from facts import ROOT

APART = ("tests/signals/", "tests/cluster/", "tests/robot/", "tests/traces/")
"""Folders that have targets of their own beside `make test`."""


def test_every_file_of_tests_is_in_exactly_one_part() -> None:
    command = ["make", "--dry-run", "test"]
    dry = subprocess.run(command, cwd=ROOT, env=alone(), capture_output=True, text=True, check=True).stdout
    runs = [line for line in dry.replace("\\\n", " ").splitlines() if " -m pytest " in line]
    parts = [files(shlex.split(line.partition(" -m pytest ")[2])) for line in runs]
    tests = {
        str(path.relative_to(ROOT))
        for path in [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("instrumentation/tests/**/test_*.py")]
    }
    assert Counter(file for part in parts for file in part) == Counter(
        file for file in tests if not file.startswith(APART)
    )


def files(arguments: list[str]) -> list[str]:
    """The files that pytest runs with these arguments."""
    chosen, left_out = set[str](), set[str]()
    waiting = iter(arguments)
    for argument in waiting:
        if argument.startswith("--random-order"):
            next(waiting)
        elif argument == "--ignore":
            left_out |= below(next(waiting))
        elif not argument.startswith("-"):
            chosen |= below(argument)
    return sorted(chosen - left_out)


def below(name: str) -> set[str]:
    path = ROOT / name
    assert path.exists(), f"{name}: there is no such file"
    found: list[Path] = [path] if path.is_file() else [*path.rglob("test_*.py")]
    return {str(file.relative_to(ROOT)) for file in found}


def test_ci_runs_lint_and_every_part_by_its_name() -> None:
    makefile, workflow = (ROOT / "Makefile").read_text(), ROOT / ".github" / "workflows" / "ci.yml"
    listed = re.findall(r"^(?:PARTS|LAST) := ((?:.*\\\n)*[^#\n]*)", makefile, re.MULTILINE)
    parts = " ".join(listed).replace("\\\n", " ").split()
    run = yaml.safe_load(workflow.read_text())["jobs"]["checks"]["strategy"]["matrix"]["target"]
    assert sorted(run) == sorted(["lint", *parts, "test-robot", "test-signals", "test-traces"])


def alone() -> dict[str, str]:
    """The environment without that of the make that runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}


def refused(*arguments: str) -> str:
    done = subprocess.run(["make", "--dry-run", *arguments], cwd=ROOT, env=alone(), capture_output=True, text=True)
    assert done.returncode == 2
    return done.stderr


def test_a_variable_or_a_target_that_is_a_letter_off_is_refused() -> None:
    told = refused("up", "PORTOFFSET=10000")
    assert "PORTOFFSET=10000: unknown variable; expected one of" in told
    assert 'did you mean "PORT_OFFSET"?' in told
    done = subprocess.run(["make", "stauts"], cwd=ROOT, env=alone(), capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("make stauts: unknown target; expected one of ")
    assert 'did you mean "status"?' in done.stderr


@pytest.mark.parametrize("given", ["NAME=", "NAME= ", "NAME:=", "NAME=$(nothing)"])
def test_an_empty_variable_is_refused_and_not_taken_for_all(given: str) -> None:
    assert "NAME= is empty; give it a value, or leave it out" in refused("drill", given)


def test_every_variable_that_is_known_is_refused_where_it_is_empty() -> None:
    (listed,) = re.findall(r"^VARIABLES := (.*)", (ROOT / "Makefile").read_text().replace("\\\n", " "), re.MULTILINE)
    for name in listed.split():
        assert f"{name}= is empty" in refused("help", f"{name}=")


def test_every_variable_that_is_used_or_documented_is_known() -> None:
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    (listed,) = re.findall(r"^VARIABLES := (.*)", makefile, re.MULTILINE)
    known = listed.split()
    assert known == sorted(known)
    own = set(re.findall(r"^([A-Z]+) :?= ", makefile, re.MULTILINE))
    used = set(re.findall(r"\$\((?:origin )?([A-Z_]+)\)", makefile)) - own - {"MAKE", "MAKEFILE_LIST", "MAKECMDGOALS"}
    pages = {*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")} - {ROOT / "CHANGELOG.md"}
    calls = [call for page in pages for call in re.findall(r"make [a-z-]+(?: [A-Z_]+=\S+)+", page.read_text())]
    documented = {name for call in calls for name in re.findall(r" ([A-Z_]+)=", call)}
    assert {"STACK", "PORT_OFFSET"} <= used | documented
    assert sorted((used | documented) - set(known)) == []


def test_numbers_that_make_itself_takes_are_refused_before_it_begins() -> None:
    assert "JOBS=x: expected a whole number from 1 to 64" in refused("test", "JOBS=x")
    assert "WORKERS=-1: expected auto, or a whole number from 0 to 64" in refused("test-unit", "WORKERS=-1")


def test_what_is_typed_is_read_before_tools_are_built() -> None:
    """Building them takes most of an hour at first: no target with variables waits for them and then refuses one."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    targets = re.findall(r"^([a-z-]+):([^\n]*?)##[^\n]*\n((?:\t[^\n]*\n)+)", makefile, re.MULTILINE)
    taking = {name: needs.split() for name, needs, recipe in targets if re.search(r'"\$\([A-Za-z]', recipe)}
    assert {"drill", "mutate", "soak", "check-lines", "bench-rules"} <= taking.keys()
    assert [name for name, needs in taking.items() if "tools" in needs] == []


def deploying(target: str) -> list[str]:
    """What a target runs that names the cluster or the engine."""
    command = ["make", "--dry-run", target, "STACK=prod", "CONTEXT=mine"]
    dry = subprocess.run(command, cwd=ROOT, env=alone(), capture_output=True, text=True, check=True).stdout
    lines = [line for line in dry.splitlines() if re.search(r"verify\.(context|volumes)|^pulumi|-m verify ", line)]
    return [line.split(" >")[0].strip() for line in lines]


@pytest.mark.parametrize("target", ["preview", "deploy", "drift", "destroy"])
def test_without_its_cli_nothing_is_built_or_read(target: str, tmp_path: Path) -> None:
    for program in ("make", "seq"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    command = ["make", target, "STACK=prod", "CONTEXT=mine", "PYTHON=no-python"]
    path = {"PATH": str(tmp_path)}
    done = subprocess.run(command, cwd=ROOT, env=alone() | path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("pulumi is not on PATH")
    assert "docs/deploying.md (Before the first time)" in done.stderr
    assert "## Before the first time" in (ROOT / "docs" / "deploying.md").read_text()


@pytest.mark.parametrize("target", ["preview", "deploy"])
def test_another_context_is_refused_before_the_policies_are_built(target: str) -> None:
    command = ["make", "--dry-run", "--what-if=requirements/policies.txt", "--old-file=.venv/.ready", target]
    dry = subprocess.run(command, cwd=ROOT, env=alone(), capture_output=True, text=True, check=True).stdout
    assert 0 <= dry.index("-m verify.context") < dry.index("-m engine.chart_files") < dry.index("policies/.venv")


def test_destroy_checks_the_context_and_lets_the_preview_refuse() -> None:
    """Without its preview, `pulumi destroy` removes all that is not protected before it refuses."""
    assert deploying("destroy") == [
        '.venv/bin/python -m verify.context -- "prod" "mine"',
        'pulumi destroy --stack "prod"',
    ]


def test_drift_is_looked_for_in_the_cluster_not_in_the_state() -> None:
    """Without a refresh, Pulumi compares the program with what it remembers; it never looks into a Helm release."""
    context, preview, verify = deploying("drift")
    assert context == '.venv/bin/python -m verify.context -- "prod" "mine"'
    assert {"--refresh", "--expect-no-changes"} <= set(preview.split())
    assert '-m verify --stack "prod"' in verify


def test_deploy_compares_the_volumes_before_pulumi_changes_anything() -> None:
    context, volumes, up, verify = deploying("deploy")
    assert context.endswith('verify.context -- "prod" "mine"')
    assert "verify.volumes" in volumes
    assert up == 'pulumi up --policy-pack policies --stack "prod"'
    assert '-m verify --stack "prod"' in verify


@pytest.mark.parametrize("target", ["preflight", "verify"])
def test_what_only_reads_takes_the_context_that_is_given(target: str) -> None:
    assert any('verify.context --reads -- "prod" "mine"' in line for line in deploying(target))


@pytest.mark.parametrize(("target", "stack"), [("up", "prod"), ("fault", "staging"), ("down", "eks")])
def test_the_rehearsal_is_of_no_other_stack(target: str, stack: str) -> None:
    command = ["make", "--dry-run", target, f"STACK={stack}"]
    refused = subprocess.run(command, cwd=ROOT, env=alone(), capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert f"STACK={stack}: the rehearsal is always of the dev stack" in refused.stderr
    assert not subprocess.run(
        [*command[:-1], "STACK=dev"], cwd=ROOT, env=alone(), capture_output=True, check=True
    ).stderr


def test_help_fits_a_terminal() -> None:
    shown = subprocess.run(["make", "help"], cwd=ROOT, env=alone(), capture_output=True, text=True, check=True).stdout
    assert max(map(len, shown.splitlines())) <= 100
    assert "  make bench-instrumentation What instrumentation/ costs" in shown
