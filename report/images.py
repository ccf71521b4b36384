"""Pictures of the page's boards, taken by a headless Chromium: what a reviewer or a reader of the README sees."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import screen
from local.errors import RehearsalError
from report.board import Board
from report.gather import Drawing

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
"""Names of the program, in the order in which it is looked for."""
PATIENCE_SECONDS = 120
_ABOVE = 240
"""Pixels of the page's head."""
_HEADING = 8
"""Pixels by which a row's heading is higher than a row of the grid."""


def browser(directory: Path) -> str:
    """The program that takes the pictures for this directory. Raises RehearsalError if there is none."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        raise RehearsalError(f"IMAGES={directory}: no {' or '.join(BROWSERS)} on PATH; install Chromium")
    return found


def pictures(page: Path, drawings: Sequence[Drawing], directory: Path) -> Iterator[Path]:
    """Write one PNG for each board of a page, at full height, and yield each once it is there.

    A picture takes seconds, and minutes on a busy machine. Raises RehearsalError.
    """
    program = browser(directory)
    directory.mkdir(parents=True, exist_ok=True)
    return (_picture(program, page, drawing.board, directory) for drawing in drawings)


def _picture(browser: str, page: Path, board: Board, directory: Path) -> Path:
    file = directory / f"{board.uid}.png"
    options = [
        "--headless=new",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--window-size={screen.WINDOW - screen.MENU},{_height(board)}",
        "--virtual-time-budget=20000",  # milliseconds in which every graph is drawn
        f"--screenshot={file.resolve()}",
    ]
    if os.geteuid() == 0:  # Chromium refuses its sandbox to root; the page loads nothing
        options.append("--no-sandbox")
    address = f"{page.resolve().as_uri()}#{board.uid}"
    done = subprocess.run(
        [browser, *options, address], capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )
    if done.returncode or not file.exists():
        raise RehearsalError(f"IMAGES={directory}: {browser} failed: {done.stderr.strip()[-500:]}")
    return file


def _height(board: Board) -> int:
    """Pixels of a board on the page."""
    places = [panel.raw["gridPos"] for panel in board.panels]
    rows = max((place["y"] + place["h"] for place in places), default=0)
    return _ABOVE + screen.GRID_ROW * rows + _HEADING * len(board.rows)
