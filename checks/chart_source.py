"""The real charts, from their repositories or from a directory of packages."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urljoin

import httpx
import yaml

from checks.program import merged
from components.charts import Chart, package

TIMEOUT_SECONDS = 60


class UnreachableError(Exception):
    """A chart could not be had; the message says which, from where, and why."""


@dataclass(frozen=True)
class Package:
    """What a packaged chart says about its values."""

    defaults: dict[str, Any]
    """values.yaml, with the defaults of each subchart that is on by default under the subchart's name."""
    schema: dict[str, Any]
    """values.schema.json of the chart itself; empty if it has none."""
    versions: dict[str, str] = field(default_factory=dict)
    """What it deploys: `appVersion`, and that of each subchart under the subchart's name."""

    def version(self, place: str) -> str | None:
        """The version that the chart has at a place: one of `versions`, or a dotted path in its values."""
        value: Any = self.defaults
        for part in place.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        found: str | None = self.versions.get(place, value)
        return found


Fetch = Callable[[Chart], Package]
"""How a chart is had. Raises UnreachableError."""


def from_directory(directory: Path) -> Fetch:
    """Charts from `<chart>-<version>.tgz` files, as `helm pull` leaves them."""

    def fetch(chart: Chart) -> Package:
        path = directory / package(chart)
        try:
            return unpack(path.read_bytes())
        except OSError as error:
            raise UnreachableError(f"{path}: {error.strerror}; get it with: helm pull {_pull(chart)}") from error

    return fetch


@contextmanager
def from_repositories(client: httpx.Client | None = None) -> Iterator[Fetch]:
    """Charts from the repository that each pin names; a repository's index is read once and digests are checked."""
    with client or httpx.Client(follow_redirects=True, timeout=TIMEOUT_SECONDS) as http:
        read = cache(lambda repository: index(http, repository))

        def fetch(chart: Chart) -> Package:
            entry = _entry(read(chart.repository), chart)
            url = urljoin(f"{chart.repository}/", entry["urls"][0])
            data = _get(http, url)
            if entry.get("digest") not in (None, hashlib.sha256(data).hexdigest()):
                raise UnreachableError(f"{url}: not what the repository's index lists (sha256 {entry['digest']})")
            return unpack(data)

        yield fetch


def index(http: httpx.Client, repository: str) -> Mapping[str, Any]:
    """What a repository lists: the versions of each chart by its name. Raises UnreachableError."""
    entries: Mapping[str, Any] = _yaml(_get(http, f"{repository}/index.yaml"))["entries"]
    return entries


def unpack(data: bytes) -> Package:
    """Read a chart's package. Raises UnreachableError if it is not one."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            files = {name: _text(archive, name) for name in archive.getnames() if _is_wanted(name)}
    except tarfile.TarError as error:
        raise UnreachableError(f"not a chart package: {error}") from error
    if not files:
        raise UnreachableError("not a chart package: it has no Chart.yaml")
    root = min(files, key=len).split("/")[0]
    schema = _yaml(files.get(f"{root}/values.schema.json", "{}"))
    return Package(_defaults(files, root), schema, dict(_versions(files, root)))


def _versions(files: Mapping[str, str], root: str, subchart: str = "") -> Iterator[tuple[str, str]]:
    description = _yaml(files.get(f"{root}/Chart.yaml", "")) or {}
    yield f"{subchart}appVersion", str(description.get("appVersion", ""))
    for dependency in description.get("dependencies", []):
        yield from _versions(files, f"{root}/charts/{dependency['name']}", f"{subchart}{dependency['name']}.")


def _yaml(text: str | bytes) -> Any:
    """YAML or JSON; by the C parser, because a repository's index has megabytes."""
    return yaml.load(text, Loader=yaml.CSafeLoader)


def _is_wanted(name: str) -> bool:
    return PurePosixPath(name).name in {"Chart.yaml", "values.yaml", "values.schema.json"}


def _text(archive: tarfile.TarFile, name: str) -> str:
    member = archive.extractfile(name)
    return member.read().decode() if member else ""


def _defaults(files: Mapping[str, str], root: str) -> dict[str, Any]:
    """A chart's values, over those of its subcharts, as Helm merges them."""
    own: dict[str, Any] = _yaml(files.get(f"{root}/values.yaml", "")) or {}
    subcharts: dict[str, Any] = {}
    description = _yaml(files.get(f"{root}/Chart.yaml", "")) or {}
    for dependency in description.get("dependencies", []):
        if _is_on(own, dependency.get("condition")):
            name = dependency["name"]
            subcharts[dependency.get("alias") or name] = _defaults(files, f"{root}/charts/{name}")
    return merged(subcharts, own)


def _is_on(values: Mapping[str, Any], condition: str | None) -> bool:
    """Whether a subchart's condition holds by default; it does where the chart's values do not say."""
    value: Any = values
    for part in condition.split(".") if condition else []:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value is not False


def _entry(index: Mapping[str, Any], chart: Chart) -> Mapping[str, Any]:
    for entry in index.get(chart.name, []):
        if entry["version"] == chart.version:
            found: Mapping[str, Any] = entry
            return found
    raise UnreachableError(f"{chart.repository}: its index lists no {chart.name} {chart.version}")


def _get(http: httpx.Client, url: str) -> bytes:
    try:
        return http.get(url).raise_for_status().content
    except httpx.HTTPError as error:
        raise UnreachableError(f"{url}: {error or type(error).__name__}") from error


def _pull(chart: Chart) -> str:
    return f"{chart.name} --version {chart.version} --repo {chart.repository}"
