"""Who hears of which alert and when, against the real Alertmanager in scaled time.

Every case is a story of alerts and all that is heard of it, in minutes of the deployed configuration. The cases of one
run share an Alertmanager, and the runs play at the same time: the whole takes as long as the longest of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

import catalogue
from catalogue import Catalogue, Service
from components import routing
from settings import KEY, parse
from tests.program import ROOT, merged
from tests.signals.alertmanager import Alertmanager, Intervals, Labels, Receivers, Told, alertmanager, receivers, scaled

PROD = yaml.safe_load((ROOT / "Pulumi.prod.yaml").read_text())["config"][KEY]

SLACK_SECONDS = 1.0
"""Real time that a message may be late: twice what a busy machine may take. None may be early."""
CLOCK_SECONDS = 0.02
"""What clocks that are read one after the other may differ by."""
START_SECONDS = 3.0
"""Real time from the start of an Alertmanager to the first alert."""

SECOND, HOUR = 1 / 60, 60.0

ALWAYS: list[dict[str, Any]] = [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]
NEVER: list[dict[str, Any]] = [{"years": ["1970"]}]
OPEN: Intervals = {"business-hours": ALWAYS, "holidays": NEVER}
CLOSED: Intervals = {"business-hours": NEVER, "holidays": NEVER}
HOLIDAY: Intervals = {"business-hours": ALWAYS, "holidays": ALWAYS}

ON_CALL = ("oncall/pagerduty", "oncall/slack")
EMAIL = ("escalation/email",)
TEAM = ("warning/slack",)
INFO = ("info/slack",)
HEARTBEAT = ("heartbeat/webhook",)
UNROUTED = ("unrouted/slack",)

CHAIN = (
    Service(name="front", port=1, dependencies=("middle",)),
    Service(name="middle", port=1, dependencies=("back",)),
    Service(name="back", port=1),
)
"""Services that depend on each other over two levels, as none of the real ones do."""


def deployed_configuration() -> dict[str, Any]:
    """The production stack's configuration, for its services and the chain."""
    settings = parse(PROD)
    real = catalogue.load(ROOT / "services.yaml").without(settings.absent_services)
    return routing.alertmanager_configuration(settings, Catalogue(services=(*real.services, *CHAIN)))


# --- stories ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Stage:
    """Where one case plays."""

    alertmanager: Alertmanager
    run: Run
    zero: float
    case: str
    receivers: str

    def mine(self, alerts: Sequence[Labels]) -> list[Labels]:
        """The alerts with the label that tells them from those of other cases; no route or inhibition reads it."""
        return [alert | {"case": self.case} for alert in alerts]

    def moment(self, minute: float) -> float:
        """A minute of the story, in seconds since the epoch."""
        return self.zero + 60 * minute / self.run.factor


@dataclass(frozen=True)
class Step:
    """One thing that happens in a story."""

    minute: float
    act: Callable[[Stage], None]


@dataclass(frozen=True)
class Heard:
    """One alert that one integration is told."""

    who: str
    status: str
    alert: Labels
    earliest: float
    latest: float


@dataclass(frozen=True)
class Case:
    """A story, and everything that is heard of it."""

    name: str
    steps: Sequence[Step]
    heard: Sequence[Heard]


@dataclass(frozen=True)
class Run:
    """Cases that share an Alertmanager, whose minutes are `factor` times shorter than the deployed ones."""

    name: str
    factor: float
    until: float
    """Last minute of the stories; what nobody hears until then counts as silence."""
    intervals: Callable[[float], Intervals]
    """The time intervals, given the epoch second at which the stories begin."""
    cases: Sequence[Case]
    on_the_minute: float | None = None
    """If given, minute 0 is the start of a minute of the clock that is at least so many seconds ahead."""


def fires(minute: float, *alerts: Labels) -> Step:
    return Step(minute, lambda stage: stage.alertmanager.fire(*stage.mine(alerts)))


def resolves(minute: float, *alerts: Labels) -> Step:
    return Step(minute, lambda stage: stage.alertmanager.resolve(*stage.mine(alerts)))


def silenced(minute: float, alert: Labels, until: float) -> Step:
    def act(stage: Stage) -> None:
        stage.alertmanager.silence(stage.mine([alert])[0], datetime.fromtimestamp(stage.moment(until), UTC))

    return Step(minute, act)


