"""Commands that targets of the Makefile run: what is wrong with their parameters is said in make's words.

Who typed `make fault KIND=error` has never seen the options of the command behind it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import click

from invalid import one_of


class Misuse(click.ClickException):
    """A parameter that is missing or wrong."""

    exit_code = 2


def variable(parameter: click.Parameter) -> str:
    """The variable of make that is handed on as this parameter."""
    return parameter.opts[0].lstrip("-").upper()


def writable(_: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Callback of a file or directory to write. Raises Misuse, before anything is done, if that is not possible."""
    if value is not None:
        directory = isinstance(parameter.type, click.Path) and parameter.type.dir_okay
        refuse_unwritable(f"{variable(parameter)}={value}", value, directory=directory)
    return value


def refuse_unwritable(given: str, path: Path, *, directory: bool = False) -> None:
    """Raise Misuse of what was `given` if its path cannot be written. Missing directories can be made later."""
    at = path
    try:
        if path.exists() and not directory:
            path.open("ab").close()
        else:  # tried, as permissions do not show a read-only file system
            at = next(each for each in (path, *path.parents) if each.exists())
            TemporaryFile(dir=at).close()
    except OSError as error:
        another = "directory" if directory else "file"
        raise Misuse(f"{given}: cannot be written ({at}: {error.strerror}); name another {another}") from None


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
            made = super().make_context(info_name, args, parent, **extra)
            problems = [f"{self._name(each, made)}: missing" for each in self.params if _empty(each, made)]
        except click.UsageError as error:
            problems = list(self._problems(error, given))
        if problems:
            raise Misuse("\n".join([*problems, f"Try: {self._example}"]))
        return made

    def _problems(self, first: click.UsageError, given: Sequence[str]) -> Iterator[str]:
        """What is wrong with each parameter; click ends at the first one."""
        if not isinstance(first, click.BadParameter) or first.ctx is None:
            yield self._problem(first, given)
            return
        options, rest, _ = self.make_parser(first.ctx).parse_args(list(given))
        for parameter in self.params:
            try:
                parameter.handle_parse_result(first.ctx, options, rest)
            except click.UsageError as error:
                yield self._problem(error, given)
            else:
                if _empty(parameter, first.ctx):
                    yield f"{self._name(parameter, first.ctx)}: missing"

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
        name = variable(parameter)
        return name if f" {name}=" in self._example else parameter.get_error_hint(context)

    def _value(self, parameter: click.Parameter, context: click.Context, given: Sequence[str]) -> str:
        """What was given, as click keeps only what it could convert."""
        found = self.make_parser(context).parse_args(list(given))[0].get(parameter.name or "")
        if isinstance(found, str | tuple):
            return found if isinstance(found, str) else " ".join(found)
        return os.environ.get(parameter.envvar, "") if isinstance(parameter.envvar, str) else ""


def _empty(parameter: click.Parameter, context: click.Context) -> bool:
    """Whether make handed on a variable that nobody has set."""
    return parameter.required and parameter.param_type_name == "argument" and context.params[parameter.name or ""] == ""


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
