"""What a drill is, as `drills.yaml` declares it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

import documents
from invalid import one_of
from problems import validated
from validation import Duration, Flag, InvalidInputError, Line, Name, Section, Some, number, text, whole

FILE = Path(__file__).with_name("drills.yaml")

Minute = Annotated[float, number(0, 24 * 60, including=True)]
"""A minute of the stack's time since the drill began."""
Share = Annotated[float, number(0, 1, above=True, including=True)]
Pace = Annotated[float, number(0, 100, above=True, including=True)]
"""Requests in a second."""
Count = Annotated[int, whole(1, 100)]
Value = Annotated[float, number(-1e15, 1e15)]
LabelName = Annotated[str, text("[a-zA-Z_][a-zA-Z0-9_]*", "the name of a label such as instance")]
MaybeEmpty = Annotated[str, text(".*", "one line of text")]
Labels = dict[LabelName, MaybeEmpty]


def _moment(text: str) -> str | None:
    try:
        datetime.datetime.fromisoformat(text)
    except ValueError:
        return "there is no such moment"
    return None


Moment = Annotated[
    AwareDatetime,
    text(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z", "a moment of UTC such as 2026-12-25T17:00:00Z", _moment),
]
Service = Literal["gateway", "user-service", "inventory-service", "order-service", "auth-service", "insights-service"]
Part = Literal["prometheus", "alertmanager", "loki", "log-agent", "blackbox", "exporters", "load", "redis"]
Reloadable = Literal["prometheus", "alertmanager"]
Channel = Literal["pagerduty", "slack", "email", "heartbeat"]


class Errors(Section):
    """Requests that fail."""

    service: Service
    share: Share
    """Share of the requests that are answered with 500."""
    path: Annotated[str, text(r"/\S*", "a path such as /orders")] = "/"
    """Only paths that begin so."""


class Slow(Section):
    """Requests that take longer."""

    service: Service
    milliseconds: Annotated[float, number(0, 60_000, above=True, including=True)]
    """Added to a request; in real time, as latencies are not scaled."""
    share: Share = 1
    """Of how many requests."""


class Series(Section):
    """Samples that the stand-in exporters show instead of healthy ones."""

    name: Line
    labels: Labels = Field(default_factory=dict)
    """All samples with these labels."""
    value: Value | None = None
    per_second: Value = 0
    """How fast it grows, in real time; a counter grows so from where it is."""

    @model_validator(mode="after")
    def _shows_something(self) -> Self:
        if self.value is None and not self.per_second:
            raise ValueError("give a value, or perSecond, or both")
        return self


class Pods(Section):
    """Pods that a roll-out has made beside those that run, and that never become ready; Kubernetes tells of them."""

    service: Service
    count: Count = 1
    crashing: Flag = False
    """Whether their container ends after every start."""


class Flood(Section):
    """Log lines beside the usual ones."""

    service: Service
    lines: Annotated[int, whole(1, 10_000)]
    """Written at each request."""


class Disk(Section):
    """A file system of the node beside this machine's own, on a disk of a made-up size."""

    mountpoint: Annotated[str, text("(/[a-z0-9]+)+", "an absolute path of lower-case letters and digits")]
    """Where it is mounted; its device is named after it."""
    used: Annotated[float, number(0, 1, including=True)]
    """Share of it that is used."""
    read_only: Flag = False


class Refused(Section):
    """A receiver of notifications that is away."""

    receiver: Channel
    status: Annotated[int, whole(400, 599)]
    """What it answers."""


class Fault(Section):
    """One thing that breaks at one minute and heals at another; or that somebody does, at one minute."""

    from_: Minute = Field(alias="from")
    to: Minute | None = None
    """When it heals."""
    shows: Line | None = None
    """An expression with a result once the fault is in the series, the chain's first link; if it never has one, the
    drill fails."""

    down: Literal[Service, Part] | None = None
    """A process that ends and is not started again."""
    hung: Service | None = None
    """A process that lives, takes connections and answers nothing."""
    absent: Service | None = None
    """A service scaled to zero: no process, and no target that discovery would find."""
    errors: Errors | None = None
    slow: Slow | None = None
    series: tuple[Series, ...] | None = None
    pods: Pods | None = None
    flood: Flood | None = None
    disk: Disk | None = None
    refused: Refused | None = None
    load: Annotated[float, number(0, 100, including=True)] | None = None
    """Steps that customers take in a second."""
    failed_logins: Pace | None = None
    """Attempts in a second to log in with a wrong password."""
    clock: Moment | None = None
    """The moment that it is for business hours, from then on until the last fault has healed; as fast as real time."""
    statements: Pace | None = None
    """Requests in a second of a path that nobody else asks for: what has happened on an account."""
    random_paths: Annotated[float, number(0, 1000, above=True, including=True)] | None = None
    """Requests in a second of a path that nobody has asked for before, and that leads nowhere."""

    acknowledged: Line | None = None
    """The alert whose page somebody acknowledges, by the link in PagerDuty's message."""
    reloaded: Reloadable | None = None
    """A process that reads its configuration again."""

    @property
    def kind(self) -> str:
        """The name of what breaks."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def end(self) -> float:
        """The minute at which it is over."""
        return self.from_ if self.to is None else self.to

    @property
    def words(self) -> str:
        """What breaks, for people."""
        what = getattr(self, self.kind)
        if isinstance(what, Section):
            what = ", ".join(str(value) for value in what.model_dump().values() if value not in ("/", False))
        elif isinstance(what, tuple):
            what = ", ".join(item.name if item.value is None else f"{item.name} = {item.value:g}" for item in what)
        return f"{self.kind.replace('_', ' ')}: {what}"

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"one of {', '.join(KINDS)} is what breaks, not {' and '.join(given) or 'nothing'}")
        if given[0] in MOMENTS:
            if self.to is not None:
                raise ValueError(f"{given[0]} is done at one minute: leave out to: {self.to:g}")
        elif self.to is None:
            raise ValueError(f"{given[0]} lasts: say with `to` when it heals")
        elif self.to <= self.from_:
            raise ValueError(f"to: {self.to:g} is not after from: {self.from_:g}")
        return self


MOMENTS = ("acknowledged", "clock", "reloaded")
"""What somebody does at one minute, and nobody undoes before the end."""
KINDS = (
    *("down", "hung", "absent", "errors", "slow", "series", "pods", "flood", "disk", "refused"),
    *("load", "failed_logins", "statements", "random_paths"),
    *MOMENTS,
)


class Told(Section):
    """What people are told, once by each channel, and once that it is over."""

    alert: Line
    service: MaybeEmpty
    """The service that the message names; of an alert about none, its owner."""
    by: Some[Channel]
    of: Minute = 0
    """The minute at which the fault began that it tells of."""
    rises: Minute = 0
    """Minutes until what is measured over a window passes the alert's threshold."""
    within: Duration | None = None
    """From the fault to the message, where that is not what the deployed configuration says."""
    resolved: Flag = True
    """Whether it is also told that it is over."""
    alerts: Count | None = None
    """How many alerts the message is of, where that is said."""
    labels: Labels = Field(default_factory=dict)
    """Labels that the alert bears besides."""


class Drill(Section):
    """Faults, and what is told of them and by when. Everything else that is told fails the drill."""

    name: Name
    about: Line
    """What it shows, in a sentence."""
    customers: Literal["usual", "browsing"] = "usual"
    """What they do, before the drill as well: those who browse order nothing."""
    healthy: Minute = 0
    """Minutes for which all has been well before the first fault, where an alert looks back at them."""
    faults: tuple[Fault, ...] = Field(min_length=1)
    told: tuple[Told, ...] = ()
    not_firing: tuple[Line, ...] = ()
    """Alerts that do not even fire."""
    outlast: tuple[Line, ...] = ()
    """Alerts that stay for longer than the drill, as their windows do."""
    maybe: tuple[Line, ...] = ()
    """Alerts that are told or not, as chance has it."""
    patience: Minute = 30
    """Minutes after the last fault has healed, in which all must be over."""

    @property
    def healed(self) -> float:
        """The minute at which all faults have healed."""
        return max(fault.end for fault in self.faults)

    @model_validator(mode="after")
    def _of_a_fault(self) -> Self:
        begins = {fault.from_ for fault in self.faults}
        for told in self.told:
            if told.of not in begins:
                listed = ", ".join(f"{minute:g}" for minute in sorted(begins))
                raise ValueError(f"told {told.alert} of: {told.of:g} is not when a fault begins; these do: {listed}")
        return self


class Drills(Section):
    """All drills."""

    drills: tuple[Drill, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [drill.name for drill in self.drills]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"name: {name} is there twice; give each drill a name of its own")
        return self


def read(file: Path = FILE) -> tuple[Drill, ...]:
    """The drills of a file. Raises InvalidInputError with every problem."""
    return validated(Drills, documents.read(file), file).drills


def chosen(drills: tuple[Drill, ...], names: tuple[str, ...]) -> tuple[Drill, ...]:
    """The drills of these names, or all. Raises InvalidInputError for a name that none has."""
    known = {drill.name: drill for drill in drills}
    wrong = [f"NAME={name}: expected {one_of(list(known), name)}" for name in names if name not in known]
    if wrong:
        raise InvalidInputError(wrong)
    return tuple(known[name] for name in names) or drills