def changes(minute: float, intervals: Intervals) -> Step:
    def act(stage: Stage) -> None:
        stage.alertmanager.configure(scaled(deployed_configuration(), stage.run.factor, intervals, stage.receivers))

    return Step(minute, act)


def told(who: tuple[str, ...], alert: Labels, earliest: float, latest: float | None = None) -> list[Heard]:
    return [Heard(name, "firing", alert, earliest, latest or earliest) for name in who]


def told_resolved(who: tuple[str, ...], alert: Labels, earliest: float, latest: float | None = None) -> list[Heard]:
    return [Heard(name, "resolved", alert, earliest, latest or earliest) for name in who]


def critical(name: str, service: str, **labels: str) -> Labels:
    return {"alertname": name, "service": service, "severity": "critical", **labels}


def warning(name: str, service: str, **labels: str) -> Labels:
    return {"alertname": name, "service": service, "severity": "warning", **labels}


def info(name: str, service: str, **labels: str) -> Labels:
    return {"alertname": name, "service": service, "severity": "info", **labels}


def down(service: str) -> Labels:
    return critical("ServiceDown", service)


# --- the waits: a minute is a second ----------------------------------------------------------------------------

AT_ONCE = 5 * SECOND


def short_critical() -> Case:
    alert = critical("Short", "a")
    return Case(
        "a critical alert reaches PagerDuty and Slack at once, and no e-mail if it is resolved before",
        [fires(0, alert), resolves(10, alert)],
        [*told(ON_CALL, alert, AT_ONCE), *told_resolved(ON_CALL, alert, 10, 11)],
    )


def long_critical() -> Case:
    alert = critical("Long", "b")
    return Case(
        "a critical alert that lasts reaches e-mail too, and its resolve all three",
        [fires(0, alert), resolves(33, alert)],
        [
            *told(ON_CALL, alert, AT_ONCE),
            *told(EMAIL, alert, 30),
            *told_resolved(ON_CALL, alert, 33, 34),
            *told_resolved(EMAIL, alert, 35),
        ],
    )


def silenced_critical() -> Case:
    alert = critical("Silenced", "c")
    return Case(
        "a critical alert that is silenced reaches no e-mail",
        [fires(0, alert), silenced(10, alert, until=300)],
        told(ON_CALL, alert, AT_ONCE),
    )


def lapsed_silence() -> Case:
    alert = critical("Lapsed", "d")
    return Case(
        "a critical alert whose silence lapses reaches e-mail at the next tick",
        [fires(0, alert), silenced(10, alert, until=32.5)],
        [*told(ON_CALL, alert, AT_ONCE), *told(EMAIL, alert, 35)],
    )


def late_critical() -> Case:
    first, second = critical("Late", "e", pod="1"), critical("Late", "e", pod="2")
    return Case(
        "a second critical alert of a group reaches people within a minute and e-mail after a wait of its own",
        [fires(0, first), fires(7.5, second)],
        [
            *told(ON_CALL, first, AT_ONCE),
            *told(ON_CALL, first, 8),  # the group's message names all that fires
            *told(ON_CALL, second, 8),
            *told(EMAIL, first, 30),
            *told(EMAIL, second, 37.5),
        ],
    )


def lasting_warning() -> Case:
    alert = warning("Lasting", "f")
    return Case(
        "a warning that lasts reaches the team after its wait, and so does its resolve",
        [fires(0, alert), resolves(17.5, alert)],
        [*told(TEAM, alert, 15), *told_resolved(TEAM, alert, 20)],
    )


def passing_warning() -> Case:
    alert = warning("Passing", "g")
    return Case("a warning that is resolved before reaches nobody", [fires(0, alert), resolves(12, alert)], [])


def late_warning() -> Case:
    first, second = warning("Joins", "h", pod="1"), warning("Joins", "h", pod="2")
    return Case(
        "a warning that joins one of the same name has a wait of its own",
        [fires(0, first), fires(8, second)],
        [*told(TEAM, first, 15), *told(TEAM, second, 23)],
    )


def silenced_warning() -> Case:
    alert = warning("Hushed", "i")
    return Case(
        "a warning whose silence lapses reaches the team at the next tick",
        [fires(0, alert), silenced(5, alert, until=17.5)],
        told(TEAM, alert, 20),
    )


def daytime_info() -> Case:
    alert = info("Daytime", "j")
    return Case(
        "an info alert in business hours reaches the team, and so does its resolve",
        [fires(0, alert), resolves(8, alert)],
        [*told(INFO, alert, 1), *told_resolved(INFO, alert, 16)],
    )


