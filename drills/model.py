"""What a drill is, as `drills.yaml` declares it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

import documents
from invalid import one_of
from problems import validated
from validation import Duration, InvalidInputError, Name, Section

FILE = Path(__file__).with_name("drills.yaml")

Minute = Annotated[float, Field(ge=0, le=24 * 60)]
"""A minute of the stack's time since the drill began."""
Service = Literal["gateway", "user-service", "inventory-service", "order-service", "auth-service", "insights-service"]
Part = Literal["prometheus", "alertmanager", "loki", "log-agent", "blackbox", "exporters", "load", "redis"]
Reloadable = Literal["prometheus", "alertmanager"]
Channel = Literal["pagerduty", "slack", "email", "heartbeat"]


class Errors(Section):
    """Requests that fail."""

    service: Service
    share: float = Field(gt=0, le=1)
    """Share of the requests that are answered with 500."""
    path: str = Field(default="/", pattern="^/")
    """Only paths that begin so."""


class Slow(Section):
    """Requests that take longer."""

    service: Service
    milliseconds: float = Field(gt=0, le=60_000)
    """Added to a request; in real time, as latencies are not scaled."""
    share: float = Field(default=1, gt=0, le=1)
    """Of how many requests."""


class Series(Section):
    """Samples that the stand-in exporters show instead of healthy ones."""

    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    """All samples with these labels."""
    value: float | None = None
    per_second: float = 0
    """How fast it grows, in real time; a counter grows so from where it is."""

    @model_validator(mode="after")
    def _shows_something(self) -> Self:
        if self.value is None and not self.per_second:
            raise ValueError("give a value, or perSecond, or both")
        return self


class Pods(Section):
    """Pods that a roll-out has made beside those that run, and that never become ready; Kubernetes tells of them."""

    service: Service
    count: int = Field(default=1, ge=1, le=100)
    crashing: bool = False
    """Whether their container ends after every start."""


class Flood(Section):
    """Log lines beside the usual ones."""

    service: Service
    lines: int = Field(gt=0, le=10_000)
    """Written at each request."""


class Disk(Section):
    """A file system of the node beside this machine's own, on a disk of a made-up size."""

    mountpoint: str = Field(pattern="^(/[a-z0-9]+)+$")
    """Where it is mounted; its device is named after it."""
    used: float = Field(ge=0, le=1)
    """Share of it that is used."""
    read_only: bool = False


class Refused(Section):
    """A receiver of notifications that is away."""

    receiver: Channel
    status: int = Field(ge=400, le=599)
    """What it answers."""


class Fault(Section):
    """One thing that breaks at one minute and heals at another; or that somebody does, at one minute."""

    from_: Minute = Field(alias="from")
    to: Minute | None = None
    """When it heals."""
    shows: str | None = None
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
    load: float | None = Field(default=None, ge=0, le=100)
    """Steps that customers take in a second."""
    failed_logins: float | None = Field(default=None, gt=0, le=100)
    """Attempts in a second to log in with a wrong password."""
    clock: AwareDatetime | None = None
    """The moment that it is for business hours, from then on until the last fault has healed; as fast as real time."""
    statements: float | None = Field(default=None, gt=0, le=100)
    """Requests in a second of a path that nobody else asks for: what has happened on an account."""
    random_paths: float | None = Field(default=None, gt=0, le=1000)
    """Requests in a second of a path that nobody has asked for before, and that leads nowhere."""

    acknowledged: str | None = None
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

    alert: str
    service: str
    """The service that the message names; of an alert about none, its owner."""
    by: tuple[Channel, ...] = Field(min_length=1)
    of: Minute = 0
    """The minute at which the fault began that it tells of."""
    rises: Minute = 0
    """Minutes until what is measured over a window passes the alert's threshold."""
    within: Duration | None = None
    """From the fault to the message, where that is not what the deployed configuration says."""
    resolved: bool = True
    """Whether it is also told that it is over."""
    alerts: int | None = Field(default=None, ge=1)
    """How many alerts the message is of, where that is said."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that the alert bears besides."""


class Drill(Section):
    """Faults, and what is told of them and by when. Everything else that is told fails the drill."""

    name: Name
    about: str
    """What it shows, in a sentence."""
    customers: Literal["usual", "browsing"] = "usual"
    """What they do, before the drill as well: those who browse order nothing."""
    healthy: Minute = 0
    """Minutes for which all has been well before the first fault, where an alert looks back at them."""
    faults: tuple[Fault, ...] = Field(min_length=1)
    told: tuple[Told, ...] = ()
    not_firing: tuple[str, ...] = ()
    """Alerts that do not even fire."""
    outlast: tuple[str, ...] = ()
    """Alerts that stay for longer than the drill, as their windows do."""
    maybe: tuple[str, ...] = ()
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
