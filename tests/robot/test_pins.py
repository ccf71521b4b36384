"""Renovate itself, without a network and a token, on this repository: what it would raise is every pin, once."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checks.outdated import ROBOT
from checks.pins import pins
from components.charts import CHARTS
from engine.npm import NODE
from engine.toolchain import tool
from facts import ROOT

NOT_PINS = {"golang", "replace", "github-runner", "requires-python", "uses-with"}
"""What it reads besides: the Go and Python that are needed at least, forks, and CI's machines."""
MANAGERS = set(json.loads(ROBOT.read_text())["enabledManagers"])


def renovate(name: str, *arguments: str, directory: Path = ROOT, **environment: str) -> str:
    """What a command of Renovate prints. It must succeed."""
    command = [NODE, str(tool("renovate") / "node_modules" / ".bin" / name), *arguments]
    done = subprocess.run(command, cwd=directory, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def extracted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """The files that each manager reads, with what it finds in them."""
    directory = tmp_path_factory.mktemp("renovate")
    report = directory / "report.json"
    options = ("--platform=local", "--onboarding=false", "--dry-run=extract", "--report-type=file")
    renovate("renovate", *options, f"--report-path={report}", RENOVATE_BASE_DIR=str(directory))
    found: dict[str, list[dict[str, Any]]] = json.loads(report.read_text())["repositories"]["local"]["packageFiles"]
    return found


def raised(extracted: dict[str, list[dict[str, Any]]]) -> Iterator[tuple[str, str, str, str]]:
    """What the robot may raise: source, name, version and file. A lower bound that is met is never raised."""
    for files in extracted.values():
        for file in files:
            for item in file["deps"]:
                version = (item.get("currentValue") or "").removeprefix("==")
                if item.get("enabled") is False or item.get("depType") in NOT_PINS or version.startswith(">="):
                    continue
                yield item["datasource"], item["depName"], version, file["packageFile"]


def test_the_configuration_is_valid() -> None:
    said = renovate("renovate-config-validator", "--strict", "--no-global")
    assert "Validating .github/renovate.json" in said


def test_a_wrong_configuration_is_refused(tmp_path: Path) -> None:
    wrong = json.loads(ROBOT.read_text()) | {"shedule": ["* 3-6 * * 1"]}
    (tmp_path / "renovate.json").write_text(json.dumps(wrong))
    with pytest.raises(AssertionError, match="shedule"):
        renovate("renovate-config-validator", "--strict", "--no-global", directory=tmp_path)


def test_every_pin_is_found_by_exactly_one_manager_and_nothing_else_is(
    extracted: dict[str, list[dict[str, Any]]],
) -> None:
    wanted = Counter((pin.source, pin.name, pin.version, pin.file) for pin in pins())
    found = Counter(raised(extracted))
    assert wanted - found == Counter(), "not found"
    assert found - wanted == Counter(), "found twice, or no pin"
    assert {name.replace("regex", "custom.regex") for name in extracted} == MANAGERS


def test_every_chart_is_looked_for_where_it_comes_from(extracted: dict[str, list[dict[str, Any]]]) -> None:
    found = {
        item["depName"]: item["registryUrls"]
        for file in extracted["regex"]
        for item in file["deps"]
        if item["datasource"] == "helm"
    }
    assert found == {chart.name: [chart.repository] for chart in CHARTS}


def test_every_action_is_pinned_by_a_commit(extracted: dict[str, list[dict[str, Any]]]) -> None:
    actions = [item for file in extracted["github-actions"] for item in file["deps"] if item["depType"] == "action"]
    assert actions
    assert [item["depName"] for item in actions if not item.get("currentDigest")] == []


def test_every_lock_is_written_with_its_requirements(extracted: dict[str, list[dict[str, Any]]]) -> None:
    locked = {name for files in extracted.values() for file in files for name in file.get("lockFiles") or []}
    assert locked == {
        *("requirements.txt", *(f"requirements/{path.name}" for path in ROOT.glob("requirements/*.txt"))),
        *(str(path.relative_to(ROOT)) for path in ROOT.glob("engine/tools/*/package-lock.json")),
    }
