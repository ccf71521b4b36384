"""Starts that do not succeed: nothing may be left of them."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from checks.free_ports import claim
from checks.waiting import PATIENCE_SECONDS, eventually
from local.ports import SERVICES, Ports
from tests.rehearsal.running import Running, up
from tests.tree import copy_tree


class TestStarting:
    """Starts that do not succeed, in a directory and on ports of their own."""

    @pytest.fixture
    def fresh(self, tmp_path: Path) -> Iterator[Running]:
        started = Running(copy_tree(tmp_path), claim())
        yield started
        started.run("down")  # a failure here must not take the ports from the next test

    def test_a_port_in_use_is_named_with_its_remedy(self, fresh: Running) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", fresh.ports["loki"]))
            taken.listen()
            code, output = fresh.run("up")
        assert code == 1
        assert f"ports in use on this machine: {fresh.ports['loki']} (loki)" in output
        assert "PORT_OFFSET=" in output
        assert "Traceback" not in output
        assert fresh.processes() == []

    @pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    def test_an_interrupted_start_leaves_nothing_running(self, fresh: Running, sent: signal.Signals) -> None:
        starting = fresh.start("up")
        try:
            eventually((fresh.project / ".rehearsal" / "supervisord.pid").exists, what="the supervisor starts")
            starting.send_signal(sent)
            output, _ = starting.communicate(timeout=PATIENCE_SECONDS)
        finally:
            starting.kill()
        assert starting.returncode == (-signal.SIGKILL if sent == signal.SIGKILL else 130), output
        eventually(lambda: not fresh.processes(), what=f"still alive: {fresh.processes()}")

    def test_a_process_that_cannot_work_fails_the_start_and_names_its_log(self, fresh: Running) -> None:
        module = fresh.project / "simulation" / "exporters" / "cluster.py"
        module.write_text('raise SystemExit("broken on purpose")\n')
        code, output = fresh.run("up")
        assert code == 1
        assert "exporters does not answer" in output
        assert "log/exporters.log" in output
        assert fresh.processes() == []


def test_offsets_that_leave_the_range_of_ports_are_refused(tmp_path: Path) -> None:
    code, output = Running(copy_tree(tmp_path), Ports(60000)).run("status")
    assert code == 1
    assert "PORT_OFFSET=60000: expected a whole number from 0 to" in output


def another_application(running: Running) -> None:
    """A service more, as CONTRIBUTING.md's "Adding a service" says, and one that the cluster does not run."""
    services = running.project / "services.yaml"
    added = "  - { name: refund-service, prefix: refund, port: 8007 }"
    services.write_text(f"{services.read_text().rstrip()}\n{added}\n")
    stack = running.project / "Pulumi.dev.yaml"
    stack.write_text(stack.read_text().replace("# absentServices:", "absentServices:"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with up(tmp_path_factory.mktemp("other"), another_application) as started:
        yield started


def test_what_is_not_simulated_or_absent_is_neither_watched_nor_missed(other: Running) -> None:
    watched = {item["metric"]["service"] for item in other.query("service:expected:info")}
    assert watched == SERVICES.keys() - {"insights-service"}
    assert other.query('ALERTS{alertname=~"Service.*|Target.*"}') == []
    code, output = other.run("status")
    assert code == 0, output
    assert "insights-service" not in output


def test_customers_ask_for_nothing_of_what_is_absent(other: Running) -> None:
    def asked() -> bool:
        return bool(other.get("load", "/counts")["answered"] > 200)

    eventually(asked, what="customers are there")
    assert "insights-service" not in other.get("load", "/counts")["responses"]


def test_the_start_says_what_it_leaves_out(other: Running) -> None:
    code, output = other.run("up")
    assert code == 0
    assert "left out, as nothing simulates it: refund-service" in output
