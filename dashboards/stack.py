"""What of a stack the dashboards depend on."""

from __future__ import annotations

from dataclasses import dataclass

from settings import Settings


@dataclass(frozen=True)
class Stack:
    """The parts that a stack may lack, all there by default, and where its people read runbooks."""

    traces: bool = True
    """Whether it keeps traces: without them nothing asks Tempo."""
    runbooks: str | None = None
    """Address below which each alert has its page; None for no links to them."""

    @classmethod
    def of(cls, settings: Settings) -> Stack:
        """What these settings deploy."""
        return cls(traces=settings.tracing is not None, runbooks=settings.links.runbooks)


EVERYTHING = Stack()
