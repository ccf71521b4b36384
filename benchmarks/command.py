"""What the commands of the benchmarks do about errors and Ctrl-C."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import click
import httpx

from benchmarks.errors import BenchmarkError
from local import interruption
from local.errors import RehearsalError, said
from validation import InvalidInputError

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""


def reported(command: Callable[..., None]) -> Callable[..., None]:
    """Turn what goes wrong into one message and an exit code: 1 for an error, 130 for Ctrl-C."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        interruption.listen()  # a terminated benchmark cleans up like an interrupted one
        try:
            command(*arguments, **options)
        except (AssertionError, BenchmarkError, RehearsalError, InvalidInputError, OSError) as error:
            # Some use tests' helpers, which assert; a directory of KEEP may be one that cannot be made.
            raise click.ClickException(said(error)) from None
        except httpx.HTTPError as error:
            raise click.ClickException(f"the server that is measured does not answer any more: {error}") from None
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)

    return run
