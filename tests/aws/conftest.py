"""A rendering of the prod stack, and an account of moto's in which its objects are made."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto import mock_aws

from engine.render import read
from facts import ROOT
from settings import read_stack
from tests.aws.account import CALLS, Account

ROLE = "eks.amazonaws.com/role-arn"
"""The annotation by which EKS gives a service account a role."""


@dataclass(frozen=True)
class ServiceAccount:
    """A service account to which a chart gives a role."""

    namespace: str
    name: str
    role: str
    """Name of the role."""


@dataclass(frozen=True)
class Rendering:
    """What the stack deploys, by file."""

    files: dict[str, str]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The inputs of each object of a kind of AWS."""
        return [yaml.safe_load(text) for path, text in self.files.items() if path.startswith(f"{kind}/")]

    def values(self, release: str) -> dict[str, Any]:
        """The values of a chart."""
        document: dict[str, Any] = yaml.safe_load(self.files[f"Release/monitoring/{release}.values.yaml"])
        return document

    @property
    def service_accounts(self) -> list[ServiceAccount]:
        """Those whose annotation names a role."""
        found = []
        for path, text in self.files.items():
            if path.startswith("Release/") and ROLE in text:
                account = yaml.safe_load(text)["serviceAccount"]
                role = account["annotations"][ROLE].rpartition("/")[2]
                found.append(ServiceAccount(path.split("/")[1], account["name"], role))
        return found


@pytest.fixture(scope="session")
def rendering(tmp_path_factory: pytest.TempPathFactory) -> Rendering:
    """The prod stack, as `make render` writes it."""
    out: Path = tmp_path_factory.mktemp("rendering")
    command = [sys.executable, "-m", "engine.render", "render", "--stack", "prod", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True)
    return Rendering(read(out))


@pytest.fixture(scope="module")
def account(rendering: Rendering) -> Iterator[Account]:
    """An account with the stack's objects."""
    aws = read_stack(ROOT / "Pulumi.prod.yaml").aws
    assert aws is not None
    with mock_aws():
        account = Account(aws.region)
        recorded = {path.split("/")[0] for path in rendering.files if path.startswith("aws.")}
        for kind in [*CALLS, *(recorded - CALLS.keys())]:
            for inputs in rendering.of(kind):
                account.create(kind, inputs)
        yield account
