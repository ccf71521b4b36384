"""The package and the agent mask by one list: each text that the package's tests know, through the deployed agent."""

from __future__ import annotations

import json
import re

from checks.logs.pipeline import Pipeline
from instrumentation.tests.secret_texts import HARMLESS, texts
from tests.logs.test_redaction import through


def test_what_the_package_masks_the_agent_masks(node: Pipeline) -> None:
    given = list(texts())
    lines = [*given, *(json.dumps({"message": text, "ok": True}) for text in given)]
    entries = through(node, "one-list", lines)
    readable = [
        (line, entry.text) for line, entry in zip(lines, entries, strict=True) if re.search("Z[Qq]7", entry.text)
    ]
    assert readable == []


def test_what_the_package_leaves_the_agent_leaves(node: Pipeline) -> None:
    assert [entry.text for entry in through(node, "one-list-harmless", HARMLESS)] == list(HARMLESS)
