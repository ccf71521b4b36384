"""The rules of the links from a dashboard: they lead somewhere, and stay at the time of the incident.

A rule takes a dashboard's JSON and returns what is wrong with it.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from checks.dashboard_json import BOARDS, Board, columns, links, panels, variables


def links_lead_somewhere(board: Board) -> list[str]:
    """A link names a dashboard that is there, a variable that it has, and a label of the series or a table's column."""
    problems = []
    for panel in panels(board):
        asked = " ".join(target.get("expr", "") for target in panel["targets"])
        for url in links(panel):
            there = re.match(r"/d/([\w-]+)\?", url)
            problems += [
                f"{panel['title']}: the link needs the column {column}, which is not there"
                for column in re.findall(r"__data\.fields\.(\w+)", url)
                if column not in columns(panel)
            ]
            if re.match(r"https?://", url):
                continue
            if not there or there[1] not in BOARDS:
                problems.append(f"{panel['title']}: {url} leads to no dashboard")
                continue
            given = re.findall(r"var-(\w+)=", url)
            problems += [
                f"{panel['title']}: {there[1]} has no ${name}"
                for name in given
                if name not in variables(BOARDS[there[1]])
            ]
            labels = re.findall(r"__field\.labels\.(\w+)", url)
            problems += [
                f"{panel['title']}: the link needs the label {label}, which no query mentions"
                for label in labels
                if not re.search(rf"\b{label}\b", asked)
            ]
            if labels and any(target.get("format") == "table" for target in panel["targets"]):
                problems.append(f"{panel['title']}: a table's labels are columns, which __data.fields names")
            if "__value.time" in url and panel["type"] != "timeseries":
                problems.append(f"{panel['title']}: a {panel['type']} has no time to link to")
    return problems


def links_to_another_time_do_not_refresh(board: Board) -> list[str]:
    """What they open would ask the same of the past every 30 s."""
    return [
        f"{panel['title']}: {url}"
        for panel in panels(board)
        for url in links(panel)
        for given in [parse_qs(urlsplit(url).query)]
        if given.keys() & {"time", "from"} and given.get("refresh") != ["1d"]
    ]
