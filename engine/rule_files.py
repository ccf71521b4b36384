"""The rule files before the pinned promtool: bad PromQL and bad templates are found before anything is deployed.

Prometheus refuses them only when it loads them, keeps what it had, and says so in its log.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click

import documents
from components.alerting import rules
from documents import Loc
from engine import toolchain
from facts import ROOT
from invalid import InvalidInputError

_FOUND = re.compile(r'(?:\d+:\d+: )?group "(?P<group>.*?)", rule (?P<number>\d+), ".*?": (?P<reason>.*)')


def check(directory: Path) -> None:
    """Have promtool read the rule files of a directory; it is built if the cache does not hold it.

    Raises InvalidInputError with every problem, each naming the file, the rule and the reason.
    """
    rules.read(directory)
    files = rules.files(directory)
    if not files:
        return
    command: list[str | Path] = [toolchain.tool("promtool"), "check", "rules", "--lint=none", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InvalidInputError(_problems(done.stderr, files))


def _problems(output: str, files: list[Path]) -> list[str]:
    """Promtool's complaints in our form; each begins with the path of its file, and may have several lines."""
    complaints: list[tuple[Path, str]] = []
    for line in output.splitlines():
        path = next((path for path in files if line.startswith(f"{path}: ")), None)
        if path:
            complaints.append((path, line.removeprefix(f"{path}: ")))
        elif complaints:
            complaints[-1] = (complaints[-1][0], f"{complaints[-1][1]} {line.strip()}")
    return [_problem(*complaint) for complaint in complaints] or [output.strip()]


def _problem(path: Path, complaint: str) -> str:
    found = _FOUND.fullmatch(complaint)
    if not found:
        return f"{path.parent.name}/{path.name}: {complaint.removeprefix('0:0: ')}"
    groups = {group["name"]: group["rules"] for group in documents.read(path)["groups"]}
    rule = groups[found["group"]][int(found["number"]) - 1]
    where = rules.place(path.parent, path.stem, rule, _key(found["reason"]))
    return f"{where} (group {found['group']}): {found['reason']}"


def _key(reason: str) -> Loc:
    """The key of a rule that a reason is about."""
    named = re.match(r'(annotation|label) "(.*?)"', reason)
    if named:
        return f"{named[1]}s", named[2]
    return ("expr",) if "parse expression" in reason else ()


@click.command()
def main() -> None:
    """Check the rule files. Without a built promtool only their form is checked, and it is said so."""
    try:
        if toolchain.missing(["promtool"]):
            rules.read(ROOT / "alerts")
            click.echo("alerts/: PromQL and templates are not checked before deploying; make tools builds promtool")
        else:
            check(ROOT / "alerts")
    except InvalidInputError as error:
        raise click.ClickException(f"the rules are not valid; nothing was deployed:\n{error}") from None


if __name__ == "__main__":
    main(prog_name="engine.rule_files")
