"""A real Prometheus takes new rules by a signal, and says so when it refuses them; nobody ends it by a request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from checks.free_ports import claim
from engine import toolchain
from local.errors import RehearsalError
from local.ports import Ports
from local.program import Program
from local.state import State
from rehearsal import health, reload
from rehearsal.supervisor import Supervisor

NAME = "prometheus"


class Running:
    """Prometheus alone, with one file of rules."""

    def __init__(self, directory: Path) -> None:
        self.ports: Ports = claim()
        self._rules = directory / "rules.yaml"
        self.write("up == 0")
        configuration = directory / "prometheus.yaml"
        configuration.write_text(yaml.safe_dump({"rule_files": [str(self._rules)]}))
        state = State(directory / "state")
        state.make()
        self.supervisor = Supervisor(state)
        toolchain.build([NAME])
        options = {
            "config.file": configuration,
            "storage.tsdb.path": directory / "data",
            "web.listen-address": self.ports.address(NAME),
        }
        command = [str(toolchain.tool(NAME)), *(f"--{name}={value}" for name, value in options.items())]
        self.supervisor.start([Program(NAME, command)])

    def write(self, expression: str) -> None:
        rule = {"alert": "Some", "expr": expression}
        self._rules.write_text(yaml.safe_dump({"groups": [{"name": "some", "rules": [rule]}]}))

    def reload(self) -> None:
        reload.reload(NAME, self.ports, self.supervisor)

    @property
    def rule(self) -> str:
        groups = health.get(f"{self.ports.url(NAME)}/api/v1/rules")["data"]["groups"]
        return str(groups[0]["rules"][0]["query"])


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    try:
        health.wait_for_processes([NAME], made.ports, made.supervisor)
        yield made
    finally:
        made.supervisor.stop()


def test_new_rules_are_in_force_once_it_returns(running: Running) -> None:
    for expression in ("up == 1", "up == 2"):
        running.write(expression)
        running.reload()
        assert running.rule == expression


def test_refused_rules_are_an_error_each_time_until_they_are_mended(running: Running) -> None:
    running.write("sum(")
    for _ in range(2):
        with pytest.raises(RehearsalError, match=r"prometheus refused its new configuration.*Error reloading config"):
            running.reload()
        assert running.rule == "up == 0"
    running.write("up == 3")
    running.reload()
    assert running.rule == "up == 3"


def test_no_request_ends_or_reloads_it(running: Running) -> None:
    for path in ("/-/quit", "/-/reload"):
        assert httpx.post(f"{running.ports.url(NAME)}{path}").status_code == httpx.codes.FORBIDDEN
    assert health.healthy(NAME, running.ports)
