"""Ctrl-C and SIGTERM: a KeyboardInterrupt, and a note of it, since one raised inside a finaliser is lost silently."""

from __future__ import annotations

import signal
from types import FrameType

_noted = False


def listen() -> None:
    """Have SIGTERM interrupt like Ctrl-C from now on; an ignored SIGINT, as in a background job, stays ignored."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def check() -> None:
    """Raise the KeyboardInterrupt that an earlier signal asked for and that never arrived.

    For waits and for points of no return; clean-up that follows an interruption does not ask.
    """
    if _noted:
        raise KeyboardInterrupt


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    global _noted
    _noted = True
    raise KeyboardInterrupt
