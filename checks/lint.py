"""`make lint`'s last part: the tools that read rules, routes, the agent's configuration and workflows."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import yaml

import catalogue
from components.alerting import rules
from components.alerting.routing import alertmanager_configuration
from components.logs.agent import AGENT_GATES, agent_configuration
from engine.toolchain import tool
from facts import ROOT
from local.errors import explained
from settings import Settings, read_stack

WORKFLOWS = ROOT / ".github" / "workflows"


def commands(scratch: Path) -> Iterator[list[str | Path]]:
    """One command for each tool and file."""
    yield [tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", *rules.files(ROOT / "alerts")]
    known = catalogue.load(ROOT / "services.yaml")
    for stack in ("dev", "prod"):
        settings = _settings(stack)
        routes = scratch / f"alertmanager-{stack}.yaml"
        routes.write_text(yaml.safe_dump(alertmanager_configuration(settings)))
        yield [tool("amtool"), "check-config", routes]
        agent = scratch / f"agent-{stack}.yaml"
        agent.write_text(yaml.safe_dump(agent_configuration(settings, known.of_stack(settings))))
        yield [tool("collector"), "validate", f"--config={agent}", f"--feature-gates={AGENT_GATES}"]
    workflows = sorted(WORKFLOWS.glob("*.yml"))
    yield [tool("actionlint"), *workflows]
    yield zizmor(workflows)


def zizmor(workflows: list[Path]) -> list[str | Path]:
    """What judges the security of workflows, as strictly as it can without a network."""
    return [Path(sys.executable).with_name("zizmor"), "--offline", "--quiet", "--persona=auditor", *workflows]


def _settings(stack: str) -> Settings:
    return read_stack(ROOT / f"Pulumi.{stack}.yaml")


def main() -> int:
    """Run every command, show what fails, and return the exit code."""
    failed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for command in commands(Path(scratch)):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                failed += 1
                print(f"{Path(command[0]).name}: {done.stdout}{done.stderr}", file=sys.stderr)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    with explained():
        sys.exit(main())
