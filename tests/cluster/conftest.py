"""A control plane, and the objects that the stacks would deploy on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks import skeletons
from control_plane.network import NoNetworkError, PodNetwork, pod_network
from control_plane.plane import ControlPlane, control_plane
from engine.render import rendered
from engine.toolchain import tool
from facts import NAMESPACE, ROOT

NODES = 3
STACKS = ("dev", "prod")


@dataclass(frozen=True)
class Rendering:
    """What a stack would deploy, secrets masked; without what its charts make."""

    files: dict[str, str]

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The Kubernetes objects."""
        documents = [_load(text) for name, text in self.files.items() if not name.startswith(("Release/", "aws."))]
        return [document for document in documents if "kind" in document]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The objects of a kind."""
        return [item for item in self.objects if item["kind"] == kind]

    def release(self, name: str) -> dict[str, Any]:
        """The values of a Helm release."""
        return _load(self.files[f"Release/{NAMESPACE}/{name}.values.yaml"])


def _load(text: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
    return document


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PodNetwork | None]:
    """Where processes answer for pods; None where this user may not make a network namespace."""
    try:
        with pod_network(tmp_path_factory.mktemp("network")) as made:
            yield made
    except NoNetworkError:
        yield None


@pytest.fixture
def pods_answer(network: PodNetwork | None) -> PodNetwork:
    """The network, for tests in which something must answer for a pod."""
    return network or pytest.skip("something must answer for pods, and this user may not make a network namespace")


@pytest.fixture(scope="session")
def running(network: PodNetwork | None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with three nodes, one for all tests since its start takes seconds."""
    with control_plane(tmp_path_factory.mktemp("plane"), node_count=NODES, network=network) as started:
        yield started


@pytest.fixture(scope="module")
def plane(running: ControlPlane) -> ControlPlane:
    """The control plane, with nothing on it when a module of tests begins; what the last one leaves ends with it."""
    running.clear()
    return running


@pytest.fixture(scope="session")
def definitions() -> list[Path]:
    """The files of the operator's resource definitions, of the version that the stack deploys."""
    return sorted(tool("prometheus-operator").parent.glob("monitoring.coreos.com_*.yaml"))


@pytest.fixture(scope="session")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of every pinned chart, as `charts.location` wants them: skeletons, or the real ones of `CHARTS`."""
    return skeletons.directory(tmp_path_factory.mktemp("charts"))


@pytest.fixture(scope="session")
def stacks() -> dict[str, Rendering]:
    """What each stack would deploy."""
    return {stack: Rendering(rendered(stack, ROOT)) for stack in STACKS}


def apply_definitions(plane: ControlPlane, files: list[Path]) -> None:
    """Apply the operator's resource definitions, and wait until the API server serves them."""
    plane.kubectl("apply", "--server-side", *(f"--filename={path}" for path in files))
    plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
