"""Who is asked about alerts: the rehearsal, or the cluster of a stack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from local.errors import RehearsalError
from rehearsal.__main__ import rehearsal
from rehearsal.lifecycle import STACK, Rehearsal
from targets import Misuse, refuse_unwritable
from verify.context import context_of

ENDING = ".html"


def page_options(file: str, beside: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """OUT, STACK and CONTEXT of a command that writes a page; `beside` is the ending of a table that it writes, too."""

    def checked(_: click.Context, __: click.Parameter, value: Path | None) -> Path | None:
        if value is not None and value.suffix != ENDING:
            also = f"; the table is written beside it, as {beside}" if beside else ""
            raise Misuse(f"OUT={value}: expected a file that ends in {ENDING}{also}")
        if value is not None:
            for ending in filter(None, (ENDING, beside)):
                refuse_unwritable(f"OUT={value}", value.with_suffix(ending))
        return value

    path = click.Path(dir_okay=False, path_type=Path)
    where = f"Page to write; by default {file} in the rehearsal's directory."
    named = "kubectl context of its cluster; by default the one that the stack names."
    options = (
        click.option("--out", type=path, callback=checked, help=where),
        click.option("--stack", help="A deployed stack, in place of the rehearsal."),
        click.option("--context", help=named),
    )

    def add(command: Callable[..., Any]) -> Callable[..., Any]:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def asked(stack: str | None, context: str | None) -> str | None:
    """The kubectl context to ask: that of the stack given, or else the one given; None for the rehearsal.

    Raises ClickException if the stack names none and none is given, or another than the one given.
    """
    return context_of(stack, context or "", reads=True) if stack else context


def words(context: str | None) -> str:
    """Who is asked, for the head of a page."""
    return f"Cluster of the context {context}" if context else f"Rehearsal of the stack {STACK}"


def running() -> Rehearsal:
    """The rehearsal that runs. Raises RehearsalError if none does."""
    found = rehearsal()
    if not found.status():
        raise RehearsalError("the rehearsal is not running; start it with: make up (or name a cluster: CONTEXT=name)")
    return found
