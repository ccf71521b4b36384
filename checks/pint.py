"""What pint says of the rules: the judge that we did not write, of all that needs no server."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import yaml

from checks.rule_set import Rule, Stack
from engine.toolchain import tool
from facts import ROOT

CONFIGURATION = ROOT / "checks" / "pint.hcl"


def pint_has_nothing_to_say(stack: Stack) -> Iterator[str]:
    """Always firing alerts, templates that read missing labels, needless waits and expressions, fragile queries."""
    with tempfile.TemporaryDirectory() as scratch:
        path, report = Path(scratch) / "rules.yaml", Path(scratch) / "report.json"
        path.write_text(yaml.dump({"groups": list(_groups(stack.rules))}, Dumper=yaml.CSafeDumper, sort_keys=False))
        command: list[str | Path] = [
            tool("pint"),
            "--config",
            CONFIGURATION,
            "--offline",
            "lint",
            "--json",
            report,
            path,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if not report.exists():
            raise RuntimeError(f"pint ended with {done.returncode}: {done.stderr}")
        lines = path.read_text().splitlines()
        for problem in json.loads(report.read_text()) or []:
            yield f"{rule_at(lines, problem['lines'])}: {problem['reporter']}: {problem['problem']}"


def _groups(rules: tuple[Rule, ...]) -> Iterator[dict[str, object]]:
    for (file, group), members in groupby(rules, key=lambda rule: (rule.file, rule.group)):
        yield {"name": f"{file}/{group}", "rules": [rule.body for rule in members]}


def rule_at(lines: list[str], places: list[int]) -> str:
    """The alert or record at or above the first of these lines, counted from 1."""
    above = reversed(lines[: places[0]])
    return next(line.split(":", 1)[1].strip() for line in above if line.strip(" -").startswith(("alert:", "record:")))
