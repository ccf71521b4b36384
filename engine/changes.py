"""What the engine's events tell: which resources changed, and what went wrong."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pulumi.automation.events import EngineEvent, StepEventMetadata

_COLOUR = re.compile(r"<\{%.*?%\}>")
_NOISE = ("an unhandled error occurred", "preview failed", "update failed")  # they follow the error itself


@dataclass
class Changes:
    """What an operation did, or a preview would do."""

    urns: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """The resources by operation: `create`, `update`, `replace`, `delete`, `same`, `refresh`."""
    paths: dict[str, list[str]] = field(default_factory=dict)
    """The changed properties of each updated or replaced resource."""
    errors: list[str] = field(default_factory=list)
    """What went wrong or breaks a policy, without the engine's marks for colour, each thing once."""
    warnings: list[str] = field(default_factory=list)
    """What the engine, the program or a provider warns of, likewise."""

    @property
    def counts(self) -> dict[str, int]:
        """How many resources each operation touched."""
        return {operation: len(urns) for operation, urns in sorted(self.urns.items())}

    @property
    def changed(self) -> list[str]:
        """Every resource that is not the same as before."""
        return sorted({urn for operation, urns in self.urns.items() if operation != "same" for urn in urns})

    @classmethod
    def told(cls, log: Path) -> Changes:
        """What the engine's log of events tells."""
        changes = cls()
        for event in _events(log):
            if event.res_outputs_event:
                changes._note(event.res_outputs_event.metadata)
            if event.diagnostic_event:
                changes._hear(event.diagnostic_event.message, event.diagnostic_event.severity)
            if policy := event.policy_event:
                severity = "error" if policy.enforcement_level == "mandatory" else "warning"
                changes._hear(f"{policy.policy_name}: {policy.message}", severity)
        return changes

    def _note(self, step: StepEventMetadata) -> None:
        self.urns[step.op.value].add(step.urn)
        if step.detailed_diff:
            self.paths[step.urn] = sorted(step.detailed_diff)

    def _hear(self, message: str, severity: str) -> None:
        message = _COLOUR.sub("", message).strip()
        heard = {"error": self.errors, "warning": self.warnings}.get(severity, [])
        if not message.startswith(_NOISE) and message not in heard:
            heard.append(message)


def _events(log: Path) -> Iterator[EngineEvent]:
    """The events, but for one that a killed engine has not finished writing; none if it had not begun."""
    lines = log.read_text().splitlines(keepends=True) if log.exists() else []
    return (EngineEvent.from_json(json.loads(line)) for line in lines if line.endswith("\n"))
