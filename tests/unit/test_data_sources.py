"""What the stack's data sources let somebody find: links that reach as far as the logs do, and time to search."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import catalogue
import dashboards
from checks.log_links import KEPT, OF_A_CHAIN, OF_A_REQUEST, follow
from components.grafana import data_sources
from components.logs.loki import loki_configuration
from facts import ROOT
from quantities import seconds
from report import board
from settings import Settings, read_stack

BOARDS = [board.read(text) for text in dashboards.load(catalogue.load(ROOT / "services.yaml")).values()]
PROD = read_stack(ROOT / "Pulumi.prod.yaml")


def keeping(retention: str) -> Settings:
    return PROD.model_copy(update={"retention": PROD.retention.model_copy(update={"logs": retention})})


def source(kind: str, settings: Settings = PROD) -> dict[str, Any]:
    (found,) = (one for one in data_sources(settings) if one["uid"] == kind)
    return found


TITLES = (OF_A_REQUEST, OF_A_CHAIN)
AT = 1_800_000_000.25
HOUR = 3600


@pytest.mark.parametrize("title", TITLES)
def test_an_id_leads_to_its_lines_from_an_hour_before_to_an_hour_after(title: str) -> None:
    place = follow(source("loki"), title, "a+b & c#1%", BOARDS, at=AT)
    assert (place.panel.board, place.panel.title) == ("logs", "One request, by the id typed above")
    assert place.choice["request"] == "a+b & c#1%"
    assert (place.period.start, place.period.end) == (AT - HOUR, AT + HOUR)


@pytest.mark.parametrize("title", TITLES)
@pytest.mark.parametrize("retention", ["7d", "14d"])
def test_an_id_leads_to_its_lines_as_long_as_they_are_kept(title: str, retention: str) -> None:
    loki = source("loki", keeping(retention))
    place, near = follow(loki, f"{title}{KEPT}", "a+b", BOARDS, at=AT), follow(loki, title, "a+b", BOARDS, at=AT)
    assert (place.panel, place.choice) == (near.panel, near.choice)
    assert place.period.length == seconds(retention)


def test_what_an_id_leads_to_is_not_searched_for_again_and_again() -> None:
    links = [one["url"] for one in source("loki")["jsonData"]["derivedFields"] if one["urlDisplayLabel"] != "Trace"]
    assert len(links) == 4
    assert all(parse_qs(urlsplit(link).query)["refresh"] == ["1d"] for link in links)


def test_grafana_waits_for_lokis_own_answer() -> None:
    assert source("loki")["jsonData"]["timeout"] > seconds(loki_configuration(PROD)["limits_config"]["query_timeout"])


def test_a_span_leads_to_lines_that_are_written_when_it_has_ended() -> None:
    assert seconds(source("tempo")["jsonData"]["tracesToLogsV2"]["spanEndTimeShift"]) >= 30


def test_a_span_leads_to_the_lines_of_its_trace_in_every_service() -> None:
    lines = source("tempo")["jsonData"]["tracesToLogsV2"]
    assert (lines["datasourceUid"], lines["customQuery"]) == ("loki", True)
    assert lines["query"] == '{service_name=~".+"} | trace_id="$${__trace.traceId}"'


def test_a_span_leads_to_recorded_series_of_its_service() -> None:
    metrics = source("tempo")["jsonData"]["tracesToMetrics"]
    assert metrics["tags"] == [{"key": "service.name", "value": "service"}]
    recorded = set(re.findall(r"record: (\S+)", "".join(file.read_text() for file in (ROOT / "alerts").glob("*.yaml"))))
    asked = [query["query"] for query in metrics["queries"]]
    assert asked
    for query in asked:
        name, tags = query.split("{", 1)
        assert name in recorded
        assert tags == "$$__tags}"
