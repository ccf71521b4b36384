"""`make outdated`: each pin, and the newest version by its registry's ordinary client.

Of images no registry is asked: their tags have variants and no order, which Renovate knows and nothing here does.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from functools import cache
from typing import Any

import click
import httpx

from checks.chart_source import TIMEOUT_SECONDS, UnreachableError, index
from checks.pins import Pin, pins
from engine.npm import NPM
from engine.toolchain import go
from facts import ROOT

NEWEST, OUTDATED, UNKNOWN = 0, 1, 2
ROBOT = ROOT / ".github" / "renovate.json"
AT_ONCE = 8
_RELEASE = re.compile(r"v?\d+(\.\d+)*")


class NotAskedError(Exception):
    """A registry did not answer, or has no client here; the message says why."""


def held(pin: Pin, rules: Iterable[Mapping[str, Any]]) -> str:
    """Why the robot leaves a pin alone; empty if it does not."""
    chosen = {"matchFileNames": pin.file, "matchPackageNames": pin.name}
    for rule in rules:
        matchers = {key: value for key, value in rule.items() if key.startswith("match")}
        of_pin = all(any(fnmatch(chosen.get(key, ""), item) for item in value) for key, value in matchers.items())
        if rule.get("enabled") is False and of_pin:
            return str(rule["description"])
    return ""


def is_newer(version: str, pinned: str) -> bool:
    """Whether a version is newer than the pinned one, by the numbers in them."""
    return _numbers(version) > _numbers(pinned)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _output(*command: str, text: str = "") -> str:
    try:
        done = subprocess.run(command, input=text, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotAskedError(str(error)) from error
    if done.returncode:
        raise NotAskedError(" ".join(done.stderr.split())[:200] or f"{command[0]} failed")
    return done.stdout


def _go(pin: Pin) -> str:
    return _output(go(), "list", "-m", "-f", "{{.Version}}", f"{pin.name}@latest").strip()


def _npm(pin: Pin) -> str:
    return _output(*NPM, "view", pin.name, "version").strip()


def _action(pin: Pin) -> str:
    listed = _output("git", "ls-remote", "--tags", "--refs", f"https://github.com/{pin.name}").split()
    tags = [name.rpartition("/")[2] for name in listed[1::2]]
    return max((tag for tag in tags if _RELEASE.fullmatch(tag)), key=_numbers)


@cache
def _index(repository: str) -> Mapping[str, Any]:
    with httpx.Client(follow_redirects=True, timeout=TIMEOUT_SECONDS) as client:
        return index(client, repository)


def _chart(pin: Pin) -> str:
    try:
        versions = [entry["version"] for entry in _index(pin.repository)[pin.name]]
    except UnreachableError as error:
        raise NotAskedError(str(error)) from error
    return str(max((version for version in versions if _RELEASE.fullmatch(version)), key=_numbers))


def _image(pin: Pin) -> str:
    raise NotAskedError(f"see its tags with: skopeo list-tags docker://{pin.name}")


@cache
def _packages() -> Mapping[str, str]:
    """The newest version of every Python package, by one resolution without what each needs."""
    names = "\n".join({pin.name for pin in pins() if pin.source == "pypi"})
    command = ("uv", "pip", "compile", "--no-config", "--no-deps", "--no-header", "--no-annotate", "--quiet", "-")
    return dict(re.findall(r"^(\S+)==(\S+)", _output(sys.executable, "-m", *command, text=names), re.MULTILINE))


def _package(pin: Pin) -> str:
    return _packages()[pin.name]


REGISTRIES: Mapping[str, Callable[[Pin], str]] = {
    "docker": _image,
    "github-tags": _action,
    "go": _go,
    "helm": _chart,
    "npm": _npm,
    "pypi": _package,
}
"""What asks for the newest version, by the source of a pin. Each raises NotAskedError."""


def judged(pin: Pin, rules: list[Mapping[str, Any]]) -> tuple[str, str]:
    """A word about a pin, and the newest version or what is to be said instead."""
    reason = held(pin, rules)
    if reason:
        return "held", reason
    try:
        newest = REGISTRIES[pin.source](pin)
    except NotAskedError as error:
        return "unknown", str(error)
    return ("outdated", newest) if is_newer(newest, pin.version) else ("newest", "")


@click.command()
def main() -> None:
    """List each pin with the newest version.

    Exit 0: every pin that is not held is the newest. 1: some are outdated. 2: none is known to be, but some could not
    be asked for, as their registry is unreachable or has no client here.
    """
    rules: list[Mapping[str, Any]] = json.loads(ROBOT.read_text())["packageRules"]
    each = sorted(set(pins()))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = list(pool.map(lambda pin: judged(pin, rules), each))
    for pin, (word, said) in zip(each, verdicts, strict=True):
        click.echo(f"{word:9} {pin.source:11} {pin.name} {pin.version}{f' -> {said}' if said else ''} ({pin.file})")
    words = [word for word, _ in verdicts]
    click.echo(", ".join(f"{words.count(word)} {word}" for word in ("newest", "outdated", "held", "unknown")))
    sys.exit(OUTDATED if "outdated" in words else UNKNOWN if "unknown" in words else NEWEST)


if __name__ == "__main__":
    main()
