"""Commands that targets of the Makefile run: what is wrong with their parameters is said in make's words.

Who typed `make fault KIND=error` has never seen the options of the command behind it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import click

from invalid import one_of


class Misuse(click.ClickException):
    """A parameter that is missing or wrong."""

    exit_code = 2


class Target(click.Command):
    """A command whose parameters are variables of make, as far as `example`, a call of its target, names them."""

    def __init__(self, *arguments: Any, example: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._example = example

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Parse the parameters. Raises Misuse, in make's words, where click raises UsageError."""
        given = list(args)
        try:
            return super().make_context(info_name, args, parent, **extra)
        except click.UsageError as error:
            raise Misuse(f"{self._problem(error, given)}\nTry: {self._example}") from None

    def _problem(self, error: click.UsageError, given: Sequence[str]) -> str:
        parameter = error.param if isinstance(error, click.BadParameter) else None
        if parameter is None or error.ctx is None:
            return error.format_message().rstrip(".")
        name = self._name(parameter, error.ctx)
        value = self._value(parameter, error.ctx, given)
        if not value:
            return f"{name}: missing"
        return f"{name}={value}: expected {_expected(parameter.type, value)}"

    def _name(self, parameter: click.Parameter, context: click.Context) -> str:
        variable = parameter.opts[0].lstrip("-").upper()
        return variable if f" {variable}=" in self._example else parameter.get_error_hint(context)

    def _value(self, parameter: click.Parameter, context: click.Context, given: Sequence[str]) -> str:
        """What was given, as click keeps only what it could convert."""
        found = self.make_parser(context).parse_args(list(given))[0].get(parameter.name or "")
        if isinstance(found, str | tuple):
            return found if isinstance(found, str) else " ".join(found)
        return os.environ.get(parameter.envvar, "") if isinstance(parameter.envvar, str) else ""


def _expected(of: click.ParamType[Any], value: str) -> str:
    """What a value may be; completes the sentence "expected …"."""
    if isinstance(of, click.Choice):
        return one_of([str(choice) for choice in of.choices], value)
    if isinstance(of, click.Path):
        return "a directory" if of.dir_okay and not of.file_okay else "a file"
    if isinstance(of, click.types.BoolParamType):
        return "1 or 0"
    number = "a whole number" if isinstance(of, click.types.IntParamType) else "a number"
    least, most = getattr(of, "min", None), getattr(of, "max", None)
    start = "" if least is None else f" {'of more than' if getattr(of, 'min_open', False) else 'from'} {least:g}"
    return f"{number}{start}" if most is None else f"{number}{start} to {most:g}"
