"""The packages of `charts.source: directory`: what is missing is found before the engine starts.

Helm would say so of one chart at a time, among the engine's lines. Only a deployment needs them: `make render` and
`make diff` do not, and so work on machines that have none.
"""

from __future__ import annotations

from pathlib import Path

import click

import documents
from components import charts
from facts import ROOT
from local.errors import explained
from settings import KEY, read_stack, stack_file
from targets import Target
from validation import InvalidInputError


def check(project: Path, stack: str) -> None:
    """Raises InvalidInputError if the stack takes charts from a directory that does not have all of them."""
    file = stack_file(project, stack)
    settings = read_stack(file)
    source = settings.charts
    if source.source != "directory" or source.location is None:
        return
    directory = project / source.location
    missing = [name for name in map(charts.package, charts.needed(settings)) if not (directory / name).is_file()]
    if not missing:
        return
    what = f"has no {', '.join(missing)}" if directory.is_dir() else "is no directory"
    line = documents.places(file, below=("config", KEY))(("charts", "location"))
    raise InvalidInputError(
        [
            f"{line}{KEY} charts.location: '{source.location}' {what}; `make mirror-list STACK={stack}` lists each "
            f"chart: helm pull NAME --version VERSION --repo REPOSITORY --destination {source.location}"
        ]
    )


@click.command(cls=Target, example="make deploy STACK=dev")
@click.argument("stack")
def main(stack: str) -> None:
    """Check that the packages of a stack's charts are there, if it takes them from a directory."""
    with explained():
        check(ROOT, stack)


if __name__ == "__main__":
    main(prog_name="engine.chart_files")
