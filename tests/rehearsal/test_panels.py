"""Every query of every panel returns data in the running stack, or is declared to be empty while all is well."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import catalogue
from checks.waiting import eventually, until_none
from facts import ROOT
from report import variables
from report.board import Board
from report.sources import Line, Period, Sources
from tests.rehearsal import panels
from tests.rehearsal.panels import STATES, Question
from tests.rehearsal.running import Running

CONNECTIONS = Path("/proc/sys/net/netfilter/nf_conntrack_count")
NEEDING_NOTHING = [
    ("service", service.name)
    for service in catalogue.load(ROOT / "services.yaml").services
    if not (*service.requires, *service.uses)
]
RANGE_SECONDS = 120
"""Short, as some panels compare with the start of the range, when there must have been data."""


@pytest.fixture(scope="module")
def boards(rehearsal: Running) -> list[Board]:
    return panels.boards(rehearsal)


@pytest.fixture(scope="module")
def sources(rehearsal: Running) -> Sources:
    return panels.sources(rehearsal)


@pytest.fixture(scope="module")
def asked(rehearsal: Running, boards: list[Board], sources: Sources) -> list[Question]:
    """Everything that the dashboards can ask, with the values that there are now."""
    now = period(rehearsal)
    return [
        question for shown in boards for question in panels.questions(shown, variables.values(shown, sources, now), now)
    ]


def period(rehearsal: Running) -> Period:
    return Period.last(RANGE_SECONDS, scrape=panels.scrape_interval(rehearsal))


def test_every_variable_has_values(rehearsal: Running, boards: list[Board], sources: Sources) -> None:
    def without() -> set[object]:
        listed = {shown.uid: variables.values(shown, sources, period(rehearsal)) for shown in boards}
        wanted = ((shown.uid, item.name) for shown in boards for item in shown.variables if item.query or item.options)
        return {f"{uid}: {name}" for uid, name in wanted if name not in listed[uid]}

    until_none(without, what="these variables have no values")
    assert all(panels.RESOLUTION in variables.everything(shown) for shown in boards)


def must_answer(question: Question) -> bool:
    """Whether it must return data in this stack, as its panel cannot be empty or is so only in other stacks.

    The node is this machine, whose kernel need not track connections. Some services need nothing.
    """
    panel = question.panel
    if "dependency" in question.target.expr and question.value in NEEDING_NOTHING:
        return False
    if "node_nf_conntrack_" in question.target.expr and not CONNECTIONS.exists():
        return False
    return panel.empty is None or panel.title in panels.shown_by("ordinary").get(panel.board, [])


def test_every_query_of_every_panel_returns_data(rehearsal: Running, asked: list[Question]) -> None:
    assert len(asked) > 500
    panels.wait_until_answered(rehearsal, filter(must_answer, asked), RANGE_SECONDS)


def test_what_may_be_empty_is_asked_without_an_error(
    rehearsal: Running, asked: list[Question], sources: Sources
) -> None:
    panels.empty((one for one in asked if not must_answer(one)), sources, period(rehearsal))


def test_exactly_what_may_be_empty_is_shown_in_some_state(boards: list[Board]) -> None:
    may_be_empty = {(panel.board, panel.title) for shown in boards for panel in shown.panels if panel.empty is not None}
    states = [panels.shown_by(state) for state in STATES]
    assert {(uid, title) for titles in states for uid, listed in titles.items() for title in listed} == may_be_empty


@pytest.fixture(scope="module")
def search(rehearsal: Running, boards: list[Board], sources: Sources) -> Callable[..., tuple[Line, ...]]:
    """What the board Logs finds with these texts in its fields."""
    (logs,) = (shown for shown in boards if shown.uid == "logs")
    (found,) = (panel for panel in logs.panels if panel.title == "Lines found")

    def ask(**typed: str) -> tuple[Line, ...]:
        choice = variables.everything(logs) | {name: variables.Typed(text) for name, text in typed.items()}
        return sources.ask(found, choice, period(rehearsal)).lines

    return ask


def test_one_request_shows_nothing_until_it_is_chosen(
    rehearsal: Running, boards: list[Board], sources: Sources, search: Callable[..., tuple[Line, ...]]
) -> None:
    (logs,) = (shown for shown in boards if shown.uid == "logs")
    titles = panels.shown_by("chosen")["logs"]
    (one_request,) = (panel for panel in logs.panels if panel.title in titles)
    having = eventually(lambda: [line for line in search() if line.labels.get("request_id")], what="no line has an id")
    wanted = having[0].labels["request_id"]

    def lines(typed: str) -> tuple[Line, ...]:
        choice = variables.everything(logs) | {"request": variables.Typed(typed)}
        return sources.ask(one_request, choice, period(rehearsal)).lines

    assert {line.labels.get("request_id") for line in lines(wanted)} == {wanted}
    assert lines("") == ()


@pytest.mark.parametrize(("field", "label"), [("request", "request_id"), ("user", "user")])
def test_lines_are_found_by_request_and_by_user(
    search: Callable[..., tuple[Line, ...]], field: str, label: str
) -> None:
    having = eventually(lambda: [line for line in search() if line.labels.get(label)], what=f"no line has a {label}")
    wanted = having[0].labels[label]
    found = search(**{field: wanted})
    assert found
    assert all(line.labels[label].startswith(wanted) for line in found)


def test_a_text_is_found_as_it_is_written(search: Callable[..., tuple[Line, ...]]) -> None:
    message = re.compile(r"\w+ \([^)\"\\]+")  # as a pattern it would lack a parenthesis
    written = eventually(
        lambda: [*map(message.search, (line.text for line in search(text="(")))], what="no parenthesis"
    )
    wanted = next(match[0] for match in written if match)
    found = search(text=wanted)
    assert found
    assert all(wanted.lower() in line.text.lower() for line in found)
