"""The links of log lines, followed as Grafana does for somebody who clicks on one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from quantities import seconds
from report.board import Board, Panel, Variable
from report.variables import ALL, Choice, Period, Typed, opening

OF_A_REQUEST, OF_A_CHAIN = "All lines of this request", "All lines of this chain of requests"
KEPT = ", in all logs kept"
"""Behind a link's title: the one that searches more than the hours around the line."""


@dataclass(frozen=True)
class Place:
    """Where a link leads: one panel of a dashboard, with what is chosen there."""

    panel: Panel
    choice: Choice
    period: Period


def follow(loki: Mapping[str, Any], title: str, value: str, boards: Iterable[Board], *, at: float) -> Place:
    """Where the link of this title leads from a field of a line of the time `at`, in Unix seconds.

    `loki` is the data source as it is provisioned. Fails if the link leads to no panel, or names a variable that is not
    there.
    """
    (link,) = (one["url"] for one in loki["jsonData"]["derivedFields"] if one["urlDisplayLabel"] == title)
    # Provisioning reads two dollars as one; the format percentencode leaves nothing that means something in a URL.
    address = urlsplit(
        link.replace("$$", "$")
        .replace("${__value.raw:percentencode}", quote(value, safe=""))
        .replace("${__data.fields.Time.numeric}", f"{at * 1000:.0f}")
    )
    given = dict(parse_qsl(address.query, strict_parsing=True))
    (board,) = (one for one in boards if address.path == f"/d/{one.uid}")
    (panel,) = (one for one in board.panels if given["viewPanel"] == f"panel-{one.id}")
    chosen = {name.removeprefix("var-"): text for name, text in given.items() if name.startswith("var-")}
    variables = {one.name: one for one in board.variables}
    return Place(
        panel,
        opening(board) | {name: _chosen(variables[name], text) for name, text in chosen.items()},
        _period(given),
    )


def _period(given: Mapping[str, str]) -> Period:
    """A window around a time goes before the two ends of a range, in Grafana, too."""
    if "time" in given:
        middle, length = float(given["time"]) / 1000, float(given["time.window"]) / 1000
        return Period.last(length, end=middle + length / 2)
    assert given["to"] == "now"
    return Period.last(seconds(given["from"].removeprefix("now-")))


def _chosen(variable: Variable, text: str) -> str:
    if variable.kind == "textbox":
        return Typed(text)
    assert text in {"All", ALL}
    assert variable.all_value
    return variable.all_value
