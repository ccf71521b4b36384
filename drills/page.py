"""The page of drills: what held, how long messages took, and the timeline of each drill. No script, nothing outside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

from drills.judge import Latency, chain, clock
from drills.model import Told
from drills.run import Result
from drills.summary import spreads
from drills.timeline import Timeline
from rehearsal.lifecycle import STACK
from report.markup import document, moment, tag

HERE = Path(__file__).parent
STYLES = (HERE.parent / "report" / "page.css", HERE / "page.css")
WIDTH, LABEL_WIDTH, ROW = 1000, 250, 20
"""Of a timeline, in pixels: the plot, the names before it, and the height of a row."""
LETTERS = 40
"""Of a name, in the width that there is for it."""
NOBODY_LOOKED = "-"
LINKS = ("fault", "series", "pending", "firing", "sent")
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(results: Sequence[Result], *, speed: int, began: float) -> bytes:
    """The page, in UTF-8. `began` is in seconds since the epoch."""
    style = "".join(file.read_text() for file in STYLES)
    held = sum(result.verdict.held for result in results)
    intro = tag(
        "p",
        f"{held} of {len(results)} drills held: stack {STACK} on one machine, {speed} times as fast as deployed, on ",
        moment(began),
        ". Times are minutes and seconds of the stack's time, since the drill began, or from the fault to the message.",
    )
    body = tag(
        "body",
        tag("header", tag("h1", "Order processor monitoring: drills"), intro),
        tag("main", _overview(results), _latencies(results), *(_drill(result) for result in results)),
    )
    return document("Drills", body, style=style, policy=POLICY)


def _table(heads: Sequence[str], rows: Iterable[Sequence[Element | str]]) -> Element:
    cells = (tag("tr", *(tag("td", cell) for cell in row)) for row in rows)
    return tag("table", tag("tr", *(tag("th", text) for text in heads)), *cells, class_="drills")


def _overview(results: Sequence[Result]) -> Element:
    rows: Iterable[list[Element | str]] = (
        [
            tag("a", result.drill.name, href=f"#{result.drill.name}"),
            _state(result),
            result.drill.about,
            clock(result.timeline.length),
            f"{result.real_seconds:.0f} s",
        ]
        for result in results
    )
    return tag("section", tag("h3", "Drills"), _table(("drill", "", "what it shows", "stack time", "real time"), rows))


def _state(result: Result) -> Element:
    return tag("b", "held" if result.verdict.held else "failed", class_="held" if result.verdict.held else "failed")


def _latencies(results: Sequence[Result]) -> Element:
    rows = (
        [
            item.alert,
            item.channel,
            str(item.count),
            clock(item.p50),
            clock(item.p95),
            clock(item.longest),
            f"{clock(item.nearest.seconds)} of {clock(item.nearest.bound)}",
        ]
        for item in spreads(results)
    )
    heads = ("alert", "by", "messages", "p50", "p95", "max", "nearest to its bound")
    return tag("section", tag("h3", "From the fault to the message"), _table(heads, rows))


def _drill(result: Result) -> Element:
    problems = [tag("li", problem) for problem in result.verdict.problems]
    return tag(
        "section",
        tag("h3", result.drill.name, " ", _state(result)),
        tag("p", result.drill.about, class_="about"),
        tag("ul", *problems, class_="problems") if problems else None,
        _plot(result.timeline),
        _chains(result) if result.drill.told else None,
        id=result.drill.name,
    )


def _chains(result: Result) -> Element:
    """When each link of the chain was reached, for each message that was to come."""
    found = {(id(item.told), item.channel): item for item in result.verdict.latencies}
    rows = (
        _chain(told, channel, result.timeline, found.get((id(told), channel)))
        for told in result.drill.told
        for channel in told.by
    )
    return _table(("told", "by", *LINKS, "received", "after", "bound"), rows)


def _chain(told: Told, channel: str, timeline: Timeline, latency: Latency | None) -> list[Element | str]:
    links = dict(chain(told, timeline))
    reached = [_clock(links[link]) if link in links else NOBODY_LOOKED for link in LINKS]
    begin = links["fault"] or 0.0
    end: list[Element | str] = [tag("b", "never", class_="failed"), NOBODY_LOOKED, NOBODY_LOOKED]
    if latency:
        late = "failed" if not 0 <= latency.seconds <= latency.bound else None
        end = [clock(begin + latency.seconds), tag("b", clock(latency.seconds), class_=late), clock(latency.bound)]
    return [f"{told.alert} {told.service}", channel, *reached, *end]


def _clock(seconds: float | None) -> Element | str:
    return tag("b", "never", class_="failed") if seconds is None else clock(seconds)


def _plot(timeline: Timeline) -> Element:
    """Faults, alerts and messages over time, a row each."""
    scale = WIDTH / max(timeline.length, 1)
    rows = [*_fault_rows(timeline, scale), *_alert_rows(timeline, scale), *_message_rows(timeline, scale)]
    height = ROW * (len(rows) + 1)
    lines = [
        tag("g", tag("text", _cut(name), x=0, y=ROW * number + 14), *marks) for number, (name, marks) in enumerate(rows)
    ]
    return tag(
        "svg",
        *_axis(timeline.length, scale, height - ROW),
        *lines,
        viewBox=f"0 0 {LABEL_WIDTH + WIDTH + 10} {height}",
        class_="timeline",
    )


def _cut(name: str) -> str:
    """As much of a name as has room before the plot; the whole of it is the tooltip of its marks."""
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"


def _axis(length: float, scale: float, height: float) -> Iterator[Element]:
    step = 60 * next((minutes for minutes in (1, 2, 5, 10, 20) if length / (60 * minutes) <= 20), 60)
    for number in range(int(length // step) + 1):
        x = LABEL_WIDTH + number * step * scale
        yield tag("line", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=0, y2=height, class_="axis")
        yield tag("text", f"{number * step // 60}", x=f"{x:.1f}", y=height + 14, class_="minute")


Row = tuple[str, list[Element]]


def _fault_rows(timeline: Timeline, scale: float) -> Iterator[Row]:
    for number, fault in enumerate(timeline.faults):
        yield fault.words, [_bar(number, fault.begin, fault.healed, scale, "fault", fault.words)]


def _alert_rows(timeline: Timeline, scale: float) -> Iterator[Row]:
    keys = dict.fromkeys((span.alert, span.service) for span in timeline.spans)
    for number, (alert, service) in enumerate(keys, len(timeline.faults)):
        spans = [span for span in timeline.spans if (span.alert, span.service) == (alert, service)]
        marks = [_bar(number, span.begin, span.end, scale, span.state, f"{alert} {span.state}") for span in spans]
        sent = [item for item in timeline.sent if (item.alert, item.service) == (alert, service)]
        marks += [_tick(number, item.at, scale, "sent", f"at Alertmanager {clock(item.at)}") for item in sent]
        yield f"{alert} {service}", marks


def _message_rows(timeline: Timeline, scale: float) -> Iterator[Row]:
    before = len(timeline.faults) + len({(span.alert, span.service) for span in timeline.spans})
    for number, channel in enumerate(dict.fromkeys(item.channel for item in timeline.messages), before):
        marks = [
            _tick(number, item.at, scale, item.status, f"{clock(item.at)} {item.alert} {item.service} {item.status}")
            for item in timeline.messages
            if item.channel == channel
        ]
        yield channel, marks


def _bar(row: int, begin: float, end: float, scale: float, kind: str, words: str) -> Element:
    x, width = LABEL_WIDTH + begin * scale, max(2.0, (end - begin) * scale)
    title = tag("title", f"{words}: {clock(begin)} to {clock(end)}")
    return tag("rect", title, x=f"{x:.1f}", y=ROW * row + 4, width=f"{width:.1f}", height=ROW - 8, class_=kind)


def _tick(row: int, at: float, scale: float, kind: str, words: str) -> Element:
    x = LABEL_WIDTH + at * scale
    return tag("rect", tag("title", words), x=f"{x - 1.5:.1f}", y=ROW * row + 2, width=3, height=ROW - 4, class_=kind)
