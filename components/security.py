"""What containers may not do, and whose objects are obeyed: the narrowest that each part works with."""

from __future__ import annotations

from typing import Any

from facts import NAMESPACE

LOCKED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""A container's security context: no way to more rights, nothing to write but its volumes."""

ROOT: dict[str, Any] = LOCKED | {"runAsUser": 0, "runAsGroup": 0}
"""For what reads or makes files of the node, which belong to root."""


def user(number: int) -> dict[str, Any]:
    """For an image whose user is named and not numbered: only a number proves that it is not root."""
    return LOCKED | {"runAsNonRoot": True, "runAsUser": number, "runAsGroup": number}


OWN_NAMESPACE: dict[str, Any] = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
"""Selects our own namespace: a monitor or a rule of another could page on-call, or be sent Prometheus' token."""
