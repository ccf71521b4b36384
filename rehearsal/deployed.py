"""Reads what was deployed: the objects in the stand-in cluster, which every configuration here is derived from."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from local.errors import RehearsalError
from parts import TRACE_SAMPLER

Object = dict[str, Any]


@dataclass(frozen=True)
class Deployed:
    """The objects of one stand-in cluster."""

    store: Path
    """Directory with `<Kind>/<namespace>/<name>.yaml`."""

    def objects(self, kind: str) -> list[Object]:
        """Every object of a kind, by name."""
        return [_read(path) for path in sorted((self.store / kind).glob("*/*.yaml"))]

    def dashboards(self) -> list[Object]:
        """The ConfigMaps that Grafana takes dashboards from: `data` is their JSON by file, `<uid>.json`."""
        return self._labelled("grafana_dashboard")

    def data_sources(self) -> list[Object]:
        """The ConfigMaps that Grafana takes data sources from."""
        return self._labelled("grafana_datasource")

    def secret(self, name: str) -> dict[str, str]:
        """The files of a Secret, decoded. Raises RehearsalError if there is no such Secret."""
        document = self._named("Secret", name)
        decoded = {key: base64.b64decode(value).decode() for key, value in (document.get("data") or {}).items()}
        return decoded | (document.get("stringData") or {})

    def release(self, name: str) -> dict[str, Any]:
        """The values of a Helm release. Raises RehearsalError if there is no such release."""
        values: dict[str, Any] = self._named("Release", name)["values"]
        return values

    @property
    def traces(self) -> bool:
        """Whether the log agent sends spans on."""
        return "traces" in self.release("log-agent")["alternateConfig"]["service"]["pipelines"]

    @property
    def samples(self) -> bool:
        """Whether only some traces are kept."""
        return any((self.store / "Release").glob(f"*/{TRACE_SAMPLER.release}.yaml"))

    def _labelled(self, label: str) -> list[Object]:
        return [item for item in self.objects("ConfigMap") if label in (item["metadata"].get("labels") or {})]

    def _named(self, kind: str, name: str) -> Object:
        for path in (self.store / kind).glob(f"*/{name}.yaml"):
            return _read(path)
        raise RehearsalError(
            f"{kind} {name} was not deployed, and the rehearsal is derived from it: deploy it under this name, "
            "or stop reading it in rehearsal/derive.py and rehearsal/programs.py"
        )


def _read(path: Path) -> Object:
    document: Object = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)
    return document
