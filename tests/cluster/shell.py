"""A user's shell: what the README tells people to type is typed there, letter by letter."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass

from rehearsal.toolchain import tool
from tests.cluster.deployment import OnCluster
from tests.tree import ROOT

PROGRAMS = ("pulumi", "kubectl", "helm")
"""What the README asks people to bring."""


class ShellError(Exception):
    """A command line ended with an error; the message is all that it said."""


@dataclass(frozen=True)
class Shell:
    """A shell in the project's directory: with the programs on PATH, a backend, a passphrase and a kubeconfig.

    Questions for confirmation are answered with yes, as there is nobody to ask.
    """

    sandbox: OnCluster

    def run(self, line: str, text: str = "") -> str:
        """What one command line says, with `text` as its standard input. Raises ShellError if it fails."""
        process = self.start(line)
        said, _ = process.communicate(text)
        if process.returncode:
            raise ShellError(f"{line}: exit code {process.returncode}:\n{said}")
        return said

    def start(self, line: str) -> subprocess.Popen[str]:
        """Start one command line, in a process group of its own."""
        self.sandbox.engine.prepare()
        return subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.sandbox.project,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        programs = self.sandbox.root / "programs"
        programs.mkdir(exist_ok=True)
        for name in PROGRAMS:
            if not (programs / name).exists():
                (programs / name).symlink_to(tool(name))
        return self.sandbox.engine.environment | {
            "HOME": str(self.sandbox.root),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PULUMI_SKIP_CONFIRMATIONS": "true",
        }


def readme(heading: str) -> list[list[str]]:
    """The command lines of each block below a heading of the README."""
    section = re.split(rf"^## {re.escape(heading)}$", (ROOT / "README.md").read_text(), flags=re.MULTILINE)[1]
    section = re.split(r"^## ", section, flags=re.MULTILINE)[0]
    blocks = re.findall(r"^ *```\n(.*?)^ *```$", section, flags=re.MULTILINE | re.DOTALL)
    return [[line.strip() for line in block.splitlines()] for block in blocks]
