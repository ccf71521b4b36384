"""Every version that the project pins and someone has to raise, with the file where it stands.

What a chart deploys by itself is the chart's choice (`components/versions.yaml`), and what a lock adds is the lock's.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.charts import CHARTS
from components.images import OWN
from components.metrics import component
from facts import ROOT

TOOLS = "engine/tools"

_REQUIREMENT = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==(\S+)$", re.MULTILINE)
_ACTION = re.compile(r"uses: ([\w-]+/[\w-]+)[\w/-]*@[0-9a-f]{40} # (v[\d.]+)")
_MODULE = re.compile(r"^(?:require )?\t?(\S+) (v\S+)( // indirect)?$", re.MULTILINE)
_TOOL = re.compile(r"^tool ([^(\s]\S*)$|^tool \((.*?)^\)$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, order=True, kw_only=True)
class Pin:
    """One version of one thing, in one file."""

    source: str
    """Which kind of registry has it, by Renovate's name for it: helm, docker, go, npm, pypi, github-tags."""
    name: str
    """What the registry calls it."""
    version: str
    """As it is written."""
    file: str
    """Below the project's directory."""
    repository: str = ""
    """Address of the repository of a chart."""


def pins(root: Path = ROOT) -> Iterator[Pin]:
    """Every pin; the same one twice where it is written twice."""
    yield from _charts()
    yield from _images()
    for file in sorted(root.glob(f"{TOOLS}/*/go.mod")):
        for module, version in modules(file.read_text()).items():
            yield Pin(source="go", name=module, version=version, file=str(file.relative_to(root)))
    for file in sorted(root.glob(f"{TOOLS}/*/package.json")):
        for package, version in json.loads(file.read_text())["dependencies"].items():
            yield Pin(source="npm", name=package, version=version, file=str(file.relative_to(root)))
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    yield from _found(_REQUIREMENT, "\n".join(wanted), "pypi", "pyproject.toml")
    for file in sorted(root.glob("requirements/*.in")):
        yield from _found(_REQUIREMENT, file.read_text(), "pypi", str(file.relative_to(root)))
    for file in sorted(root.glob(".github/workflows/*.yml")):
        yield from _found(_ACTION, file.read_text(), "github-tags", str(file.relative_to(root)))


def modules(text: str) -> dict[str, str]:
    """The Go modules that a go.mod chooses, with versions: those it imports, and those of its tools."""
    listed = {name: (version, indirect) for name, version, indirect in _MODULE.findall(text)}
    tools = [path for one, block in _TOOL.findall(text) for path in (one or block).split()]
    of_tools = {max((name for name in listed if f"{path}/".startswith(f"{name}/")), key=len) for path in tools}
    return {name: version for name, (version, indirect) in listed.items() if not indirect or name in of_tools}


def _charts() -> Iterator[Pin]:
    for chart in CHARTS:
        yield Pin(
            source="helm",
            name=chart.name,
            version=chart.version,
            file="components/charts.py",
            repository=chart.repository,
        )


def _images() -> Iterator[Pin]:
    """The images of our own containers, and the chart's image whose version our values choose."""
    for file, image in (
        *(("facts.py", image) for image in OWN),
        ("components/metrics/component.py", f"quay.io/prometheus/alertmanager:{component.ALERTMANAGER}"),
    ):
        name, _, tag = image.rpartition(":")
        yield Pin(source="docker", name=name, version=tag, file=file)


def _found(pattern: re.Pattern[str], text: str, source: str, file: str) -> Iterator[Pin]:
    for name, version in pattern.findall(text):
        yield Pin(source=source, name=name, version=version, file=file)
