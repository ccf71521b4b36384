"""A user's shell: what docs/deploying.md says to type is typed there, letter by letter."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from dataclasses import dataclass, field
from typing import IO

from control_plane.port_forward import write_kubectl
from engine.toolchain import tool
from facts import ROOT
from tests.sandbox import Sandbox

PROGRAMS = ("pulumi", "kubectl", "helm")
"""What docs/deploying.md asks people to bring."""


class ShellError(Exception):
    """A command line ended with an error; the message is all that it said."""


@dataclass(frozen=True)
class Shell:
    """A shell in the project's directory: with the programs on PATH, a backend, a passphrase and a kubeconfig.

    Questions for confirmation are answered with yes, as there is nobody to ask.
    """

    sandbox: Sandbox
    _logs: dict[int, IO[str]] = field(default_factory=dict)

    def run(self, line: str, text: str = "") -> str:
        """What one command line says, with `text` as its standard input. Raises ShellError if it fails."""
        process = self.start(line, text)
        process.wait()
        said = self.said(process)
        if process.returncode:
            raise ShellError(f"{line}: exit code {process.returncode}:\n{said}")
        return said

    def start(self, line: str, text: str = "") -> subprocess.Popen[str]:
        """Start one command line, in a process group of its own."""
        self.sandbox.engine.prepare()
        log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - a pipe that nobody reads would stop the command
        process = subprocess.Popen(
            ["bash", "-c", line],
            cwd=self.sandbox.project,
            env=self._environment(),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._logs[process.pid] = log
        assert process.stdin
        with process.stdin as stdin:
            stdin.write(text)
        return process

    def said(self, process: subprocess.Popen[str]) -> str:
        """All that a command line has said so far."""
        log = self._logs[process.pid]
        log.seek(0)
        return log.read()

    def _environment(self) -> dict[str, str]:
        programs = self.sandbox.root / "programs"
        programs.mkdir(exist_ok=True)
        for name in PROGRAMS:
            if name == "kubectl":
                write_kubectl(programs / name, tool(name))
            elif not (programs / name).exists():
                (programs / name).symlink_to(tool(name))
        return self.sandbox.engine.environment | {
            "HOME": str(self.sandbox.root),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PULUMI_SKIP_CONFIRMATIONS": "true",
        }


def deploying(section: str) -> list[str]:
    """The command lines of the block in a section of docs/deploying.md, which is named by its heading."""
    page = (ROOT / "docs" / "deploying.md").read_text()
    found = re.search(rf"^## {re.escape(section)}\n(?:(?!^## ).*\n)*?```\n((?:(?!```).*\n)*)```$", page, re.MULTILINE)
    assert found, f"docs/deploying.md: no block of commands in the section {section!r}"
    return [line.strip() for line in found[1].splitlines()]
