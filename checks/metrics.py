"""The series that rules, dashboards and runbooks read, by the program that exposes them: `metrics.yaml`, typed.

What is really exposed is compared with the list where the programs run: in the rehearsal and in the test cluster.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from catalogue import Catalogue

LISTED = Path(__file__).with_suffix(".yaml")
PREFIX = "<prefix>"
"""Stands for the metric prefix of each service."""


@dataclass(frozen=True)
class Signature:
    """Type of a series, and the labels that its program gives it."""

    kind: str
    labels: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Signature:
        """Read `counter cpu mode`."""
        kind, *labels = text.split()
        return cls(kind, frozenset(labels))

    def __str__(self) -> str:
        """As it is written in the list."""
        return " ".join([self.kind, *sorted(self.labels)])


@dataclass(frozen=True)
class Component:
    """A program that exposes series."""

    name: str
    jobs: str
    """Scrape jobs of its targets: a pattern; empty for what is in Prometheus without a target."""
    target: frozenset[str]
    """The labels that its targets have, beside `job` and `instance`."""
    invented: str
    """Where the names are from, if the rehearsal only plays it."""
    series: dict[str, Signature | None]
    """None where labels and type are not of a program, as with `up`."""
    later: dict[str, str]
    """The series of these that appear only in some state, and in which."""

    @property
    def labels(self) -> frozenset[str]:
        """What scraping adds to every series."""
        return self.target | {"job", "instance"} if self.jobs else frozenset()


def components(catalogue: Catalogue) -> list[Component]:
    """Every program of the list, with the series of each service."""
    listed: dict[str, dict[str, Any]] = yaml.load(LISTED.read_text(), Loader=yaml.CSafeLoader)
    prefixes = [str(service.prefix) for service in catalogue.measured]
    return [_component(name, item, prefixes) for name, item in listed.items()]


def _component(name: str, item: dict[str, Any], prefixes: Iterable[str]) -> Component:
    series = {
        series.replace(PREFIX, prefix): Signature.parse(text) if text else None
        for series, text in item["series"].items()
        for prefix in prefixes
    }
    target = frozenset(item.get("target", "").split())
    return Component(name, item.get("jobs", ""), target, item.get("invented", ""), series, item.get("later", {}))


def exposed(page: str) -> dict[str, Signature]:
    """The series of a page in the text format, by the names that Prometheus stores."""
    # prometheus_client's parser would add `_total` to the counters that lack it.
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))
    found: dict[str, Signature] = {}
    for name, labels in re.findall(r"^([A-Za-z_:][\w:]*)(?:\{(.*)\})? \S", page, re.MULTILINE):
        kind = kinds.get(name) or kinds.get(re.sub(r"_(bucket|sum|count)$", "", name), "untyped")
        before = found[name].labels if name in found else frozenset()
        found[name] = Signature(kind, before | frozenset(re.findall(r'(\w+)="(?:\\.|[^"\\])*"', labels)))
    return found


def differences(
    wanted: Mapping[str, Signature | None], found: Mapping[str, Signature], may_lack: Collection[str] = ()
) -> Iterator[str]:
    """What a program does not expose as it is listed."""
    for name, signature in wanted.items():
        if name not in found and name in may_lack:
            continue
        if name not in found:
            yield f"{name} is not exposed"
        elif signature and found[name] != signature:
            yield f"{name} is `{found[name]}`, and listed as `{signature}`"


def matching(pattern: str, names: Collection[str]) -> list[str]:
    """The names that a pattern matches wholly."""
    return [name for name in names if re.fullmatch(pattern, name)]
