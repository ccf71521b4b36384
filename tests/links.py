"""The links of log lines, followed as Grafana does for somebody who clicks on one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from quantities import seconds
from report.board import Board, Panel, Variable
from report.variables import ALL, Choice, Typed, opening


@dataclass(frozen=True)
class Place:
    """Where a link leads: one panel of a dashboard, with what is chosen there."""

    panel: Panel
    choice: Choice
    since: int
    """Seconds before now at which its time range starts."""


def follow(loki: Mapping[str, Any], field: str, value: str, boards: Iterable[Board]) -> Place:
    """Where the link leads that the data source `loki`, as it is provisioned, has for a field of a line.

    Fails if it leads to no panel, names a variable that is not there, or does not reach until now.
    """
    (link,) = (one["url"] for one in loki["jsonData"]["derivedFields"] if one["name"] == field)
    # Provisioning reads two dollars as one; the format percentencode leaves nothing that means something in a URL.
    address = urlsplit(link.replace("$$", "$").replace("${__value.raw:percentencode}", quote(value, safe="")))
    given = dict(parse_qsl(address.query, strict_parsing=True))
    (board,) = (one for one in boards if address.path == f"/d/{one.uid}")
    (panel,) = (one for one in board.panels if given["viewPanel"] == f"panel-{one.id}")
    chosen = {name.removeprefix("var-"): text for name, text in given.items() if name.startswith("var-")}
    variables = {one.name: one for one in board.variables}
    assert given["to"] == "now"
    return Place(
        panel,
        opening(board) | {name: _chosen(variables[name], text) for name, text in chosen.items()},
        seconds(given["from"].removeprefix("now-")),
    )


def _chosen(variable: Variable, text: str) -> str:
    if variable.kind == "textbox":
        return Typed(text)
    assert text in {"All", ALL}
    assert variable.all_value
    return variable.all_value
