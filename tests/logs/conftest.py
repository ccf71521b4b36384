"""One agent, Loki and Prometheus for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from benchmarks.loki import Loki
from checks.logs.pipeline import Container, Pipeline, json_line, pipeline


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A node with the agent on it."""
    with pipeline(tmp_path_factory.mktemp("logs") / "state") as running:
        yield running


@pytest.fixture
def deployed(node: Pipeline) -> Iterator[Loki]:
    """The Loki of that node, to be asked and sent lines to without the agent."""
    with httpx.Client(base_url=node.ports.url("loki"), timeout=60, trust_env=False) as client:
        yield Loki(client, node.state.data / "loki")


@pytest.fixture(scope="package")
def users(node: Pipeline) -> Container:
    """user-service, which has written a line: its counters are on their way while other tests run."""
    container = node.container("user-service")
    container.write(json_line(level="INFO", message="Started."))
    return container
