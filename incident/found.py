"""Asks about an incident, and puts together what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from statistics import fmean

import httpx

from dashboards.logs import ERRORS, MESSAGE
from incident.facts import MOVED, Event, Muted, at_each, first, moved, muted, of_alerts, of_muted, timeline
from incident.place import Place
from local.errors import RehearsalError
from report.board import Panel, Row, Target
from report.draw import renamed
from report.gather import ASKED_AT_ONCE, SETTLED, Drawn, Plan, gather, marked, plan, step_of
from report.look import field as field_of
from report.sources import Line, QueryError, Series
from report.variables import ALL, Period, chosen, opening
from review import history
from review.firings import Firing
from review.history import History, tried

BEFORE_SECONDS = 3600
"""With what came before FROM an incident is compared; the graphs show it, too."""
LEAST_BEFORE_SECONDS = 300
LOOKED_EACH_SECONDS = 120
"""By so much the beginning of the data may seem late, as it is looked for in steps."""
PANELS, MESSAGES, EXAMPLES = 8, 10, 3
"""How many are shown: panels that moved, messages of errors, and lines of each."""
LAST_PAGE_SECONDS = 14 * 86_400
"""How far back the last page is looked for."""
SILENCES_SECONDS = 14 * 86_400
"""How long Alertmanager remembers a silence."""
HEARTBEAT = {"heartbeat", "webhook"}
"""What no person gets: the receiver in the rehearsal, and Alertmanager's integration for it."""


@dataclass(frozen=True)
class Moved:
    """A panel that shows something else than before."""

    drawn: Drawn
    board: str
    spreads: float
    note: str
    """The series that moved most, with its means before and during the incident."""


@dataclass(frozen=True)
class Repeated:
    """A message of errors, without ids and long numbers."""

    service: str
    message: str
    count: int
    examples: tuple[Line, ...] = ()
    """Its first lines."""


@dataclass
class Incident:
    """All that was found."""

    start: float
    end: float
    covered: history.Period
    events: list[Event] = field(default_factory=list)
    muted: list[Muted] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    compared: int = 0
    """Panels that were compared with before; 0 where there is no data of before."""
    messages: list[Repeated] = field(default_factory=list)
    fired: list[Firing] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """What the stack does not record."""
    problems: list[str] = field(default_factory=list)
    """What could not be asked, and what was left out of answers."""

    @property
    def first(self) -> Firing | None:
        """What the incident is named by."""
        return first(self.fired)

    @property
    def settled(self) -> float:
        """From when on values are compared: rates need some minutes after the first scrape."""
        young = self.covered.start > self.start - BEFORE_SECONDS + LOOKED_EACH_SECONDS
        return self.covered.start + (SETTLED if young else 0)


def last(of: History, now: float) -> list[Firing]:
    """What fired in the last days, to look for the last page in. Raises RehearsalError."""
    period = of.period(LAST_PAGE_SECONDS, now, _interval(of))
    return of.firings(period) if period else []


def look(at: Place, start: float, end: float, now: float, begin: Callable[[int], Callable[[], object]]) -> Incident:
    """Ask about an incident. `begin` takes how many panels are compared; what it returns is called after each.

    Raises RehearsalError if there is no data of that time.
    """
    covered = at.history.period(end - start + BEFORE_SECONDS, end, _interval(at.history))
    if covered is None or covered.end <= start:
        raise RehearsalError("Prometheus has no data of that time")
    of = Incident(start, end, covered, unknown=list(_unknown(at, start, now)))
    with tried(of.problems, "alerts"):
        _alerts(of, at)
    period = Period.last(end - covered.start, end=end)
    plans = {uid: _plan(text, period, of) for uid, text in sorted(at.dashboards.items())}
    of.events += _others(of, at, plans)
    with tried(of.problems, "panels"):
        _panels(of, at, plans, begin)
    if "logs" in plans:
        with tried(of.problems, "lines of errors"):
            of.messages = list(_messages(of, at, plans["logs"]))
    of.events = timeline(of.events, end)
    of.problems += at.history.warnings
    return of


def _interval(of: History) -> int:
    return min((rule.interval for rule in of.rules()), default=60)


def _alerts(of: Incident, at: Place) -> None:
    firings = at.history.evaluated(at.history.firings(of.covered), of.covered)
    of.fired = [one for one in firings if one.end > of.start]
    routing = None
    with tried(of.problems, "routes and silences"):
        routing = at.history.routing()
        found = muted(firings, routing.get("inhibit_rules") or (), at.history.silences())
        of.muted = [one for one in found if one.spans[-1][1] > of.start]
    of.events += [*of_alerts(of.fired, routing, of.covered.start), *of_muted(of.muted)]


def _others(of: Incident, at: Place, plans: Mapping[str, Plan]) -> list[Event]:
    """What was broken, rolled out and sent, within the time that is looked at."""
    found = [Event(when, "fault", what) for when, what in at.faults]
    home = plans.get("system-health")
    if home:
        rolled_out = tuple(one for one in home.board.annotations if one.name == "Deployments")
        marks, problem = marked(replace(home, board=replace(home.board, annotations=rolled_out)), at.sources)
        found += [Event(mark.start, "deployment", mark.title) for mark in marks]
        of.problems += [problem] if problem else []
    with tried(of.problems, "notifications"):
        found += _notified(of, at)
    return [event for event in found if of.start <= event.at <= of.end]


