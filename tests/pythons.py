"""`make test-pythons`: does the instrumentation package work on every Python that it says it works on?

Each Python that is found on PATH gets an environment of its own in the cache, from the locked requirements.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import click

from rehearsal.toolchain import ROOT, cache_directory

VERSIONS = ("3.11", "3.12", "3.13")
"""What `requires-python` of the package means today."""
REQUIREMENTS = ROOT / "requirements" / "dev.txt"


def python(version: str) -> str | None:
    """The interpreter of this version on PATH; None if there is none, or only a shim that starts nothing."""
    try:
        found = subprocess.run(
            [f"python{version}", "-c", "import sys; print(sys.executable)"], capture_output=True, text=True
        )
    except FileNotFoundError:
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def environment(interpreter: str, version: str) -> Path:
    """The environment with the locked requirements, made now if the cache does not hold it."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:12]
    directory = cache_directory() / f"python-{version}-{digest}"
    own, ready = directory / "bin" / "python", directory / ".ready"
    if not ready.exists():
        click.echo(f"Python {version}: preparing {directory}")
        uv = [sys.executable, "-m", "uv", "--quiet"]
        subprocess.run([*uv, "venv", "--clear", "--python", interpreter, str(directory)], check=True)
        install = ["pip", "install", "--python", str(own), "--require-hashes", "-r", str(REQUIREMENTS)]
        subprocess.run([*uv, *install], check=True)
        ready.touch()
    return own


def passes(version: str, interpreter: str) -> bool:
    """Run the package's tests, from its own directory and with its own settings, as one who has only the package."""
    own = environment(interpreter, version)
    tests = subprocess.run(
        [str(own), "-m", "pytest", "--quiet", "-p", "no:cacheprovider"], cwd=ROOT / "instrumentation"
    )
    return tests.returncode == 0


@click.command()
@click.argument("versions", nargs=-1)
def main(versions: tuple[str, ...]) -> None:
    """Run the tests of instrumentation/ on VERSIONS, by default on all that are supported.

    Fails if a test fails, if no Python is found, or if one that was named is not.
    """
    said = {version: _outcome(version) for version in versions or VERSIONS}
    for version, outcome in said.items():
        click.echo(f"Python {version}: {outcome}")
    outcomes = set(said.values())
    missed = "not found on PATH" in outcomes and (bool(versions) or len(outcomes) == 1)
    sys.exit("failed" in outcomes or missed)


def _outcome(version: str) -> str:
    interpreter = python(version)
    if interpreter is None:
        return "not found on PATH"
    return "passed" if passes(version, interpreter) else "failed"


if __name__ == "__main__":
    main()