def no_severity() -> Case:
    alert = {"alertname": "Forgotten", "service": "k"}
    return Case("an alert of no severity is seen", [fires(0, alert)], told(UNROUTED, alert, 30 * SECOND))


def higher_severity() -> Case:
    high, low, lowest = (make("Graded", "l") for make in (critical, warning, info))
    other = warning("Graded", "another-l")
    return Case(
        "the higher severity mutes the lower ones of the same thing while it fires, and of nothing else",
        [fires(0, high), fires(1, low, lowest, other), resolves(18, high)],
        [
            *told(ON_CALL, high, AT_ONCE),
            *told(TEAM, other, 16),
            *told_resolved(ON_CALL, high, 18, 19),
            *told(TEAM, low, 21),  # which goes on to mute the info alert
        ],
    )


def higher_threshold() -> Case:
    high, low = critical("HighErrorRate", "m", symptom="errors"), warning("ErrorRateElevated", "m", symptom="errors")
    slow = warning("LatencyDegraded", "m", symptom="latency")
    return Case(
        "the higher threshold of a symptom mutes the lower one, and no other symptom",
        [fires(0, high), fires(1, low, slow)],
        [*told(ON_CALL, high, AT_ONCE), *told(EMAIL, high, 30), *told(TEAM, slow, 16)],
    )


def service_down() -> Case:
    source, orders = down("n"), critical("OrdersStopped", "n")
    errors, slow = critical("HighErrorRate", "n", symptom="errors"), warning("LatencyDegraded", "n", symptom="latency")
    elsewhere = warning("LatencyDegraded", "another-n", symptom="latency")
    return Case(
        "a service that is down mutes its symptoms, and neither other alerts of it nor other services",
        [fires(0, source), fires(1, errors, slow, orders, elsewhere)],
        [
            *told(ON_CALL, source, AT_ONCE),
            *told(EMAIL, source, 30),
            *told(ON_CALL, orders, 1 + AT_ONCE),
            *told(EMAIL, orders, 31),
            *told(TEAM, elsewhere, 16),
        ],
    )


def service_up_again() -> Case:
    source, slow = down("o"), warning("LatencyDegraded", "o", symptom="latency")
    return Case(
        "a symptom that outlasts the outage is told at the next tick",
        [fires(0, source), fires(1, slow), resolves(18, source)],
        [*told(ON_CALL, source, AT_ONCE), *told_resolved(ON_CALL, source, 18, 19), *told(TEAM, slow, 21)],
    )


def dependency_down() -> Case:
    source = down("back")
    errors, slow = (
        critical("HighErrorRate", "middle", symptom="errors"),
        warning("LatencyDegraded", "middle", symptom="latency"),
    )
    logins, crash = critical("LoginsStopped", "middle"), warning("CrashLooping", "middle")
    beyond = warning("LatencyDegraded", "front", symptom="latency")
    return Case(
        "a dependency that is down mutes its dependants' symptoms one level up, and nothing else of theirs",
        [fires(0, source), fires(1, errors, slow, logins, crash, beyond)],
        [
            *told(ON_CALL, source, AT_ONCE),
            *told(EMAIL, source, 30),
            *told(ON_CALL, logins, 1 + AT_ONCE),
            *told(EMAIL, logins, 31),
            *told(TEAM, crash, 16),
            *told(TEAM, beyond, 16),
        ],
    )


def gateway() -> Case:
    source, spared = down("order-service"), warning("LatencyDegraded", "user-service", symptom="latency")
    muted = [warning("LatencyDegraded", name, symptom="latency") for name in ("order-service", "gateway")]
    return Case(
        "order-service down mutes the gateway's symptoms and not user-service's",
        [fires(0, source), fires(1, *muted, spared)],
        [*told(ON_CALL, source, AT_ONCE), *told(EMAIL, source, 30), *told(TEAM, spared, 16)],
    )


def node_down() -> Case:
    source = {"alertname": "NodeNotReady", "severity": "critical", "node": "1"}
    muted, spared = (warning("PodNotReady", "p", scope="pod", node=node) for node in ("1", "2"))
    disk = warning("DiskFilling", "p", node="1")
    return Case(
        "a node that is down mutes its pods' alerts, and not other nodes' nor its own",
        [fires(0, source), fires(1, muted, spared, disk)],
        [
            *told(ON_CALL, source, AT_ONCE),
            *told(EMAIL, source, 30),
            *told(TEAM, spared, 16),
            *told(TEAM, disk, 16),
        ],
    )


