"""`make test-pythons`: does the instrumentation package work with every Python and library that it says it works with?

Each Python that is found on PATH gets an environment of its own in the cache, from the locked requirements; the first
one gets another, with the lowest versions that the package allows.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import click

from engine.toolchain import cache_directory
from facts import ROOT
from targets import Target

VERSIONS = ("3.11", "3.12", "3.13")
"""What `requires-python` of the package means today."""
LOCKED, LOWEST = ROOT / "requirements" / "dev.txt", ROOT / "requirements" / "lowest.txt"


def python(version: str) -> str | None:
    """The interpreter of this version on PATH; None if there is none, or only a shim that starts nothing."""
    try:
        found = subprocess.run(
            [f"python{version}", "-c", "import sys; print(sys.executable)"], capture_output=True, text=True
        )
    except FileNotFoundError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def environment(interpreter: str, version: str, requirements: Path) -> Path:
    """The environment with these requirements, made now if the cache does not hold it."""
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]
    directory = cache_directory() / f"python-{version}-{digest}"
    own, ready = directory / "bin" / "python", directory / ".ready"
    if not ready.exists():
        click.echo(f"Python {version}: preparing {directory}")
        uv = [sys.executable, "-m", "uv", "--quiet"]
        subprocess.run([*uv, "venv", "--clear", "--python", interpreter, str(directory)], check=True)
        install = ["pip", "install", "--python", str(own), "--require-hashes", "-r", str(requirements)]
        subprocess.run([*uv, *install], check=True)
        ready.touch()
    return own


def passes(version: str, interpreter: str, requirements: Path) -> bool:
    """Run the package's tests, from its own directory and with its own settings, as one who has only the package."""
    own = environment(interpreter, version, requirements)
    tests = subprocess.run(
        [str(own), "-m", "pytest", "--quiet", "-p", "no:cacheprovider"], cwd=ROOT / "instrumentation"
    )
    return tests.returncode == 0


@click.command(cls=Target, example='make test-pythons VERSIONS="3.12 3.13"')
@click.argument("versions", nargs=-1, type=click.Choice(VERSIONS))
def main(versions: tuple[str, ...]) -> None:
    """Run the tests of instrumentation/ on VERSIONS, by default on all that are supported.

    Fails if a test fails, if no Python is found, or if one that was named is not.
    """
    asked = versions or VERSIONS
    said = {f"Python {version}": _outcome(version, LOCKED) for version in asked}
    oldest = next((version for version in asked if python(version)), None)
    if oldest is not None:
        said[f"Python {oldest} with the lowest versions"] = _outcome(oldest, LOWEST)
    for what, outcome in said.items():
        click.echo(f"{what}: {outcome}")
    outcomes = set(said.values())
    missed = "not found on PATH" in outcomes and (bool(versions) or len(outcomes) == 1)
    sys.exit("failed" in outcomes or missed)


def _outcome(version: str, requirements: Path) -> str:
    interpreter = python(version)
    if interpreter is None:
        return "not found on PATH"
    return "passed" if passes(version, interpreter, requirements) else "failed"


if __name__ == "__main__":
    main()
