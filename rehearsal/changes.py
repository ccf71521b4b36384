"""What the engine's events tell: which resources changed, and what went wrong."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from pulumi.automation.events import EngineEvent, StepEventMetadata

OnEvent = Callable[[EngineEvent], None]

_COLOUR = re.compile(r"<\{%.*?%\}>")
PROGRAM_FAILED = "the program failed"
_NOISE = (PROGRAM_FAILED, "an unhandled error occurred", "preview failed", "update failed")  # follow the error itself


@dataclass
class Changes:
    """What an operation did, or a preview would do."""

    urns: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The resources by operation: `create`, `update`, `replace`, `delete`, `same`."""
    paths: dict[str, list[str]] = field(default_factory=dict)
    """The changed properties of each updated or replaced resource."""

    @property
    def counts(self) -> dict[str, int]:
        """How many resources each operation touched."""
        return {operation: len(urns) for operation, urns in sorted(self.urns.items())}

    @property
    def changed(self) -> list[str]:
        """Every resource that is not the same as before."""
        return sorted({urn for operation, urns in self.urns.items() if operation != "same" for urn in urns})


class Events:
    """Gathers from the engine's events what became of each resource, and what went wrong."""

    def __init__(self, follower: OnEvent | None) -> None:
        self.changes = Changes()
        self._follower = follower
        self._errors: list[str] = []

    def take(self, event: EngineEvent) -> None:
        """Note one event, and pass it on."""
        if event.res_outputs_event:
            self._note(event.res_outputs_event.metadata)
        if event.diagnostic_event and event.diagnostic_event.severity == "error":
            self._errors.append(event.diagnostic_event.message)
        if self._follower:
            self._follower(event)

    def problems(self) -> str:
        """The errors, one after the other, without the engine's marks for colour."""
        messages = (_COLOUR.sub("", message).strip() for message in self._errors)
        return "\n".join(dict.fromkeys(message for message in messages if not message.startswith(_NOISE)))

    def _note(self, step: StepEventMetadata) -> None:
        self.changes.urns[step.op.value].add(step.urn)
        if step.detailed_diff:
            self.changes.paths[step.urn] = sorted(step.detailed_diff)