WAITS = Run(
    "waits",
    factor=60,
    until=42,
    intervals=lambda _: OPEN,
    cases=[
        short_critical(),
        long_critical(),
        silenced_critical(),
        lapsed_silence(),
        late_critical(),
        lasting_warning(),
        passing_warning(),
        late_warning(),
        silenced_warning(),
        daytime_info(),
        no_severity(),
        higher_severity(),
        higher_threshold(),
        service_down(),
        service_up_again(),
        dependency_down(),
        gateway(),
        node_down(),
    ],
)


# --- the heartbeat, and what arrives together: a minute is 12 seconds ----------------------------------------------


def together() -> Case:
    """Twenty outages whose symptom is in the same request: ten before what mutes it, ten after."""
    pairs = [(down(f"q{n}"), critical("HighErrorRate", f"q{n}", symptom="errors")) for n in range(20)]
    steps, heard = [], []
    for number, (source, symptom) in enumerate(pairs):
        minute = number * SECOND / 2
        steps.append(fires(minute, *((source, symptom) if number % 2 else (symptom, source))))
        heard += told(ON_CALL, source, minute + AT_ONCE)
    return Case("a symptom that arrives together with what mutes it never leaks", steps, heard)


def heartbeat() -> Case:
    alert = {"alertname": "Watchdog", "severity": "none"}
    beats = [beat for minute in range(4) for beat in told(HEARTBEAT, alert, minute)]
    return Case(
        "the heartbeat comes every minute, and ends without a resolve", [fires(0, alert), resolves(3.2, alert)], beats
    )


TOGETHER = Run("together", factor=5, until=4.3, intervals=lambda _: OPEN, cases=[together(), heartbeat()])


# --- the repeats: an hour is three seconds ------------------------------------------------------------------------

LATE = 10.0
"""Minutes by which each repeat of this run may be later than the one before: half a second, mostly the receivers'."""


def repeated_critical() -> Case:
    alert = critical("Repeated", "a")
    hourly = [beat for hour in range(5) for beat in told(ON_CALL, alert, hour * HOUR, hour * (HOUR + LATE))]
    return Case(
        "a critical alert is repeated every hour, by e-mail every four",
        [fires(0, alert), resolves(4.9 * HOUR, alert)],
        [
            *hourly,
            *told(EMAIL, alert, 30),
            *told(EMAIL, alert, 30 + 4 * HOUR, 30 + 4 * HOUR + LATE),
            *told_resolved(ON_CALL + EMAIL, alert, 4.9 * HOUR, 4.9 * HOUR + LATE),
        ],
    )


def repeated_warning() -> Case:
    alert = warning("Repeated", "b")
    return Case(
        "a warning is repeated every twelve hours",
        [fires(0, alert)],
        [*told(TEAM, alert, 15), *told(TEAM, alert, 15 + 12 * HOUR, 20 + 12 * HOUR + LATE)],
    )


def repeated_info() -> Case:
    alert = info("Repeated", "c")
    return Case(
        "an info alert is repeated every twelve hours",
        [fires(0, alert)],
        [*told(INFO, alert, 1), *told(INFO, alert, 1 + 12 * HOUR, 16 + 12 * HOUR + LATE)],
    )


REPEATS = Run(
    "repeats",
    factor=1200,
    until=13 * HOUR,
    intervals=lambda _: OPEN,
    cases=[repeated_critical(), repeated_warning(), repeated_info()],
)


# --- business hours: an hour is three seconds ---------------------------------------------------------------------


def opening() -> Case:
    alert = info("Nightly", "a")
    return Case(
        "an info alert outside business hours is told when they open, if it still fires",
        [fires(-80, alert), resolves(25, alert)],
        [*told(INFO, alert, 0, 15), *told_resolved(INFO, alert, 25, 40)],
    )


def came_and_went() -> Case:
    alert = info("CameAndWent", "b")
    return Case(
        "an info alert that comes and goes outside business hours is never told",
        [fires(-80, alert), resolves(-40, alert)],
        [],
    )


def others_at_night() -> Case:
    page, note = critical("Night", "c"), warning("Night", "d")
    return Case(
        "critical alerts and warnings know no business hours",
        [fires(-80, page, note), resolves(-55, page, note)],
        [
            *told(ON_CALL, page, AT_ONCE - 80),
            *told(TEAM, note, -65),
            *told_resolved(ON_CALL, page, -55, -54),
            *told_resolved(TEAM, note, -55, -50),
        ],
    )


