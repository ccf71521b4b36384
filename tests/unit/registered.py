"""What the program registers: kinds of resources, and values within them."""

from __future__ import annotations

from typing import Any

from checks.program import Program, Registered

RELEASE = "kubernetes:helm.sh/v3:Release"
SECRET = "kubernetes:core/v1:Secret"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
VOLUME = "kubernetes:core/v1:PersistentVolume"
CLASS = "kubernetes:storage.k8s.io/v1:StorageClass"
PRIORITY = "kubernetes:scheduling.k8s.io/v1:PriorityClass"


def values(program: Program, release: str) -> dict[str, Any]:
    found: dict[str, Any] = program.one(RELEASE, release).inputs["values"]
    return found


def custom(program: Program, kind: str) -> list[Registered]:
    return [item for item in program if item.type.endswith(f":{kind}") and item.custom]
