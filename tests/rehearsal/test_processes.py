"""The programs of the rehearsal as processes, and the stand-in for the container runtime that runs them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from checks.waiting import PATIENCE_SECONDS, eventually
from facts import ROOT
from rehearsal.supervisor import STOP_SECONDS
from simulation.application.container import PART_BYTES, CriLog, Stream
from simulation.dialect import DEFAULT, DIALECTS, TODAY
from tests.rehearsal.processor import (
    MARKET_BUY,
    STALL_SECONDS,
    get_json,
    resident_mib,
    run,
    running,
    running_services,
    started,
)


class TestContainer:
    """The stand-in for the container runtime: format, parts, rotation, signals."""

    LINE = re.compile(rb"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([FP]) (.*)$")

    def entries(self, *files: Path) -> list[tuple[bytes, ...]]:
        lines = [line for file in files for line in file.read_bytes().splitlines()]
        return [match.groups() for line in lines if (match := self.LINE.match(line))]

    def keep(self, log: Path, *chunks: bytes, max_size: int = 10**9, max_files: int = 1000) -> None:
        """Write chunks of standard output to a log, as if a command had written them."""
        with closing(CriLog(log, max_size, max_files)) as file:
            stream = Stream("stdout", file)
            for chunk in chunks:
                stream.feed(chunk)
            stream.close()

    def test_long_lines_are_cut_at_16_kib_and_join_again(self, tmp_path: Path) -> None:
        log = tmp_path / "0.log"
        exact, long = b"e" * PART_BYTES, b"x" * PART_BYTES * 2 + b"tail "
        self.keep(log, exact[:9000], exact[9000:] + b"\n" + long[:20_000], long[20_000:] + b"\nlast", b" words")
        entries = self.entries(log)
        assert [tag for _, tag, _ in entries] == [b"F", b"P", b"P", b"F", b"F"]
        assert entries[0][2] == exact
        assert b"".join(text for _, _, text in entries[1:4]) == long
        assert entries[4][2] == b"last words"

    def test_rotation_by_size_keeps_every_line_in_order(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        log = tmp_path / "pod" / "0.log"
        seconds = iter(range(10_000))  # a new name for each rotation, without waiting for the clock
        stamp = lambda _file: f"{log}.20261123-{next(seconds):06d}"  # noqa: E731
        monkeypatch.setattr(CriLog, "rotated_name", stamp)
        self.keep(log, b"".join(b"line %d\n" % number for number in range(1000)), max_size=2000)
        rotated = sorted(log.parent.glob("0.log.*"))
        assert len(rotated) > 10
        assert all(re.fullmatch(r"0\.log\.\d{8}-\d{6}", file.name) for file in rotated)
        assert all(file.stat().st_size <= 2100 for file in rotated)
        texts = [text for _, _, text in self.entries(*rotated, log)]
        assert texts == [b"line %d" % number for number in range(1000)]

    def test_rotation_within_one_second_overwrites_nothing(self, tmp_path: Path) -> None:
        log = tmp_path / "0.log"
        self.keep(log, b"".join(b"line %d\n" % number for number in range(200)), max_size=100)
        rotated = sorted(tmp_path.glob("0.log.*"))
        assert 1 <= len(rotated) <= 3
        assert len(self.entries(*rotated, log)) == 200

    def test_only_max_files_are_kept(self, tmp_path: Path) -> None:
        for number in range(4):
            (tmp_path / f"0.log.20200101-00000{number}").write_bytes(b"old\n")
        self.keep(tmp_path / "0.log", b"a line\n", max_size=10, max_files=3)
        assert len(list(tmp_path.iterdir())) == 3
        assert not (tmp_path / "0.log.20200101-000000").exists()

    def test_lines_are_seen_at_once_and_the_last_ones_survive_sigterm(self, tmp_path: Path) -> None:
        log = tmp_path / "0.log"
        program = """
            import signal, sys
            def goodbye(*_):
                sys.stderr.write("one more\\n" * 1000); sys.stderr.write("the end"); sys.exit(7)
            signal.signal(signal.SIGTERM, goodbye)
            print("ready", flush=True)
            while True: signal.pause()
        """
        wrapper = contained(log, program)
        try:
            eventually(lambda: b"F ready" in log.read_bytes())
            wrapper.terminate()
            assert wrapper.wait(PATIENCE_SECONDS) == 7
        finally:
            wrapper.kill()
        entries = self.entries(log)
        assert entries[0] == (b"stdout", b"F", b"ready")
        assert entries[1:] == [(b"stderr", b"F", b"one more")] * 1000 + [(b"stderr", b"F", b"the end")]

    def test_a_background_process_that_keeps_the_pipes_open_does_not_hold_it(self, tmp_path: Path) -> None:
        log = tmp_path / "0.log"
        program = """
            import subprocess
            print(subprocess.Popen(["sleep", "20"]).pid, flush=True)
        """
        wrapper = contained(log, program)
        try:
            assert wrapper.wait(PATIENCE_SECONDS) == 0
        finally:
            wrapper.kill()
            os.kill(int(self.entries(log)[0][2]), signal.SIGKILL)

    @pytest.mark.skipif(sys.platform != "linux", reason="needs the parent-death signal of Linux")
    def test_the_command_dies_with_a_killed_wrapper(self, tmp_path: Path) -> None:
        log = tmp_path / "0.log"
        wrapper = contained(log, "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
        pid = int(eventually(lambda: self.entries(log) if log.exists() else [])[0][2])
        wrapper.kill()
        wrapper.wait(PATIENCE_SECONDS)
        eventually(lambda: not running(pid))

    def test_exit_codes_of_signals_and_of_missing_commands(self, tmp_path: Path) -> None:
        suicide = contained(tmp_path / "0.log", "import os; os.kill(os.getpid(), 9)")
        assert suicide.wait(PATIENCE_SECONDS) == 128 + 9
        missing = run("container", "--log", str(tmp_path / "1.log"), "--", "/no/such/program")
        assert (missing.returncode, missing.stderr) == (1, "error: /no/such/program: No such file or directory\n")


class TestProcesses:
    """The programs as processes."""

    @pytest.mark.parametrize("dialect", DIALECTS)
    def test_a_service_from_start_to_sigterm(self, dialect: str) -> None:
        with started("service", "--name", "order-service", "--dialect", dialect) as process:
            eventually(lambda: get_json(process.url + "/health"))
            if sys.platform == "linux":
                assert resident_mib(process.pid) <= 50
            taken = run("service", "--name", "auth-service", "--port", str(process.port))
            assert taken.returncode == 1
            assert taken.stderr.startswith(f"cannot listen on 127.0.0.1:{process.port}: Address already in use")
            assert len(taken.stderr.splitlines()) == 1
            httpx.post(process.url + "/_fault", json={"errors": 1}, trust_env=False)
            httpx.post(process.url + "/orders/", json=MARKET_BUY, trust_env=False)
            since = time.monotonic()
            process.stop()
            assert time.monotonic() - since < STOP_SECONDS, "the supervisor would have killed it"
            assert '"level":"ERROR"' in process.output
            # Today whatever the store does is caught, and there is a plain access line among the JSON.
            assert ("Traceback (most recent call last)" in process.output) == (dialect != TODAY)
            assert ('"POST /orders/ HTTP/1.1" 422' in process.output) == (dialect == TODAY)

    @pytest.mark.parametrize(("program", "code"), [("service", 130), ("load", 0)])
    def test_an_interrupt_ends_it_cleanly(self, program: str, code: int) -> None:
        arguments = ["--name", "auth-service"] if program == "service" else []
        path = "/health" if program == "service" else "/counts"
        with started(program, *arguments) as process:
            eventually(lambda: get_json(process.url + path))
            assert process.stop(signal.SIGINT) == code
            assert "Traceback" not in process.output

    def test_no_request_is_lost_by_a_process_that_waits_seconds_for_its_turn(self, tmp_path: Path) -> None:
        """As on a busy machine: connections that close meanwhile would make errors of which nobody is the cause."""
        with ExitStack() as stack:
            services = stack.enter_context(running_services(DEFAULT, tmp_path))
            load = stack.enter_context(started("load", "--gateway", services["gateway"].url, "--rate", "30"))
            eventually(lambda: get_json(load.url + "/counts", lambda counts: counts["answered"] > 30))
            for pid in (load.pid, services["order-service"].pid, *[services["gateway"].pid] * 3):
                os.kill(pid, signal.SIGSTOP)
                time.sleep(STALL_SECONDS)
                os.kill(pid, signal.SIGCONT)
                time.sleep(1)
            httpx.post(load.url + "/rate/0", trust_env=False)
            counts: Any = eventually(lambda: get_json(load.url + "/counts", lambda counts: not counts["in_flight"]))
        failed = {status for found in counts["responses"].values() for status in found if status >= "500"}
        assert (counts["unanswered"], failed) == (0, set())

    def test_the_gateway_names_a_missing_backend(self) -> None:
        result = run("gateway", "--port", "1", "--backend", "user-service=http://127.0.0.1:1")
        assert result.returncode == 2
        assert "no --backend for auth-service" in result.stderr


def contained(log: Path, program: str) -> subprocess.Popen[bytes]:
    """Run a Python program in the stand-in container."""
    text = "\n".join(line.removeprefix(" " * 12) for line in program.splitlines())
    wrapper = [sys.executable, "-m", "simulation.application.container", "--log", str(log), "--"]
    return subprocess.Popen([*wrapper, sys.executable, "-c", text], cwd=ROOT)
