"""`make report`: writes the page of every dashboard, as the rehearsal shows it now."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from invalid import one_of
from local import state
from local.errors import RehearsalError
from local.ports import Ports
from quantities import seconds
from rehearsal.__main__ import CONSOLE, rehearsal, reported
from rehearsal.deployed import Deployed
from rehearsal.lifecycle import STACK
from report.gather import Drawing, gather, plan
from report.images import browser, pictures
from report.page import headline, page
from report.sources import Sources
from targets import Target, writable

FILE = "report.html"
LONGEST = "520w"
"""Prometheus answers with 11,000 points at most, and no step is wider than a day."""
ORDER = ("system-health", "service-detail", "logs", "business-operations", "infrastructure", "monitoring")
"""The boards from what on-call opens first; others follow."""


@click.command(cls=Target, example="make report SINCE=1h BOARD=system-health OUT=report.html IMAGES=pictures")
@click.option("--since", help="How far to look back, such as 30m or 1h; by default as each board opens.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=writable,
    help=f"File to write; by default {FILE} in the rehearsal's directory.",
)
@click.option("--board", "uids", multiple=True, metavar="UID", help="Only this dashboard; may be given several times.")
@click.option(
    "--choose",
    "choices",
    multiple=True,
    metavar="NAME=VALUE",
    help="Choose a value of a dashboard's variable, such as service=order-service; may be given several times.",
)
@click.option(
    "--images",
    type=click.Path(file_okay=False, path_type=Path),
    callback=writable,
    help="Directory for a PNG of each dashboard, taken by the Chromium on PATH.",
)
@reported
def main(since: str | None, out: Path | None, uids: Sequence[str], choices: Sequence[str], images: Path | None) -> None:
    """Draw every dashboard that the rehearsal deployed on one self-contained HTML page, as it shows them now.

    Each dashboard is drawn with the choices that it opens with, or those given. Exit code 1 if a panel could not be
    drawn; the page is written all the same, and the panel says why.
    """
    length = _length(since) if since else None
    if images:
        browser(images)  # rather than after all is drawn
    for directory in filter(None, (images, out and out.parent)):
        directory.mkdir(parents=True, exist_ok=True)
    if not rehearsal().status():
        raise RehearsalError("the rehearsal is not running; start it with: make up")
    kept, now = state.from_environment(), time.time()
    drawings = _drawn(_chosen(deployed(kept.cluster), uids), rehearsal().ports, length, _choice(choices))
    file = out or kept.root / FILE
    file.write_bytes(page(drawings, stack=STACK, now=now))
    CONSOLE.print(f"{headline(drawings)}, in {time.time() - now:.0f} s\n  {file.resolve().as_uri()}", markup=False)
    if images:
        CONSOLE.print("taking a picture of each dashboard …", markup=False)
        for number, picture in enumerate(pictures(file, drawings, images), 1):
            CONSOLE.print(f"  {number} of {len(drawings)}: {picture}", markup=False)
    failed = [panel.panel.title for drawing in drawings for panel in drawing.panels if panel.state == "failed"]
    if failed:
        CONSOLE.print(f"could not be drawn: {', '.join(failed)}", markup=False)
        sys.exit(1)


def deployed(cluster: Path) -> dict[str, str]:
    """The JSON of every dashboard in the stand-in cluster, by uid."""
    return {Path(name).stem: text for item in Deployed(cluster).dashboards() for name, text in item["data"].items()}


def _length(since: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]*[smhdw]", since):
        raise RehearsalError(f"SINCE={since}: expected a duration of more than 0 in s, m, h, d or w such as 30m or 1h")
    if seconds(since) > seconds(LONGEST):
        raise RehearsalError(f"SINCE={since}: expected at most {LONGEST}")
    return seconds(since)


def _chosen(texts: dict[str, str], uids: Sequence[str]) -> list[str]:
    ordered = sorted(texts, key=lambda uid: (ORDER.index(uid) if uid in ORDER else len(ORDER), uid))
    unknown = [uid for uid in uids if uid not in texts]
    if unknown:
        raise RehearsalError(f"BOARD={unknown[0]}: expected {one_of(ordered, unknown[0])}")
    return [texts[uid] for uid in ordered if not uids or uid in uids]


def _choice(given: Sequence[str]) -> dict[str, list[str]]:
    choice: dict[str, list[str]] = {}
    for text in given:
        name, separator, value = text.partition("=")
        if not (name and separator):
            raise RehearsalError(f"--choose {text}: expected NAME=VALUE such as service=order-service")
        choice.setdefault(name, []).append(value)
    return choice


def _drawn(texts: Sequence[str], ports: Ports, since: int | None, choice: Mapping[str, Sequence[str]]) -> list[Drawing]:
    sources = Sources(ports.url("prometheus"), ports.url("loki"))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    plans = [plan(text, since, sources, choice) for text in texts]
    boards = {item.board.uid: item.board for item in plans}
    others = ports.url("receivers")
    with Progress(*columns, console=CONSOLE) as progress:
        task = progress.add_task("panels", total=sum(len(list(board.panels)) for board in boards.values()))
        return [gather(item, sources, boards, lambda: progress.advance(task), others) for item in plans]


if __name__ == "__main__":
    main(prog_name="make report")
