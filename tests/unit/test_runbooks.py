"""What a reader of a runbook needs at night: links, expected values, placeholders that can be filled, and an index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checks import documentation, promql
from facts import ROOT
from tests.unit.test_pages import broken

RUNBOOKS = sorted((ROOT / "alerts" / "runbooks").glob("*.md"))
NAMES = [page.stem for page in RUNBOOKS]
INDEX = (ROOT / "docs" / "runbooks" / "README.md").read_text()
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```\n?", re.MULTILINE | re.DOTALL)
PLACEHOLDER = re.compile(r"(?<![\w{<.$\"'-])\$?(?=[A-Z]{3})([A-Z_]+)\b(?![=\w/])|(?<=[=/])([A-Z_]{3,})\b|\$([A-Z_]+)")


def words(page: Path) -> str:
    """A page's prose: no code, and no links."""
    text = BLOCK.sub("", page.read_text())
    return re.sub(r"`[^`]*`|\[[^\]]*\]\([^)]*\)", "", text)


def unlinked(page: Path) -> set[str]:
    """Other alerts that a page names without a link to their runbooks."""
    found = re.findall(r"\b[A-Z]\w+\b", words(page))
    return set(found) & set(NAMES) - {page.stem}


def without_value(text: str) -> list[str]:
    """The queries of a page that are not followed by what is healthy."""
    return [
        query
        for language, query, after in re.findall(r"^```(\w*)\n(.*?)^```\n\n?(.*?)$", text, re.MULTILINE | re.DOTALL)
        if language in ("promql", "logql") and not re.fullmatch(r"Healthy: .+\.", after)
    ]


def of_probes_as_well(text: str) -> list[str]:
    """The queries of a page about a service's targets that also find its probe, whose target is the prober."""
    return [
        query
        for language, query in BLOCK.findall(text)
        if language == "promql" and re.search(r"\bservice\b", query)
        for selector in promql.selectors(promql.parse(query))
        if re.fullmatch(r"up|scrape_\w+", selector.name or "")
        and "job" not in {matcher.name for matcher in selector.matchers.matchers}
    ]


def placeholders(text: str) -> set[str]:
    """The words in a page's commands that the reader fills in."""
    commands = [code for language, code in BLOCK.findall(text) if language in ("sh", "shell")]
    unquoted = [re.sub(r"'[^']*'", "", command) for command in commands]
    return {"".join(groups) for command in unquoted for groups in PLACEHOLDER.findall(command)} - {"LOG_NAMESPACES"}


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_other_alerts_are_links_and_each_query_has_its_healthy_value(page: Path) -> None:
    assert unlinked(page) == set()
    assert without_value(page.read_text()) == []
    assert of_probes_as_well(page.read_text()) == [], 'add job!="service-probes"'
    assert "(../../docs/runbooks/README.md)" in page.read_text(), "how to run a query is said there"


@pytest.mark.parametrize("page", RUNBOOKS, ids=lambda page: page.stem)
def test_every_placeholder_of_a_command_is_explained(page: Path) -> None:
    explained = set(re.findall(r"^\| ([A-Z_]+) \|", INDEX, re.MULTILINE))
    assert placeholders(page.read_text()) <= explained


@pytest.mark.parametrize("page", RUNBOOKS, ids=NAMES)
def test_what_is_scraped_of_a_service_is_not_mixed_with_its_probe(page: Path) -> None:
    """Both carry the label `service`, and the probe's own scrape is always up."""
    queries = "".join(text for language, text in BLOCK.findall(page.read_text()) if language == "promql")
    of_services = re.findall(r"\b(?:up|scrape_\w+)(?:\{service=[^}]*\}|[^\n]*\bon \(service\))", queries)
    assert [query for query in of_services if "job" not in query] == []


def test_the_index_lists_every_runbook_once_and_is_up_to_date() -> None:
    listed = re.findall(r"^- \[(\w+)\]\(../../alerts/runbooks/\1.md\): .+\.$", INDEX, re.MULTILINE)
    assert documentation.with_runbooks(INDEX) == INDEX, "run: make schema"
    assert sorted(listed) == NAMES
    headings = [f"### {heading}" for heading in documentation.URGENCY.values()]
    assert [line for line in INDEX.splitlines() if line in headings] == headings


def test_what_is_missing_is_found(tmp_path: Path) -> None:
    page = tmp_path / "Example.md"
    page.write_text(
        "# Example\n\nSee ServiceDown, [HighErrorRate](HighErrorRate.md) and `RedisDown`.\n\n"
        "```promql\nup\n```\n\nHealthy: 1.\n\n```promql\nup == 0\n```\n\nThen:\n\n"
        '```sh\nkubectl logs POD --field-selector spec.nodeName=NODE\nredis-cli -h "$REDIS_HOST" node/OTHER\n```\n'
    )
    assert unlinked(page) == {"ServiceDown"}
    assert without_value(page.read_text()) == ["up == 0\n"]
    assert of_probes_as_well('```promql\nup{service="a"}\n```\n') == ['up{service="a"}\n']
    assert of_probes_as_well('```promql\nup{job!="service-probes", service="a"} unless on (service) a\n```\n') == []
    assert placeholders(page.read_text()) == {"POD", "NODE", "REDIS_HOST", "OTHER"}
    assert broken(page) == ["HighErrorRate.md"]


@pytest.mark.parametrize("name", ["VolumeFull", "VolumeFilling"])
def test_a_volume_is_not_enlarged_by_the_setting_alone(name: str) -> None:
    """Claims made from a template are immutable: docs/deploying.md has what works."""
    text = " ".join((ROOT / "alerts" / "runbooks" / f"{name}.md").read_text().split())
    assert "(../../docs/deploying.md#volumes)" in text
    assert not re.search(r"Raise `storage\.sizes`", text)
