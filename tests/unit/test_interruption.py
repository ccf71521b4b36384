"""A signal interrupts the command, also where Python drops the exception that says so."""

from __future__ import annotations

import subprocess
import sys

import pytest

LOST = """
import signal
from local import interruption

class Dying:
    def __del__(self):
        signal.raise_signal(signal.{sent})  # whatever is raised in here, nobody gets

interruption.listen()
interruption.check()
Dying()
print("went on")
interruption.check()
print("was never told")
"""


@pytest.mark.parametrize("sent", ["SIGINT", "SIGTERM"])
def test_an_interruption_that_a_finaliser_swallows_is_told_at_the_next_check(sent: str) -> None:
    done = subprocess.run([sys.executable, "-c", LOST.format(sent=sent)], capture_output=True, text=True, check=False)
    assert done.stdout == "went on\n"
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
