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


def obeyed(*others: str) -> dict[str, Any]:
    """Selects our own namespace and these: a monitor or a rule may page on-call, or be sent Prometheus' token."""
    own = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    names = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": [NAMESPACE, *others]}
    return {"matchExpressions": [names]} if others else own
