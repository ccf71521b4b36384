"""What the stack's data sources let somebody find: links that reach as far as the logs do, and time to search."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

import catalogue
import dashboards
from components.grafana import data_sources
from components.logs.loki import loki_configuration
from facts import ROOT
from quantities import seconds
from report import board
from settings import Settings, read_stack
from tests.links import follow

BOARDS = [board.read(text) for text in dashboards.load(catalogue.load(ROOT / "services.yaml")).values()]
PROD = read_stack(ROOT / "Pulumi.prod.yaml")


def keeping(retention: str) -> Settings:
    return PROD.model_copy(update={"retention": PROD.retention.model_copy(update={"logs": retention})})


def source(kind: str, settings: Settings = PROD) -> dict[str, Any]:
    (found,) = (one for one in data_sources(settings) if one["uid"] == kind)
    return found


@pytest.mark.parametrize("field", ["request_id", "correlation_id"])
@pytest.mark.parametrize("retention", ["7d", "14d"])
def test_an_id_leads_to_its_lines_as_long_as_they_are_kept(field: str, retention: str) -> None:
    place = follow(source("loki", keeping(retention)), field, "a+b & c#1%", BOARDS)
    assert (place.panel.board, place.panel.title) == ("logs", "One request, by the id typed above")
    assert place.choice["request"] == "a+b & c#1%"
    assert place.since == seconds(retention)


@pytest.mark.parametrize("field", ["request_id", "correlation_id"])
def test_what_an_id_leads_to_is_not_searched_for_again_and_again(field: str) -> None:
    (link,) = (one["url"] for one in source("loki")["jsonData"]["derivedFields"] if one["name"] == field)
    assert parse_qs(urlsplit(link).query)["refresh"] == ["1d"]


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