def _notified(of: Incident, at: Place) -> Iterator[Event]:
    """What receivers got; or how much was sent, where that is not recorded."""
    if at.received is None:
        for when, integration, count, failed in at.history.deliveries(of.covered):
            if integration not in HEARTBEAT:
                detail = f"{failed} failed" if failed else ""
                yield Event(when, "notified", f"{count} message{'s' if count > 1 else ''} by {integration}", detail)
        return
    for item in at.received:
        if item["receiver"] not in HEARTBEAT:
            what = " ".join([", ".join(item["alertnames"]), ", ".join(item["services"])]).strip()
            whom = " ".join(filter(None, (item["receiver"], item["destination"])))
            refused = f", refused: {item['refused']}" if item["refused"] else ""
            when = datetime.fromisoformat(item["received"]).timestamp()
            yield Event(when, "notified", what, f"{whom}: {item['status']}{refused}", item["severity"] or "")


def _plan(text: str, period: Period, of: Incident) -> Plan:
    """A board over the time of the incident, with the service of the first page where it shows one service."""
    service = of.first.labels.get("service") if of.first else None
    found = plan(text)
    single = [item for item in found.board.variables if item.name == "service" and ALL not in item.chosen]
    board = chosen(found.board, {"service": [service]}) if single and service else found.board
    return replace(found, board=board, period=period)


def _panels(of: Incident, at: Place, plans: Mapping[str, Plan], begin: Callable[[int], Callable[[], object]]) -> None:
    """Compare every graph with before, and draw those that moved most."""
    graphs = [
        (uid, panel)
        for uid, each in plans.items()
        for panel in each.board.panels
        if panel.kind == "timeseries" and panel.targets and not panel.since and not _of_alerts(panel)
    ]
    if of.settled > of.start - LEAST_BEFORE_SECONDS:
        return
    advance = begin(len(graphs))

    def compared(uid: str, panel: Panel) -> tuple[float, str]:
        of_board = opening(plans[uid].board), plans[uid].period
        try:
            shown, step = renamed(panel, at.sources.ask(panel, *of_board)), step_of(panel, *of_board)
            return max((_score(of, panel, one, step) for one in shown.series), default=(0.0, ""))
        except (QueryError, httpx.HTTPError, ValueError, LookupError) as error:  # as where it would be drawn
            of.problems.append(f"{panel.title}: {error}")
            return 0.0, ""
        finally:
            advance()

    with ThreadPoolExecutor(ASKED_AT_ONCE) as pool:
        scores = list(pool.map(lambda graph: compared(*graph), graphs))
    of.compared = len(graphs)
    ranked = sorted(zip(scores, graphs, strict=True), key=lambda item: -item[0][0])
    by_title: dict[str, tuple[tuple[float, str], tuple[str, Panel]]] = {}
    for score, graph in ranked:
        if score[0] >= MOVED:
            by_title.setdefault(graph[1].title, (score, graph))  # boards repeat what is worth it
    top = list(by_title.values())[:PANELS]
    drawn = _drawn(at, plans, [graph for _, graph in top])
    of.moved = [Moved(drawn[uid, panel.id], plans[uid].board.title, score, note) for (score, note), (uid, panel) in top]


def _of_alerts(panel: Panel) -> bool:
    """Whether it shows what the timeline says."""
    return any("ALERTS" in target.expr for target in panel.targets)


def _score(of: Incident, panel: Panel, one: Series, step: float) -> tuple[float, str]:
    """By how many spreads a series moved, and its means."""
    before, during = (at_each(one.points, *span, step) for span in ((of.settled, of.start), (of.start, of.end)))
    words = " → ".join(field_of(panel, one.legend).text(fmean(values)) for values in (before, during))
    return moved(before, during), f"{one.legend}: {words}"


def _drawn(at: Place, plans: Mapping[str, Plan], graphs: Sequence[tuple[str, Panel]]) -> dict[tuple[str, int], Drawn]:
    found: dict[tuple[str, int], Drawn] = {}
    for uid in dict.fromkeys(uid for uid, _ in graphs):
        rows = (Row("", tuple(panel for own, panel in graphs if own == uid)),)
        drawing = gather(replace(plans[uid], board=replace(plans[uid].board, rows=rows)), at.sources, {})
        found |= {(uid, drawn.panel.id): drawn for drawn in drawing.panels}
    return found


def _messages(of: Incident, at: Place, logs: Plan) -> Iterator[Repeated]:
    """The most frequent messages of errors as the dashboard Logs counts them, each with its first lines."""
    choice, period = opening(logs.board), Period.last(of.end - of.start, end=of.end)
    lines = f"{ERRORS}\n{MESSAGE}"
    counts = f"topk({MESSAGES}, sum by (service_name, message) (count_over_time({lines} [$__range])))"
    found = at.sources.run(Target("A", counts, "", "loki", True, "", None, False), choice, period, "errors").series
    for one in sorted(found, key=lambda one: -one.points[-1][1]):
        service, message = one.labels.get("service_name", ""), one.labels.get("message", "")
        these = f"{lines}\n| service_name={json.dumps(service)} | message={json.dumps(message, ensure_ascii=False)}"
        target = Target("A", these, "", "loki", False, "", EXAMPLES, True)
        examples = at.sources.run(target, choice, period, "lines of errors").lines
        yield Repeated(service, message, round(one.points[-1][1]), examples)


def _unknown(at: Place, start: float, now: float) -> Iterator[str]:
    yield (
        "Alertmanager records neither what it muted nor whom it notified: both are computed here, from the inhibition "
        "rules and routes that it runs now."
    )
    yield "A rule that holds a symptom back while a page of its cause fires leaves no record."
    yield "Only PagerDuty knows who acknowledged a page there."
    if at.received is None:
        yield "Sent messages are counted by integration. Messages of the end of an alert and repeats are among them."
    if start < now - SILENCES_SECONDS:
        yield "Alertmanager forgets a silence 14 days after its end: silences of that time may be missing."
