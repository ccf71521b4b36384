"""The page of the dashboards, made from the running stack as `make report` makes it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from checks.waiting import PATIENCE_SECONDS, eventually
from facts import ROOT
from local.ports import SERVICES
from tests.rehearsal import panels
from tests.rehearsal.running import Running

MULTIPLES = {"": 1.0, "K": 1e3, "M": 1e6}


@dataclass
class Drawn:
    """One panel of the page."""

    classes: list[str]
    title: str = ""
    values: list[str] = field(default_factory=list)


class Page(HTMLParser):
    """What the page says, by board, and every address in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.boards: dict[str, list[Drawn]] = {}
        self.ends: dict[str, str] = {}
        self.addresses: list[str] = []
        self._board = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.addresses += [value for name, value in given.items() if name in {"src", "href", "action", "poster"}]
        if tag == "main":
            self._board = given["data-board"]
            self.boards[self._board] = []
        elif tag == "article":
            self.boards[self._board].append(Drawn(given["class"].split()))
        elif tag == "time" and self._board and not self.boards[self._board]:
            self.ends[self._board] = given["datetime"]  # of "From … to …" it is the later one that stays
        self._inside = "title" if tag == "h4" else given.get("class", "")

    def handle_data(self, data: str) -> None:
        if self._inside == "title":
            self.boards[self._board][-1].title += data
        elif self._inside == "value":
            self.boards[self._board][-1].values.append(data)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - as HTMLParser calls it
        self._inside = ""

    def values(self, board: str, title: str) -> list[str]:
        """What the tiles of a panel say."""
        return next(drawn.values for drawn in self.boards[board] if drawn.title == title)


def make_report(project: Path, *arguments: str, state: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "report", *arguments],
        cwd=project,
        env=os.environ | {"STATE": str(state or project / ".rehearsal")},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture(scope="module")
def page(rehearsal: Running) -> Page:
    services = len(SERVICES)  # of the catalogue, those that are simulated
    up = "service:probe_success:ratio == 1"
    eventually(lambda: len(rehearsal.query(up)) == services, what=f"{up} for each of {services} services")
    done = make_report(rehearsal.project)
    assert done.returncode == 0, done.stdout + done.stderr
    file = rehearsal.project / ".rehearsal" / "report.html"
    assert file.as_uri() in done.stdout
    return Page(file.read_text())


def test_every_panel_of_every_deployed_dashboard_is_on_the_page(rehearsal: Running, page: Page) -> None:
    deployed = panels.boards(rehearsal)
    assert len(deployed) >= 6
    assert {uid: [drawn.title for drawn in found] for uid, found in page.boards.items()} == {
        board.uid: [panel.title for panel in board.panels] for board in deployed
    }


def test_no_panel_of_the_page_has_failed(page: Page) -> None:
    failed = [(uid, drawn.title) for uid, found in page.boards.items() for drawn in found if "failed" in drawn.classes]
    assert failed == []


def test_the_page_needs_nothing_but_itself_and_leads_to_what_it_does_not_show(rehearsal: Running, page: Page) -> None:
    others = [address for address in page.addresses if not address.startswith("#")]
    drawn = f"{rehearsal.ports.url('receivers')}/d/"
    assert [address for address in others if not address.startswith(drawn)] == []
    order = f"{drawn}service-detail?var-service=order-service"
    assert order in others
    assert "Service detail" in httpx.get(order, timeout=60).raise_for_status().text


@pytest.mark.parametrize(
    ("board", "title", "query"),
    [
        ("infrastructure", "Nodes ready", 'sum(kube_node_status_condition{condition="Ready", status="true"})'),
        ("infrastructure", "Charges this month", "aws:month_charges:usd"),
        ("monitoring", "Grafana: dashboards", "max(grafana_stat_totals_dashboard)"),
    ],
)
def test_a_tile_says_what_prometheus_says(rehearsal: Running, page: Page, board: str, title: str, query: str) -> None:
    (told,) = page.values(board, title)
    number = re.fullmatch(r"\$?([0-9.,]+)([KM]?)", told)
    assert number, told
    at = str(datetime.fromisoformat(page.ends[board]).timestamp())
    answer = rehearsal.get("prometheus", "/api/v1/query", query=query, time=at)
    (sample,) = answer["data"]["result"]
    shown = float(number[1].replace(",", "")) * MULTIPLES[number[2]]
    assert shown == pytest.approx(float(sample["value"][1]), rel=0.005)


def test_the_tiles_of_the_services_say_which_are_up(rehearsal: Running, page: Page) -> None:
    at = str(datetime.fromisoformat(page.ends["system-health"]).timestamp())
    answer = rehearsal.get("prometheus", "/api/v1/query", query="service:probe_success:ratio == 1", time=at)
    assert page.values("system-health", "Service status") == ["Up"] * len(answer["data"]["result"])


def test_one_dashboard_goes_where_it_is_told_to(rehearsal: Running, tmp_path: Path) -> None:
    file = tmp_path / "pages" / "logs.html"
    done = make_report(rehearsal.project, "--board", "logs", "--since", "5m", "--out", str(file))
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(Page(file.read_text()).boards) == ["logs"]


def test_a_dashboard_that_is_not_deployed_is_refused_with_those_that_are(rehearsal: Running) -> None:
    done = make_report(rehearsal.project, "--board", "sales")
    assert done.returncode == 1
    assert re.search(r"BOARD=sales: expected one of system-health.*logs", done.stderr, re.DOTALL)


def test_without_a_rehearsal_it_says_how_to_start_one(tmp_path: Path) -> None:
    done = make_report(ROOT, state=tmp_path)
    assert done.returncode == 1
    assert "the rehearsal is not running; start it with: make up" in done.stderr


def test_what_the_alerts_were_worth_is_reviewed(rehearsal: Running, tmp_path: Path) -> None:
    """`make review` of the running rehearsal; `test_review.py` has the numbers."""
    file = tmp_path / "review.html"
    done = subprocess.run(
        [sys.executable, "-m", "review", "--since", "6h", "--out", str(file)],
        cwd=rehearsal.project,
        env=os.environ | {"STATE": str(rehearsal.project / ".rehearsal")},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not of the 6 h asked for" in done.stdout
    assert "RedisDown" in file.with_suffix(".md").read_text()
