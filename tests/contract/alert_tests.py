"""What the tests beside the rule files expect of each alert, and when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import yaml

from tests.program import ROOT
from validation import seconds

ALERTS = ROOT / "alerts"
TESTS = sorted(ALERTS.glob("*.test.yaml"))


@dataclass(frozen=True)
class Expectation:
    """What one alert does at one moment of one test."""

    test: str
    alert: str
    at: int
    """Seconds since the test's start."""
    step: int
    """Seconds between two evaluations."""
    labels: tuple[dict[str, str], ...]
    """Labels of each alert that fires, with `alertname`; empty if none does."""


@cache
def expectations() -> tuple[Expectation, ...]:
    """Everything that the tests of all rule files expect. They are read once: there are many."""
    return tuple(_expectations())


def _expectations() -> Iterator[Expectation]:
    for path in TESTS:
        document = yaml.safe_load(path.read_text())
        for test in document["tests"]:
            for expected in test.get("alert_rule_test", []):
                yield Expectation(
                    test=f"{path.name}: {test['name']}",
                    alert=expected["alertname"],
                    at=_moment(expected["eval_time"]),
                    step=_moment(document["evaluation_interval"]),
                    labels=tuple(_labels(expected["alertname"], fires) for fires in expected["exp_alerts"]),
                )


def fired() -> list[dict[str, str]]:
    """Every label set that an alert fires with in a test."""
    return [labels for expected in expectations() for labels in expected.labels]


def _labels(alert: str, fires: dict[str, Any]) -> dict[str, str]:
    return {"alertname": alert, **fires["exp_labels"]}


def _moment(text: str) -> int:
    """Seconds of a moment such as `1m45s`."""
    return sum(seconds(part) for part in re.findall(r"\d+[smhd]", text))
