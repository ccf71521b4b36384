"""Services that are added as CONTRIBUTING.md says, in a copy of the project: no test has to be changed for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import catalogue as catalogues
from facts import ROOT
from tests.tree import copy_tree

MOST = 12
"""How many services the catalogue then has."""
TESTS = (
    "tests/contract/test_drawn.py::test_every_panel_of_both_stacks_reads_well",
    "tests/contract/test_examples.py",
    "tests/unit/test_catalogue.py",
)
"""Those that look at each service of the catalogue, and once knew six of them."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy whose catalogue has more services, which the rehearsal does not simulate."""
    copy = copy_tree(tmp_path / "project")
    there = len(catalogues.load(ROOT / "services.yaml").services)
    added = [
        {
            "name": f"added-{number}-service",
            "prefix": f"added_{number}",
            "port": 9000 + number,
            "metricsPath": "/internal/metrics",
            "requires": ["dynamodb"],
            "uses": ["redis"],
            "routes": [f"/added-{number}/", f"/added-{number}/{{added_id}}"],
        }
        for number in range(MOST - there)
    ]
    with (copy / "services.yaml").open("a") as file:
        file.write("".join(f"  {line}\n" for line in yaml.safe_dump(added).splitlines()))
    return copy


def test_tests_pass_with_more_services(project: Path) -> None:
    assert python(project, "checks.examples") == ""
    assert python(project, "pytest", "-q", "-p", "no:cacheprovider", *TESTS) == ""


def python(project: Path, *arguments: str) -> str:
    """What a module of the copy says if it fails."""
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=project, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr if done.returncode else ""
