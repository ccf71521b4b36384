"""Mutants of the rules on trial: which of them do the promtool tests notice?"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from xml.etree import ElementTree

from checks.alert_tests import ALERTS, CHAINS, TESTS, known, watched
from checks.mutation.mutants import Mutation
from checks.mutation.rule_files import Mutant, with_mistake
from checks.mutation.suite import Part, Suite
from components.alerting import rules
from engine.toolchain import tool

MEMORY = Path("/dev/shm")  # noqa: S108 - only directories with names of their own are made there
"""Where Linux keeps files in memory. promtool makes a database for each test."""
PROMTOOL = {"GOMAXPROCS": "1", "GOGC": "400"}
"""One core for each process, and little time for collecting what little garbage it makes."""


@dataclass(frozen=True)
class Trial:
    """A mutant, and the tests that can notice it."""

    mutant: Mutant
    parts: list[Part]

    def write(self, number: int, directory: Path) -> Path:
        """The file of one of the tests, in a new directory with the rules that have the mistake."""
        part, mutant = self.parts[number], self.mutant
        return part.write(directory, {mutant.file: with_mistake(part.files[mutant.file], mutant)})


def suites() -> list[Suite]:
    """All promtool tests: those beside the rule files, and those of the rules as a stack has them."""
    plain = {name: document["groups"] for name, document in rules.read(ALERTS).items()}
    complete = rules.prometheus_rules(ALERTS, known(), watched())
    return [
        *(Suite.of(path.read_text(), plain) for path in TESTS),
        *(Suite.of(path.read_text(), complete) for path in CHAINS),
    ]


def controls(found: Iterable[Mutant]) -> list[Mutant]:
    """Each rule of some mutants without a mistake: its tests must pass, or they prove nothing of the mutants."""
    nothing = Mutation("none", "no mistake", "", {})
    return [Mutant(file, rule, nothing, {}) for file, rule in _rules_of(found)]


def trials(found: Sequence[Mutant], covering: Sequence[Suite]) -> list[Trial]:
    """The trials of mutants, in their order."""
    parts = {rule: _parts(*rule, covering) for rule in _rules_of(found)}
    return [Trial(mutant, parts[mutant.file, mutant.rule]) for mutant in found]


def _parts(file: str, rule: str, covering: Sequence[Suite]) -> list[Part]:
    """The tests that can notice a mistake in a rule, the quickest first."""
    found = [part for suite in covering if file in suite.files for part in suite.about(rule)]
    return sorted(found, key=lambda part: part.evaluations)


def survivors(batch: Sequence[Trial], stop: Event) -> list[Mutant]:
    """The mutants that no test notices, in their order. One that is not valid PromQL fails its own tests alone.

    The tests go round by round, and who was noticed is out. One promtool plays a round, as its start takes as long as
    a test. Raises RuntimeError if promtool gives no report, as it does not when it has to `stop`.
    """
    living = list(batch)
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as scratch:
        for number in range(max(len(trial.parts) for trial in batch)):
            tests = {
                str(trial.write(number, Path(scratch, f"{number}-{place}"))): trial.mutant.key
                for place, trial in enumerate(living)
                if number < len(trial.parts)
            }
            noticed = {tests[failing] for failing in _failing(list(tests), Path(scratch), stop)}
            living = [trial for trial in living if trial.mutant.key not in noticed]
    return [trial.mutant for trial in living]


def _rules_of(found: Iterable[Mutant]) -> list[tuple[str, str]]:
    """File and name of each rule that has mutants."""
    return list(dict.fromkeys((mutant.file, mutant.rule) for mutant in found))


def _failing(tests: list[str], scratch: Path, stop: Event) -> set[str]:
    """The files of tests that fail."""
    if not tests:
        return set()
    report = scratch / "report.xml"
    report.unlink(missing_ok=True)
    errors = _promtool(["test", "rules", f"--junit={report}", *tests], scratch, stop)
    try:
        results = ElementTree.parse(report).getroot().findall("testsuite")  # noqa: S314 - promtool's own
    except (OSError, ElementTree.ParseError):
        raise RuntimeError(f"promtool ended without a report:\n{errors}") from None
    return {result.attrib["name"] for result in results if _fails(result)}


def _promtool(arguments: list[str], scratch: Path, stop: Event) -> str:
    """What it says of errors. It is ended within a second when it has to stop."""
    environment = os.environ | PROMTOOL | {"TMPDIR": str(scratch)}
    command = [str(tool("promtool")), *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as it:
        while True:
            try:
                return it.communicate(timeout=1)[1]
            except subprocess.TimeoutExpired:
                if stop.is_set():
                    it.kill()


def _fails(result: ElementTree.Element) -> bool:
    return any(int(result.attrib[count]) for count in ("failures", "errors"))
