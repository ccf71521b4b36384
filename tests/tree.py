"""A copy of the working tree, for tests that edit the project or run it from elsewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from facts import ROOT


def copy_tree(destination: Path) -> Path:
    """Copy the files that git knows or would take, and link the virtual environments; returns the copy."""
    listing = ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file():  # not what is deleted but not committed yet
            (destination / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, destination / name)  # not newer than the environment that is made of it
    link_environment(destination)
    return destination


def link_environment(project: Path) -> None:
    """Have the project's `.venv`, which its Pulumi.yaml names, be the one that this process runs in.

    That of its policy pack, if it has one, is the one that `make` prepares.
    """
    (project / ".venv").symlink_to(sys.prefix)
    if (project / "policies").is_dir():
        (project / "policies" / ".venv").symlink_to(ROOT / "policies" / ".venv")
