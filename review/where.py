"""Who is asked about alerts: the rehearsal, or the cluster of a stack."""

from __future__ import annotations

from facts import ROOT
from local.errors import RehearsalError
from rehearsal.__main__ import rehearsal
from rehearsal.lifecycle import STACK, Rehearsal
from settings import read_stack, stack_file


def context_of(stack: str | None, context: str | None) -> str | None:
    """The kubectl context to ask: the one given, or else that of the stack given; None for the rehearsal.

    Raises RehearsalError if the stack names none.
    """
    if stack and not context:
        context = read_stack(stack_file(ROOT, stack)).kube_context
        if context is None:
            raise RehearsalError(f"the stack {stack} names no Kubernetes context; name one with CONTEXT=")
    return context


def words(context: str | None) -> str:
    """Who is asked, for the head of a page."""
    return f"Cluster of the context {context}" if context else f"Rehearsal of the stack {STACK}"


def running() -> Rehearsal:
    """The rehearsal that runs. Raises RehearsalError if none does."""
    found = rehearsal()
    if not found.status():
        raise RehearsalError("the rehearsal is not running; start it with: make up (or name a cluster: CONTEXT=name)")
    return found
