"""The command line of `make check-lines`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import click
from rich.table import Table

import catalogue as catalogues
from catalogue import Catalogue
from facts import ROOT
from invalid import one_of
from local.errors import RehearsalError
from rehearsal import lines
from rehearsal.__main__ import CONSOLE, reported
from rehearsal.lines import Entry
from settings import read_stack
from targets import Target

SHOWN = 20
"""Kinds of lines that were not read are shown up to so many."""
IDS = ("request_id", "correlation_id", "trace_id", "user")


@click.command(cls=Target, example="make check-lines FILE=order-service.log SERVICE=order-service")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--service", help="Whose log it is; by default as the file's path or name says.")
@reported
def main(file: Path, service: str | None) -> None:
    """Say what the log agent would find in a service's log: events, levels, ids, and which lines it cannot read.

    The file is plain or as the container runtime writes it, and may be compressed (.gz); a rehearsal's logs are
    .rehearsal/pods/*/SERVICE/0.log. What is shown is masked as in Loki; nothing leaves this machine. Exit code 1 if
    there are lines that cannot be read, or none at all.
    """
    catalogue = catalogues.load(ROOT / "services.yaml")
    named = _service(file, service, catalogue)
    with CONSOLE.status(f"the log agent reads {file} as a log of {named}"):
        entries = lines.read(file, named, catalogue, read_stack(ROOT / "Pulumi.dev.yaml"))
    if not entries:
        raise RehearsalError(f"{file}: there is no line in it")
    CONSOLE.print(f"{file}: {len(entries)} entries of {named}", markup=False)
    CONSOLE.print(_found(entries, named, catalogue))
    unread = lines.kinds(entries)
    if unread:
        CONSOLE.print(f"\n{unread.total()} entries of {len(unread)} kinds were not read:", markup=False)
        for (why, text), count in unread.most_common(SHOWN):
            CONSOLE.print(f"{count:>7}  {why}: {text}", markup=False)
    sys.exit(1 if unread else 0)


def _service(file: Path, asked: str | None, catalogue: Catalogue) -> str:
    names = [service.name for service in catalogue.services]
    if asked and asked not in names:
        raise RehearsalError(f"SERVICE={asked}: not in services.yaml; expected {one_of(names, asked)}")
    named = asked or lines.service_of(file, catalogue)
    if not named:
        raise RehearsalError(f"{file}: whose log is it? Add SERVICE= and one of {', '.join(names)}")
    return named


def _found(entries: list[Entry], service: str, catalogue: Catalogue) -> Table:
    table = Table.grid(padding=(0, 2))
    levels = Counter(entry.attributes.get("severity", "none") for entry in entries)
    table.add_row("levels", ", ".join(f"{level} {count}" for level, count in levels.most_common()) or "none")
    for name in IDS:
        values = Counter(entry.attributes[name] for entry in entries if name in entry.attributes)
        table.add_row(name, f"in {values.total()} entries, {len(values)} different" if values else "none")
    events = Counter(entry.attributes.get("event") for entry in entries)
    for event in catalogue.events:
        if event.service == service:
            found = str(events[event.name]) if event.told_by else f"reported by no line: {event.untold}"
            table.add_row(event.name, found)
    return table


if __name__ == "__main__":
    main()
