"""What is said of a review: a page, and a table for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import report
from report.markup import Content, document, tag, utc
from review.findings import Review, Row
from review.history import DAY, Period
from review.limits import DAYS, NEAR, NEAR_SHARE

HERE = Path(__file__).parent
STYLES = (Path(report.__file__).parent / "page.css", HERE / "page.css")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
HEADS = ("alert", "severity", "fired", "minutes", "pages", "muted", "silenced", "resolved after")
NUMBERS = frozenset({*HEADS[2:], "fired together", "share of the time", "from", "to", "in days"})
"""Columns that are aligned by their end."""
LEAST_COVERED = 0.99
"""Share of the period with data, from which on nothing is said of what is missing."""

Section = tuple[str, str, Sequence[str], list[list[str]]]
"""A heading, what is said below it, the columns of its table, and its rows."""


def headline(of: Review) -> str:
    """What was found, in one line."""
    if of.period is None:
        return "no data"
    return (
        f"{_count(len(of.rows), 'alert')} fired{_times(sum(row.fired for row in of.rows))}, "
        f"{_count(of.pages, 'page')}, {len(of.never)} never fired, {_count(len(of.twins), 'twin')}, "
        f"{_count(len(of.near), 'value')} near a threshold, {_count(len(of.creeps), 'creep')}"
    )


def looked_at(of: Review, since: int) -> list[str]:
    """What was looked at, and what was not, in sentences."""
    if of.period is None:
        return [f"Prometheus has no data of the last {_length(since)}: nothing can be said of any alert."]
    period = of.period
    said = [f"From {utc(period.start)} to {utc(period.end)}, in steps of {period.step} s."]
    if period.length < 0.99 * since:
        said.append(f"There is data of {_length(period.length)} only, not of the {_length(since)} asked for.")
    if period.covered < LEAST_COVERED:
        said.append(f"Of {100 - 100 * period.covered:.0f} % of that time there is no data.")
    sent = [
        f"{count:.0f} by {name}" + (f" ({failed:.0f} failed)" if failed else "")
        for name, (count, failed) in sorted(of.sent.items())
    ]
    said.append(f"Alertmanager sent {', '.join(sent) or 'nothing'}, ends and repeats included.")
    return [*said, f"{of.rules} rules; {of.compared} were compared with their thresholds; {of.asked} questions asked."]


def page(of: Review, *, where: str, since: int) -> bytes:
    """The page, in UTF-8."""
    header = tag(
        "header",
        tag("h1", "Review of the alerts"),
        tag("p", f"{where}. {headline(of)}."),
    )
    facts = tag("p", *(tag("span", text, class_="fact") for text in looked_at(of, since)), class_="facts")
    bodies = [_element(section, of) for section in _sections(of)] if of.period else []
    main = tag("main", tag("h2", f"The last {_length(since)}"), facts, *bodies)
    style = "\n".join(path.read_text() for path in STYLES)
    return document("Review of the alerts", tag("body", header, main), style=style, policy=POLICY)


def table(of: Review, *, where: str, since: int) -> str:
    """The same in Markdown, for a pull request."""
    lines = [f"### Review of the alerts, the last {_length(since)}", "", f"{where}. {headline(of)}.", ""]
    lines += [*looked_at(of, since), ""]
    for heading, words, heads, rows in _sections(of) if of.period else ():
        lines += [f"#### {heading}", "", words, ""]
        if rows:
            cells = [heads, ["---"] * len(heads), *rows]
            lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells] + [""]
    return "\n".join(lines)


def _sections(of: Review) -> Iterator[Section]:
    """All that was found; each says in words if it is nothing."""
    yield (
        "What fired",
        "" if of.rows else "No alert fired.",
        HEADS,
        [_cells(row) for row in of.rows],
    )
    yield (
        "Twins",
        "Both always begin and end together: one of them says nothing new."
        if of.twins
        else "No two alerts always fire together.",
        ("alert", "and", "fired together"),
        [[one, other, str(times)] for one, other, times in of.twins],
    )
    yield (
        "Just under a threshold",
        f"Within {NEAR:.0%} of it for more than {NEAR_SHARE:.0%} of the time: a little more, and it fires."
        if of.near
        else "No value was near its threshold for long.",
        ("alert", "threshold", "of", "share of the time"),
        [
            [
                near.alert,
                f"{near.threshold.operator} {near.threshold.limit:g}",
                _labels(near.labels),
                f"{near.share:.0%}",
            ]
            for near in of.near
        ],
    )
    few = of.period is not None and of.period.length < (DAYS - 0.5) * DAY
    none = f"A creep is seen after {DAYS} days at the earliest." if few else "Nothing rises from day to day."
    yield (
        "Slow creeps",
        "Daily medians rise, whether or not an alert fires." if of.creeps else none,
        ("what", "of", "from", "to", "in days"),
        [
            [
                each.watched.words,
                _labels(each.labels),
                each.watched.text(each.first),
                each.watched.text(each.last),
                str(each.days),
            ]
            for each in of.creeps
        ],
    )
    yield (
        "Never fired",
        "Each with the test that makes it fire. One without a test here came with a chart, or is new."
        if of.never
        else "Every alert fired.",
        ("alert", "severity", "test"),
        [[alert, severity, test or "none here"] for alert, severity, test in of.never],
    )
    if of.problems:
        yield "Not known", "These questions were not answered in full.", ("what",), [[text] for text in of.problems]


def _cells(row: Row) -> list[str]:
    pages = "-" if row.pages is None else str(row.pages)
    after = "still firing" if row.resolved is None else _length(row.resolved)
    minutes = f"{row.seconds / 60:.0f}"
    return [row.alert, row.severity, str(row.fired), minutes, pages, _share(row.muted), _share(row.silenced), after]


def _element(section: Section, of: Review) -> Element:
    heading, words, heads, rows = section
    strips = (
        {row.alert + row.severity: _strip(row, of.period) for row in of.rows} if heads is HEADS and of.period else {}
    )
    shown = tag(
        "table",
        tag("tr", *(tag("th", head, class_=_align(head)) for head in heads), tag("th", "when") if strips else None),
        *(tag("tr", *_row(cells, heads), tag("td", strips[cells[0] + cells[1]]) if strips else None) for cells in rows),
    )
    body: list[Content] = [tag("p", words) if words else None, shown if rows else None]
    return tag("section", tag("h3", heading), tag("div", *body, class_="panel list"))


def _row(cells: Sequence[str], heads: Sequence[str]) -> Iterator[Element]:
    for head, cell in zip(heads, cells, strict=True):
        yield tag("td", cell, class_=cell if head == "severity" else _align(head))


def _align(head: str) -> str | None:
    return "number" if head in NUMBERS else None


def _strip(row: Row, period: Period) -> Element:
    """When it fired, along the period."""
    places = ((100 * (start - period.start) / period.length, start, end) for start, end in row.times)
    marks = [
        tag(
            "i",
            style=f"left:{left:.3f}%;width:{100 * (end - start) / period.length:.3f}%",
            title=f"{utc(start)}, {_length(end - start)}",
        )
        for left, start, end in places
    ]
    return tag("div", *marks, class_=f"strip {row.severity}")


def _share(share: float | None) -> str:
    return "?" if share is None else f"{share:.0%}"


def _labels(labels: object) -> str:
    named = dict(labels) if isinstance(labels, dict) else {}
    return ", ".join(f"{name}={value}" for name, value in sorted(named.items()) if name != "__name__") or "all"


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"


def _times(number: int) -> str:
    return f" {_count(number, 'time')}" if number else ""


def _length(seconds: float) -> str:
    """A length of time in its two largest units."""
    for size, unit, below, small in ((DAY, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            whole, rest = divmod(round(seconds / below) * below, size)
            return f"{whole} {unit}" + (f" {rest // below} {small}" if rest else "")
    return f"{seconds:.0f} s"
