"""Runs that fail, are killed or interrupted: the next one finishes what they began."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from checks.waiting import PATIENCE_SECONDS, eventually
from tests.sandbox import Sandbox, is_running


def test_the_next_up_takes_over_from_an_engine_that_was_killed(small: Sandbox) -> None:
    run, engine = half_way(small)
    assert "in use by another run" in small.do("preview").error
    os.kill(engine, signal.SIGKILL)
    run.communicate(timeout=PATIENCE_SECONDS)
    assert pending(small)
    (small.cluster / "refuse").unlink()
    assert not small.do("up").error
    assert small.do("preview").changed == []
    assert not pending(small)
    assert not engine_locks(small)


def test_an_interrupted_run_ends_in_order(small: Sandbox) -> None:
    many = 400  # more than it can begin while the interrupt is on its way
    small.edit("Pulumi.dev.yaml", "things: 40", f"things: {many}")
    run, engine = half_way(small)
    run.send_signal(signal.SIGINT)

    def ended() -> bool:
        let_pass(small.cluster / "refuse")  # what the engine has begun, it finishes
        return run.poll() is not None

    eventually(ended)
    assert run.returncode != 0
    assert len(list((small.cluster / "Thing").glob("*/*.yaml"))) < many
    assert not is_running(engine)
    assert not engine_locks(small)
    assert not pending(small)


def half_way(sandbox: Sandbox) -> tuple[subprocess.Popen[str], int]:
    """A run that has created some objects and waits with the next ones, and its engine's process id.

    The stand-ins read the list of refused objects before each one: from a pipe, they wait until somebody writes.
    """
    sandbox.cluster.mkdir(parents=True)
    gate = sandbox.cluster / "refuse"
    os.mkfifo(gate)
    run = sandbox.start()
    eventually(lambda: let_pass(gate))
    eventually(lambda: (sandbox.cluster / "Thing").exists())
    (lock,) = engine_locks(sandbox)
    return run, json.loads(lock.read_text())["pid"]


def let_pass(gate: Path) -> bool:
    """Let the objects pass that wait at the gate; false if none does."""
    try:
        os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def engine_locks(sandbox: Sandbox) -> list[Path]:
    return list((sandbox.state / "engine" / "backend" / ".pulumi" / "locks").glob("**/*.json"))


def pending(sandbox: Sandbox) -> list[object]:
    """The operations that the engine's state says were begun and not finished."""
    (state,) = (sandbox.state / "engine" / "backend" / ".pulumi" / "stacks").glob("*/dev.json")
    operations: list[object] = json.loads(state.read_text())["checkpoint"]["latest"].get("pending_operations", [])
    return operations
