"""What the simulated services tell with; each dialect has its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from order_processor_observability import Business
from starlette.requests import Request


class Log(Protocol):
    """Writes one event at `level` (DEBUG, INFO, WARN, ERROR or CRITICAL); `action` says what was done.

    Without `logger` it is the service's own. `request_id` is the id that was handed down, where the code has it.
    """

    def __call__(
        self,
        level: str,
        action: str,
        message: str,
        *,
        logger: str | None = None,
        user: str | None = None,
        request_id: str | None = None,
        extra: Mapping[str, object] | None = None,
    ) -> None:
        """Write it."""


class Tell(Protocol):
    """Tells what became of a request, in the words of the dialect.

    An outcome that a dialect has no words for does not happen where it is spoken.
    """

    def __contains__(self, outcome: object) -> bool:
        """Whether the dialect has words for this outcome."""

    def __call__(self, outcome: str, request: Request, **values: object) -> int:
        """Write the lines of this outcome; returns the status that the request is answered with.

        `values` are names and numbers of the lines, beside those that the request itself has. Raises KeyError for an
        outcome without words.
        """


@dataclass(frozen=True)
class Telemetry:
    """What the code of a simulated service tells with."""

    log: Log
    tell: Tell
    business: Business
    before_scrape: Callable[[Callable[[], object]], None]
    """Has a function called before each scrape, to set gauges that are read rather than told."""


def implementation(dialect: str, module: str) -> Any:
    """The module of this name in a dialect; only the dialect that a process speaks is loaded."""
    return import_module(f"simulation.application.{dialect}.{module}")
