"""The page of an incident."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from incident.facts import FLOOR, MOVED, Event, Muted, name
from incident.found import EXAMPLES, MESSAGES, PANELS, Incident, Repeated
from incident.place import Place
from report.draw import log_line
from report.gather import SETTLED
from report.markup import Content, moment, tag
from report.page import article, drawn_by_script
from report.sources import Line

STYLE = Path(__file__).with_name("page.css")
IDS = ("request_id", "correlation_id")
"""Of a line, the first that it has leads to the other lines."""
TIMELINE = ("when", "", "what", "", "")
MUTED = ("alert", "", "from", "to", "muted by")


def headline(of: Incident) -> str:
    """What was found, in one line."""
    notified = sum(event.kind == "notified" for event in of.events)
    faults = sum(event.kind == "fault" for event in of.events)
    counts = (
        *([_count(faults, "fault made or healed", "faults made or healed")] if faults else []),
        _count(len(of.fired), "alert fired", "alerts fired"),
        _count(notified, "notification", "notifications"),
        _count(len(of.muted), "alert muted", "alerts muted"),
        _count(len(of.moved), "panel moved", "panels moved"),
        _count(sum(each.count for each in of.messages), "line of an error", "lines of errors"),
    )
    return ", ".join(counts)


def page(of: Incident, at: Place) -> bytes:
    """The page, in UTF-8."""
    header = tag("header", tag("h1", "Incident"), tag("p", f"{at.words}. {headline(of)}."))
    period = tag("p", "From ", moment(of.start), " to ", moment(of.end), ".", class_="facts")
    main = tag(
        "main",
        tag("h2", name(of.first) if of.first else "No alert fired" if not of.problems else "Incident"),
        period,
        _section("Timeline", _timeline(of)),
        _section("Panels that moved", _moved(of)),
        _section("Errors in the logs", _messages(of, at)),
        _section("Muted alerts", _muted(of.muted)),
        _section("Not recorded", _list(of.unknown)),
        _section("Failed queries", _list(of.problems)) if of.problems else None,
        data_board="incident",
    )
    return drawn_by_script("Incident", header, main, style=STYLE.read_text())


def _section(heading: str, *content: Content) -> Element:
    return tag("section", tag("h3", heading), *content)


def _timeline(of: Incident) -> Element:
    if not of.events:
        return tag("p", "No event is recorded.")
    return _table(TIMELINE, [_event(event) for event in of.events], of.covered.step)


def _event(event: Event) -> list[Content]:
    times = f" ({event.times} alerts)" if event.times > 1 else ""
    kind = tag("span", event.kind, class_=f"kind {event.kind}")
    return [moment(event.at), kind, event.what + times, _severity(event.severity), event.detail]


def _table(heads: Sequence[str], rows: Sequence[Sequence[Content]], step: int | None = None) -> Element:
    cells = (tag("tr", *(tag("td", cell) for cell in row)) for row in rows)
    about = tag("p", f"Alerts are seen every {step} s.") if step else None
    return tag("div", about, tag("table", tag("tr", *(tag("th", head) for head in heads)), *cells), class_="panel list")


def _severity(severity: str) -> Element:
    return tag("span", severity, class_=severity or None)


def _moved(of: Incident) -> Element:
    if not of.compared:
        return tag("p", f"No data before it to compare with: {SETTLED // 60 + 5} min are needed.")
    rule = (
        f"Of {of.compared} graphs, at most {PANELS} whose mean is {MOVED:g} spreads or more from that of before. A "
        f"spread is the standard deviation of before, and {FLOOR:.0%} of the largest value at least. What is missing "
        "counts as 0. Before is from "
    )
    said = tag("p", rule, moment(of.settled), " to ", moment(of.start), ".")
    panels = (article(each.drawn, f"{each.board} · {each.note} · {each.spreads:.0f} spreads") for each in of.moved)
    return tag("div", said, tag("div", *panels, class_="grid") if of.moved else tag("p", "No graph moved."))


def _messages(of: Incident, at: Place) -> Element:
    if not of.messages:
        return tag("p", "No line of an error was found.")
    said = f"The {MESSAGES} most frequent messages, without ids and long numbers, each with its first {EXAMPLES} lines."
    return tag("div", tag("p", said), *(_message(each, of, at) for each in of.messages), class_="panel list")


def _message(each: Repeated, of: Incident, at: Place) -> Element:
    head = tag(
        "p", tag("b", f"{_count(each.count, 'line', 'lines')} of {each.service}: "), each.message, class_="message"
    )
    return tag("div", head, *(part for line in each.examples for part in _line(line, of, at)), class_="lines")


def _line(line: Line, of: Incident, at: Place) -> Iterator[Element]:
    """A line with what leads on from it."""
    found = next((line.labels[name] for name in IDS if line.labels.get(name)), None)
    trace = line.labels.get("trace_id")
    links = [
        ("all lines of its request", at.request(found, of.start, of.end) if found else None, found),
        ("its trace", at.traces(trace, of.start, of.end) if trace and at.traces else None, trace),
    ]
    shown = [tag("a", words, href=address, title=of_what) for words, address, of_what in links if address]
    ids = " ".join(filter(None, (found, trace)))
    yield log_line(line)
    if ids:
        yield tag("p", *(part for link in shown for part in (link, " ")), tag("code", ids), class_="leads")


def _muted(found: Sequence[Muted]) -> Element:
    if not found:
        return tag("p", "No alert was muted.")
    rows: list[list[Content]] = [
        [one.alert, _severity(one.severity), moment(start), moment(end), one.by]
        for one in found
        for start, end in one.spans
    ]
    return _table(MUTED, rows)


def _list(texts: Sequence[str]) -> Element:
    return tag("ul", *(tag("li", text) for text in texts))


def _count(number: int, one: str, more: str) -> str:
    return f"{number or 'no'} {one if number == 1 else more}"
