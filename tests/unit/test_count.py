"""The count of what became of the lines that the loss tests write."""

from __future__ import annotations

from checks.logs.lines import PART, count, event
from checks.logs.pipeline import Entry

SHORT, TRACEBACK, LONG = event("source", 0), event("source", 7), event("source", 11)
BEGINNING, END = LONG[0][:PART], LONG[0][PART:]


def counted(*texts: str) -> dict[str, int]:
    """What is not as it should be, of three events of which Loki has these entries."""
    found = vars(count([SHORT, TRACEBACK, LONG], [Entry(at, text, {}) for at, text in enumerate(texts)]))
    return {name: number for name, number in found.items() if number and name != "written"}


def test_every_event_in_one_entry() -> None:
    assert counted(SHORT[0], "\n".join(TRACEBACK), LONG[0]) == {}


def test_events_in_two_entries_are_split_and_not_lost() -> None:
    assert counted(SHORT[0], "\n".join(TRACEBACK[:2]), "\n".join(TRACEBACK[2:]), BEGINNING, END) == {"split": 2}


def test_what_is_not_there_is_lost() -> None:
    assert counted("\n".join(TRACEBACK[1:]), BEGINNING) == {"lost": 3, "incomplete": 3}


def test_what_is_there_twice_or_nobody_wrote() -> None:
    assert counted(SHORT[0], SHORT[0], "\n".join(TRACEBACK), LONG[0], "a line") == {"duplicated": 1, "altered": 1}
