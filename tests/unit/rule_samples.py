"""Rules and settings for the tests of rules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import catalogue
from components.alerting import rules
from facts import ROOT
from settings import Links, parse
from validation import InvalidInputError

CATALOGUE = catalogue.load(ROOT / "services.yaml")
LINKS = Links(grafana="https://grafana.test", runbooks="https://runbooks.test/pages")
SETTINGS = parse(
    {
        "platform": "eks",
        "cluster": "c",
        "notifications": {"unsetChannels": "leave-out"},
        "links": {"runbooks": "https://runbooks.test"},
    }
).model_copy(update={"links": LINKS})


def alert(**changes: Any) -> dict[str, Any]:
    """A rule that is accepted, with changes; a value of None removes the key."""
    rule = {
        "alert": "SomethingWrong",
        "expr": "vector(1)",
        "labels": {"severity": "warning"},
        "annotations": {"summary": "It is wrong.", "description": "It is.", "dashboard": "system-health?var-a=b"},
    }
    return {key: value for key, value in (rule | changes).items() if value is not None}


def write(directory: Path, *rule: dict[str, Any], name: str = "things.yaml") -> None:
    (directory / name).write_text(yaml.safe_dump({"groups": [{"name": "things", "rules": list(rule)}]}))


def problem(directory: Path) -> str:
    with pytest.raises(InvalidInputError) as error:
        rules.prometheus_rules(directory, CATALOGUE, SETTINGS)
    return "\n".join(error.value.problems)
