"""What goes wrong in a rehearsal or in a command, said in a sentence with its remedy."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click

from invalid import InvalidInputError


class RehearsalError(RuntimeError):
    """The message is for the person at the terminal; no traceback helps."""


@contextlib.contextmanager
def explained(code: int = 1) -> Iterator[None]:
    """Show what is wrong with the input, or cannot be done, in place of a traceback; exit with `code`."""
    try:
        yield
    except (RehearsalError, InvalidInputError) as error:
        click.echo(f"Error: {said(error)}", err=True)
        sys.exit(code)


def said(error: Exception) -> str:
    """What an error says behind "Error: "; of a file that cannot be used, its name and why."""
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return error.alone if isinstance(error, InvalidInputError) else str(error)