def from_then_on(zero: float) -> Intervals:
    """Business hours that begin at this second, the start of a minute, and last for the rest of the day."""
    start = datetime.fromtimestamp(zero, UTC)
    times = [{"start_time": f"{start:%H:%M}", "end_time": "24:00"}]
    return {"business-hours": [{"weekdays": [f"{start:%A}".lower()], "times": times}], "holidays": NEVER}


OPENING = Run(
    "opening",
    factor=1200,
    until=100,
    intervals=from_then_on,
    cases=[opening(), came_and_went(), others_at_night()],
    on_the_minute=5 + START_SECONDS,
)


def holiday() -> Case:
    alert = info("Holiday", "a")
    return Case("an info alert on a holiday is told to nobody, at any hour", [fires(0, alert)], [])


HOLIDAYS = Run("holidays", factor=1200, until=4 * HOUR, intervals=lambda _: HOLIDAY, cases=[holiday()])

NIGHT = 16 * HOUR


def morning_after() -> Case:
    alert = info("Anew", "a")
    return Case(
        "an info alert that was told, resolved at night and fires anew is told in the morning",
        [
            fires(0, alert),
            changes(20, CLOSED),
            resolves(60, alert),
            fires(2 * HOUR, alert),
            changes(20 + NIGHT, OPEN),
        ],
        [*told(INFO, alert, 1), *told(INFO, alert, 20 + NIGHT, 35 + NIGHT)],
    )


MORNING = Run("morning", factor=1200, until=NIGHT + HOUR, intervals=lambda _: OPEN, cases=[morning_after()])


# --- playing ------------------------------------------------------------------------------------------------------

RUNS = (WAITS, TOGETHER, REPEATS, OPENING, HOLIDAYS, MORNING)


