"""One process of the rehearsal, as its supervisor runs it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Program:
    """One supervised process."""

    name: str
    command: list[str]
    environment: dict[str, str] = field(default_factory=dict)
    restart_on: str = ""
    """Digest of the files that it reads only when it starts: another digest starts it anew."""


def digest(*files: Path) -> str:
    """A digest of what these files say."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
