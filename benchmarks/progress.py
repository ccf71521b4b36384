"""What a benchmark is doing: a line that changes on a terminal, otherwise a line for each step."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from rich.console import Console

Tell = Callable[[str, float], None]
"""Hears of a step, and of the seconds that it takes on; 0 if nobody knows."""


class Progress:
    """Tells what is done with how many services, and how long it takes on."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = console.status("starting") if console.is_terminal else None
        self._told = ""

    def __enter__(self) -> Progress:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def of(self, services: int) -> Tell:
        """What to tell of the steps with so many services."""

        def tell(step: str, left: float) -> None:
            text = f"{services} services: {step}"
            if self._status:
                self._status.update(f"{text}, {left:.0f} s left" if left else text)
            elif text.partition(",")[0] != self._told:
                self._told = text.partition(",")[0]
                self._console.print(f"{self._told} ({left:.0f} s)" if left else self._told)

        return tell
