"""How the dashboards are made: the same for the same input, and refused in words."""

from __future__ import annotations

import colorsys
import json
from importlib import metadata

import pytest

import dashboards
from catalogue import Service
from checks.dashboard_json import BOARDS, CATALOGUE, Board, own, panels
from dashboards import business_operations, service_colours, service_detail, system_health
from dashboards.board import row
from dashboards.panels import LogQuery, table
from dashboards.promql import series


def test_the_same_catalogue_gives_the_same_text() -> None:
    assert dashboards.load(CATALOGUE) == dashboards.load(CATALOGUE)


def test_a_dashboard_has_the_uid_that_alerts_expect_of_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dashboards.uids() == [*BOARDS]
    monkeypatch.setattr(business_operations, "build", system_health.build)
    with pytest.raises(ValueError, match=r"business_operations: the uid 'system-health' must be 'business-operations'"):
        dashboards.load(CATALOGUE)


def test_a_selector_joins_the_matchers_that_are_not_empty() -> None:
    assert series("up", 'pod!="", zone="a"', "", job="x") == 'up{pod!="", zone="a", job="x"}'
    assert series("up", "") == "up{}"
    assert series("", 'service_name=~".+"') == '{service_name=~".+"}'


def test_a_panel_keeps_its_id_when_others_come_or_go_above_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {panel["title"]: panel["id"] for panel in panels(BOARDS["system-health"])}
    monkeypatch.setattr(system_health.status, "row", lambda: row("A first row without the panels of before"))
    shifted = json.loads(dashboards.load(CATALOGUE)["system-health"])
    after = {panel["title"]: panel["id"] for panel in panels(shifted)}
    assert after["Error rate"] == before["Error rate"]
    assert len(after) < len(before)


def test_a_table_of_several_queries_takes_no_log_query() -> None:
    with pytest.raises(ValueError, match="'Both': a LogQL query must be the only one"):
        table("Both", LogQuery("a", "A"), LogQuery("b", "B"), by=["c"], shows="", wrong="", unit="short")


def test_a_new_service_is_looked_at_for_failing_endpoints() -> None:
    added = Service(name="added-service", port=8999, prefix="added")
    larger = CATALOGUE.model_copy(update={"services": (*CATALOGUE.services, added)})
    assert "added_requests_total" in dashboards.load(larger)["service-detail"]
    assert "added_requests_total" not in dashboards.load(CATALOGUE)["service-detail"]


def test_a_catalogue_without_measured_services_is_refused_in_words() -> None:
    unmeasured = tuple(service.model_copy(update={"prefix": None}) for service in CATALOGUE.services)
    with pytest.raises(ValueError, match=r"services\.yaml: no service exposes metrics.*give a service a `prefix`"):
        service_detail.build(CATALOGUE.model_copy(update={"services": unmeasured}))


def test_the_sdk_is_the_maintained_line() -> None:
    """Resolvers prefer "10.1.0", an epoch build for Grafana 10.1 that writes an old schema."""
    assert metadata.version("grafana-foundation-sdk").removeprefix("v") == "0.0.21"


def lines_of(board: Board, *names: str) -> dict[str, set[str]]:
    """The colours that the graphs of a dashboard give the lines of these names."""
    found: dict[str, set[str]] = {name: set() for name in names}
    for panel in panels(board):
        for name in names if panel["type"] == "timeseries" else ():
            found[name] |= {own(panel, name)["color"]["fixedColor"]} if "color" in own(panel, name) else set()
    return found


SERVICES = [service.name for service in CATALOGUE.services]


def test_a_service_has_one_colour_on_every_graph_and_none_of_trouble() -> None:
    shown: dict[str, set[str]] = {name: set() for name in SERVICES}
    for board in BOARDS.values():
        for name, colours in lines_of(board, *SERVICES).items():
            shown[name] |= colours
    assert all(len(colours) == 1 for colours in shown.values()), shown
    assert len({colour for colours in shown.values() for colour in colours}) == len(SERVICES)
    for board in BOARDS.values():
        names = [f"{name}{line}" for name in SERVICES for line in ("", " availability", " P99", " latency 3 h")]
        for colours in lines_of(board, *names).values():
            assert not {colour for colour in colours if trouble(colour)}


def trouble(colour: str) -> bool:
    """Whether a colour is red, orange or yellow."""
    hue, _, _ = colorsys.rgb_to_hls(*(int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)))
    return not 70 <= 360 * hue <= 330


def test_a_graph_of_a_service_alone_never_leaves_its_colour_to_chance() -> None:
    left = [
        (uid, panel["title"])
        for uid, board in BOARDS.items()
        for panel in panels(board)
        if panel["type"] == "timeseries"
        and {"{{service}}", "{{service_name}}"} & {target.get("legendFormat") for target in panel["targets"]}
        and not all("color" in own(panel, name) for name in SERVICES)
    ]
    assert left == []


def test_an_added_service_changes_no_colour() -> None:
    added = Service(name="added-service", port=8999, prefix="added")
    larger = CATALOGUE.model_copy(update={"services": (*CATALOGUE.services, added)})
    board = json.loads(dashboards.load(larger)["system-health"])
    assert lines_of(board, *SERVICES) == lines_of(BOARDS["system-health"], *SERVICES)
    (new,) = lines_of(board, "added-service")["added-service"]
    assert not trouble(new)


def test_the_colours_of_thirty_services_are_different() -> None:
    assert len({service_colours.colour(place) for place in range(30)}) == 30
