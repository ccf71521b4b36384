"""The workflows: who gets credentials, for what, and whether `make lint` would notice a weakness."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks.lint import WORKFLOWS, zizmor

FILES = sorted(WORKFLOWS.glob("*.yml"))
IN_FORKS = "github.event.pull_request.head.repo.full_name == github.repository"


def document(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(path.read_text(), Loader=yaml.CBaseLoader)  # noqa: S506 - it makes nothing but texts
    return found


JOBS = [(path.name, name, job) for path in FILES for name, job in document(path)["jobs"].items()]


def test_each_action_is_pinned_to_a_commit() -> None:
    """A tag can be moved to other code, which would have the credentials of the workflow."""
    used = [line.partition("uses:")[2].strip() for path in FILES for line in path.read_text().splitlines()]
    used = [action for action in used if action]
    assert used
    assert [action for action in used if not re.match(r"[\w/.-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+(;|$)", action)] == []


def test_one_action_has_one_version_in_all_workflows() -> None:
    pins = set(re.findall(r"uses: ([\w-]+/[\w-]+)[\w/-]*@(\w+)", "".join(path.read_text() for path in FILES)))
    assert len(pins) == len({action for action, _ in pins})


@pytest.mark.parametrize(("file", "job"), [(file, job) for file, _, job in JOBS], ids=[f"{f}:{n}" for f, n, _ in JOBS])
def test_credentials_are_behind_an_environment_and_never_a_forks(file: str, job: dict[str, Any]) -> None:
    text = str(job)
    credentials = "secrets." in text or "id-token" in text or "role-to-assume" in text
    assert ("environment" in job) == credentials
    assert not credentials or "pull_request" not in document(WORKFLOWS / file)["on"] or job["if"] == IN_FORKS


def test_nothing_writes_to_the_repository() -> None:
    granted = [document(path).get("permissions", {}) for path in FILES]
    granted += [job.get("permissions", {}) for *_, job in JOBS]
    rights = {(right, access) for permissions in granted for right, access in permissions.items()}
    assert rights == {("contents", "read"), ("id-token", "write")}


def test_every_pull_request_has_the_difference_in_every_stack() -> None:
    job = document(WORKFLOWS / "preview.yml")["jobs"]["difference"]
    assert "if" not in job
    assert set(job["strategy"]["matrix"]["stack"]) == {"dev", "prod"}
    assert "engine.render diff --markdown" in str(job["steps"])


def test_the_heartbeat_of_the_drift_is_sent_last_and_only_after_success() -> None:
    workflow = document(WORKFLOWS / "drift.yml")
    *before, heartbeat = workflow["jobs"]["drift"]["steps"]
    assert "schedule" in workflow["on"]
    assert "$HEARTBEAT_URL" in heartbeat["run"]
    assert "--fail" in heartbeat["run"]
    assert "if" not in heartbeat, "by default a step runs after success alone"
    assert [step["run"] for step in before if "make" in step.get("run", "")] == ["make .venv/.ready", "make drift"]
    assert not any("continue-on-error" in step for step in before)


WEAKNESSES = {
    "artipacked": (r"persist-credentials: false", "persist-credentials: true"),
    "unpinned-uses": (r"(actions/checkout)@\w+", r"\1@v7"),
    "template-injection": (r'make "\$TARGET"', "make ${{ github.head_ref }}"),
    "excessive-permissions": (r"permissions: \{ contents: read \}", "permissions: write-all"),
    "dangerous-triggers": (r"pull_request:", "pull_request_target:"),
}
"""Mistakes in ci.yml by the audit of zizmor that is there for them."""


@pytest.mark.parametrize("audit", WEAKNESSES)
def test_lint_notices_a_weakness(audit: str, tmp_path: Path) -> None:
    pattern, replacement = WEAKNESSES[audit]
    text, count = re.subn(pattern, replacement, (WORKFLOWS / "ci.yml").read_text())
    assert count, f"nothing matches {pattern}"
    (weak := tmp_path / "ci.yml").write_text(text)
    done = subprocess.run(zizmor([weak]), capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert f"[{audit}]" in done.stdout + done.stderr
