"""Every command of the Makefile answers a file that cannot be read in words, also one that it reads while it starts."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from facts import ROOT

COMMANDS = {
    "benchmarks.dashboards": "services.yaml",
    "benchmarks.engine": "services.yaml",
    "benchmarks.logs_agents": "services.yaml",
    "benchmarks.logs_loss": "Pulumi.dev.yaml",
    "benchmarks.logs_search": "Pulumi.dev.yaml",
    "benchmarks.logs_throughput": "services.yaml",
    "benchmarks.rules": "Pulumi.prod.yaml",
    "checks.documentation": "alerts/services.yaml",
    "checks.drawings": "services.yaml",
    "checks.examples": "services.yaml",
    "checks.lint": "services.yaml",
    "checks.mirror --stack dev": "Pulumi.dev.yaml",
    "checks.mutation.mutate": "services.yaml",
    "drills": "services.yaml",
    "drills.soak --hours 1": "Pulumi.dev.yaml",
    "engine.render render --stack dev --out out": "services.yaml",
    "engine.render diff --stack dev --base HEAD": "alerts/services.yaml",
    "engine.chart_files -- dev": "Pulumi.dev.yaml",
    "engine.rule_files": "alerts/services.yaml",
    "incident --from 2h --stack dev": "Pulumi.dev.yaml",
    "rehearsal up": "events.yaml",
    "rehearsal.check_lines -- Makefile": "services.yaml",
    "review --stack dev": "Pulumi.dev.yaml",
    "verify --stack dev --context none": "services.yaml",
    "verify.preflight --stack dev --context none": "services.yaml",
    "verify.context -- dev": "Pulumi.dev.yaml",
    "verify.volumes --stack dev --context none": "services.yaml",
}
"""A file that each reads before it does anything else."""
READ_NO_INPUT = {
    "benchmarks.instrumentation",
    "checks.chart_keys",
    "checks.outdated",
    "checks.pythons",
    "engine.toolchain",
    "report",  # asks what runs
}


def test_every_command_is_tried() -> None:
    named = set(re.findall(r"\$\(PY\) -m ((?!pytest|pip|uv)[a-z_.]+)", (ROOT / "Makefile").read_text()))
    assert {command.split()[0] for command in COMMANDS} | READ_NO_INPUT == named


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The project with files of its own where people write, as each module finds it by `facts.ROOT`."""
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, tmp_path)
        elif path.name in ("docs", "checks"):  # which commands write to, or find themselves in
            shutil.copytree(path, tmp_path / path.name)
        elif not path.name.startswith(".") and path.name != "alerts":
            (tmp_path / path.name).symlink_to(path)
    shutil.copytree(ROOT / "alerts", tmp_path / "alerts")
    return tmp_path


@pytest.mark.parametrize(("command", "broken"), COMMANDS.items())
def test_a_file_that_cannot_be_read_is_named_and_no_traceback_shown(command: str, broken: str, tree: Path) -> None:
    (tree / broken).write_bytes(b"a: \xff\n")
    environment = os.environ | {"STATE": str(tree / "state"), "PORT_OFFSET": "0"}
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=tree, env=environment, capture_output=True, text=True, timeout=240
    )
    output = done.stdout + done.stderr
    assert done.returncode in (1, 2), output
    assert "Traceback" not in output
    assert output.count(f"{broken}:1: the byte 0xff is not UTF-8; save the file as UTF-8") == 1


@pytest.mark.parametrize(
    "command",
    [
        "benchmarks.dashboards --keep /dev/null/x",
        "benchmarks.logs_search --keep /dev/null/x",
        "engine.render render --stack dev --out /dev/null/x",
    ],
)
def test_a_directory_that_cannot_be_made_is_named_before_anything_starts(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (1, 2)
    assert "/dev/null/x: " in done.stderr
    assert "Not a directory" in done.stderr
    assert "…" not in done.stdout + done.stderr  # as all that begins to work says
    assert "Traceback" not in done.stderr