def play(run: Run, server: Receivers, directory: Path, interrupted: threading.Event) -> float:
    """Play a run's stories to the end; returns the epoch second of their minute 0."""
    zero = time.time() + START_SECONDS
    if run.on_the_minute is not None:
        zero = 60 * ((time.time() + run.on_the_minute) // 60 + 1)
    configuration = scaled(deployed_configuration(), run.factor, run.intervals(zero), server.url)
    with alertmanager(configuration, directory / run.name) as running:
        stages = {case.name: Stage(running, run, zero, case.name, server.url) for case in run.cases}
        steps = [(stages[case.name], step) for case in run.cases for step in case.steps]
        for stage, step in sorted(steps, key=lambda pair: pair[1].minute):
            interrupted.wait(stage.moment(step.minute) - time.time())
            step.act(stage)
        interrupted.wait(zero + 60 * run.until / run.factor - time.time())
    return zero


@dataclass(frozen=True)
class Played:
    """What was heard in every run."""

    zero: dict[str, float]
    told: list[Told]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """All runs, played at the same time."""
    directory = tmp_path_factory.mktemp("alertmanagers")
    interrupted = threading.Event()
    with receivers() as server, ThreadPoolExecutor(len(RUNS)) as pool:
        plays = {run.name: pool.submit(play, run, server, directory, interrupted) for run in RUNS}
        try:
            yield Played({name: playing.result() for name, playing in plays.items()}, server.told)
        finally:
            interrupted.set()


def matches(message: Told, expected: Heard, run: Run, zero: float) -> bool:
    """Whether a message is the expected one, in its time."""
    earliest, latest = (zero + 60 * minute / run.factor for minute in (expected.earliest, expected.latest))
    labels = {name: value for name, value in message.labels.items() if name != "case"}
    return (message.who, message.status, labels) == (expected.who, expected.status, expected.alert) and (
        earliest - CLOCK_SECONDS <= message.at <= latest + SLACK_SECONDS
    )


@pytest.mark.parametrize(("run", "case"), [pytest.param(run, case, id=case.name) for run in RUNS for case in run.cases])
def test_everything_that_is_heard(run: Run, case: Case, played: Played) -> None:
    zero = played.zero[run.name]
    surplus = sorted((message for message in played.told if message.labels["case"] == case.name), key=lambda m: m.at)
    missing = []
    for expected in case.heard:
        found = next((message for message in surplus if matches(message, expected, run, zero)), None)
        if found:
            surplus.remove(found)
        else:
            missing.append(expected)
    heard = [
        f"at {(message.at - zero) * run.factor / 60:.2f} min {message.who} {message.status} {message.labels}"
        for message in surplus
    ]
    assert not missing, f"not heard in time; heard besides: {heard}"
    assert not heard


def test_case_names_are_unique() -> None:
    names = [case.name for run in RUNS for case in run.cases]
    assert len(names) == len(set(names))


# --- the deployed business hours, which the runs replace ----------------------------------------------------------

WORKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday"]


def tells_info(configuration: dict[str, Any], moment: datetime) -> bool:
    """Whether the info route may notify at a moment.

    A stand-in for Alertmanager's own evaluation, by its documentation: no tool of it takes a time.
    """
    (route,) = (route for route in configuration["route"]["routes"] if route["matchers"] == ['severity="info"'])
    intervals = {item["name"]: item["time_intervals"] for item in configuration["time_intervals"]}

    def within(name: str) -> bool:
        return any(contains(interval, moment) for interval in intervals[name])

    muted = any(within(name) for name in route.get("mute_time_intervals", []))
    return not muted and any(within(name) for name in route["active_time_intervals"])


def contains(interval: dict[str, Any], moment: datetime) -> bool:
    """Whether a moment is in one time interval: in every part of it that is given."""
    local = moment.astimezone(ZoneInfo(interval["location"]))
    clock = f"{local:%H:%M}"
    parts: dict[str, Callable[[Any], bool]] = {
        "weekdays": lambda days: f"{local:%A}".lower() in days,
        "times": lambda spans: any(span["start_time"] <= clock < span["end_time"] for span in spans),
        "years": lambda years: str(local.year) in years,
        "months": lambda months: str(local.month) in months,
        "days_of_month": lambda days: str(local.day) in days,
    }
    return all(parts[part](wanted) for part, wanted in interval.items() if part != "location")


def open_hours(configuration: dict[str, Any], day: str, days: int = 1) -> dict[str, list[int]]:
    """The hours in UTC, by weekday in UTC, whose every quarter is open; raises if one is open in part."""
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    found: dict[str, list[int]] = {}
    for number in range(24 * days):
        hour = start + timedelta(hours=number)
        quarters = {tells_info(configuration, hour + timedelta(minutes=minute)) for minute in (0, 15, 30, 45, 59)}
        assert len(quarters) == 1, hour
        if quarters == {True}:
            found.setdefault(f"{hour:%A}".lower(), []).append(hour.hour)
    return found


@pytest.mark.parametrize(
    ("monday", "days", "hours"),
    [
        pytest.param("2026-10-26", WORKDAYS, range(13, 21), id="summer time, to the Sunday of the change"),
        pytest.param("2026-11-02", WORKDAYS, range(14, 22), id="winter time"),
        pytest.param("2026-12-21", WORKDAYS[:4], range(14, 22), id="Christmas"),
        pytest.param("2026-12-28", WORKDAYS[:4], range(14, 22), id="New Year"),
        pytest.param("2027-03-08", WORKDAYS, range(14, 22), id="winter time, to the Sunday of the change"),
        pytest.param("2027-03-15", WORKDAYS, range(13, 21), id="summer time again"),
        pytest.param("2027-12-20", WORKDAYS, range(14, 22), id="a holiday is of one year"),
    ],
)
def test_production_hears_of_info_from_nine_to_five_in_new_york(monday: str, days: list[str], hours: range) -> None:
    assert open_hours(deployed_configuration(), monday, 7) == {day: list(hours) for day in days}


@pytest.mark.parametrize(
    ("sunday", "start", "end", "hours"),
    [
        pytest.param("2026-11-01", "09:00", "17:00", range(14, 22), id="the day is an hour longer"),
        pytest.param("2026-11-01", "00:00", "03:00", range(4, 8), id="one hour comes twice"),
        pytest.param("2027-03-14", "09:00", "17:00", range(13, 21), id="the day is an hour shorter"),
        pytest.param("2027-03-14", "00:00", "03:00", range(5, 7), id="one hour is missing"),
    ],
)
def test_hours_on_the_day_that_the_clocks_change(sunday: str, start: str, end: str, hours: range) -> None:
    settings = parse(merged(PROD, {"businessHours": {"days": ["sunday"], "start": start, "end": end}}))
    configuration = routing.alertmanager_configuration(settings, catalogue.load(ROOT / "services.yaml"))
    assert open_hours(configuration, sunday) == {"sunday": list(hours)}
