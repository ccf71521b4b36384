"""The matrix of notifications: `matrix.yaml` as cases that can be played, each with everything that is heard of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import yaml
from pydantic import Field

from components.alerting import rules
from facts import ROOT
from quantities import milliseconds
from validation import Section

MATRIX = Path(__file__).with_name("matrix.yaml")
AFTER_ITS_CAUSE = 1.0
"""Minutes from a cause to what it mutes or spares."""
COPIES_APART = 1 / 60
"""Minutes from one copy of a story to the next."""
FOR_GOOD = 24 * 60.0
"""Minutes, longer than any story."""

Labels = dict[str, str]


# --- what is played ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """What happens at one moment of a case."""

    minute: float
    fires: tuple[Labels, ...] = ()
    resolves: tuple[Labels, ...] = ()
    silences: tuple[Labels, ...] = ()
    until: float = FOR_GOOD
    """Minute at which the silences end."""
    away: tuple[str, ...] = ()
    """Integrations that answer no more."""
    back: tuple[str, ...] = ()
    """Integrations that answer again."""
    reloads: bool = False
    restarts: bool = False
    """Whether Alertmanager does."""


@dataclass(frozen=True)
class Heard:
    """One alert that one integration is told, in minutes of the case."""

    who: str
    status: str
    alert: Labels
    earliest: float
    latest: float


@dataclass(frozen=True)
class Case:
    """What happens, and everything that is heard of it."""

    name: str
    steps: tuple[Step, ...]
    heard: tuple[Heard, ...]
    messages: int | None = None
    """How many messages everything is heard in, where that is said."""


@dataclass(frozen=True)
class Run:
    """Cases that share an Alertmanager, whose minutes are `factor` times shorter than the stack's."""

    name: str
    factor: float
    until: float
    """Last minute of the cases; what nobody hears until then counts as silence."""
    cases: tuple[Case, ...]


# --- how it is written ------------------------------------------------------------------------------------------

_Names = str | tuple[str, ...]


class _Happening(Section):
    fires: _Names = ()
    resolves: _Names = ()
    silences: _Names = ()
    until: str = f"{FOR_GOOD:g}m"
    away: _Names = ()
    back: _Names = ()
    reloads: bool = False
    restarts: bool = False


class _Story(Section):
    story: str
    copies: int = 1
    messages: int | None = None
    happens: dict[str, _Happening]
    heard: dict[str, dict[str, _Names]] = Field(default_factory=dict)


class _Inhibition(Section):
    rule: str
    cause: str
    mutes: tuple[str, ...]
    spares: tuple[str, ...]


class _Run(Section):
    minute: str
    until: str
    every_severity: bool = False
    """With and without a service, silenced and not."""
    stories: tuple[_Story, ...] = ()
    inhibitions: tuple[_Inhibition, ...] = ()


class _Matrix(Section):
    people: dict[str, tuple[str, ...]]
    hears: dict[str, dict[str, str]]
    made_up: dict[str, Labels]
    runs: dict[str, _Run]


@dataclass(frozen=True)
class Inhibition:
    """A cause, what it mutes and what it spares."""

    rule: str
    cause: Labels
    mutes: tuple[Labels, ...]
    spares: tuple[Labels, ...]


class Matrix:
    """The table, read and checked."""

    def __init__(self, path: Path = MATRIX) -> None:
        self._table = _Matrix.model_validate(yaml.safe_load(path.read_text()))
        self._own_labels = _labels_of_rules() | self._table.made_up
        self.runs = tuple(self._run(name, run) for name, run in self._table.runs.items())

    @property
    def made_up(self) -> set[str]:
        """Names of the alerts that no rule makes."""
        return set(self._table.made_up)

    @property
    def inhibitions(self) -> list[Inhibition]:
        """What mutes what."""
        return [self._inhibition(written) for run in self._table.runs.values() for written in run.inhibitions]

    def alert(self, text: str) -> Labels:
        """The labels of an alert that is written as `NodeNotReady node=1`. Raises KeyError if no rule makes it."""
        name, *pairs = text.split(" ")
        if name not in self._own_labels:
            raise KeyError(f"{MATRIX.name}: no rule of alerts/ makes {name}; correct it or list it under madeUp")
        return {"alertname": name, **self._own_labels[name], **dict(pair.split("=") for pair in pairs)}

    def _run(self, name: str, run: _Run) -> Run:
        cases = [
            *(case for story in run.stories for case in self._told(story)),
            *(case for written in run.inhibitions for case in self._inhibited(self._inhibition(written))),
            *(self._crossed() if run.every_severity else ()),
        ]
        return Run(name, 1 / minutes(run.minute), minutes(run.until), tuple(cases))

    def _told(self, story: _Story) -> Iterator[Case]:
        """The story, as often as it is to be played."""
        for copy in range(story.copies):
            later = copy * COPIES_APART
            yield Case(
                name=story.story + (f" ({copy + 1})" if story.copies > 1 else ""),
                steps=tuple(self._step(minutes(when) + later, what) for when, what in story.happens.items()),
                heard=tuple(
                    heard
                    for when, what in story.heard.items()
                    for who, alerts in what.items()
                    for alert in self._alerts(alerts)
                    for heard in self._heard(who, alert, when, later)
                ),
                messages=story.messages,
            )

    def _step(self, minute: float, what: _Happening) -> Step:
        fires, resolves, silences = map(self._alerts, (what.fires, what.resolves, what.silences))
        away, back = _several(what.away), _several(what.back)
        until = minutes(what.until)
        return Step(minute, fires, resolves, silences, until, away, back, what.reloads, what.restarts)

    def _alerts(self, names: _Names) -> tuple[Labels, ...]:
        return tuple(self.alert(one) for text in _several(names) for one in _numbered(text))

    def _inhibition(self, written: _Inhibition) -> Inhibition:
        mutes, spares = (tuple(map(self.alert, alerts)) for alerts in (written.mutes, written.spares))
        return Inhibition(written.rule, self.alert(written.cause), mutes, spares)

    def _inhibited(self, inhibition: Inhibition) -> Iterator[Case]:
        """The cause with what it mutes and spares, the same with the cause silenced, and all but the cause."""
        cause, both = inhibition.cause, inhibition.mutes + inhibition.spares
        fires = Step(0, fires=(cause,))
        follow = Step(AFTER_ITS_CAUSE, fires=both)
        silence = Step(-AFTER_ITS_CAUSE, silences=(cause,))
        spared = self._hear(inhibition.spares, AFTER_ITS_CAUSE)
        yield Case(inhibition.rule, (fires, follow), (*self._hear((cause,)), *spared))
        yield Case(f"{inhibition.rule}, also while the cause is silenced", (silence, fires, follow), spared)
        yield Case(f"without the cause all are heard: {inhibition.rule}", (follow,), self._hear(both, AFTER_ITS_CAUSE))

    def _crossed(self) -> Iterator[Case]:
        """Every severity with and without a service, silenced and not."""
        whose = {"of a service": "service=order-service", "of no service": "owner=platform"}
        for severity, of, silenced in product(self._table.hears, whose, (False, True)):
            alert = self.alert(f"Any severity={severity} {whose[of]}")
            yield Case(
                name=f"{severity} {of}{', silenced' if silenced else ''}",
                steps=(*([Step(-1, silences=(alert,))] if silenced else []), Step(0, fires=(alert,))),
                heard=() if silenced else self._hear((alert,)),
            )

    def _hear(self, alerts: tuple[Labels, ...], later: float = 0) -> tuple[Heard, ...]:
        """What is heard of alerts that last, from their severities."""
        return tuple(
            heard
            for alert in alerts
            for when, who in self._table.hears[alert["severity"]].items()
            for heard in self._heard(who, alert, when, later)
        )

    def _heard(self, who: str, alert: Labels, when: str, later: float = 0) -> Iterator[Heard]:
        people = who.removesuffix(" resolved")
        status = "firing" if people == who else "resolved"
        earliest, _, latest = when.partition("..")
        for integration in self._table.people[people]:
            yield Heard(integration, status, alert, minutes(earliest) + later, minutes(latest or earliest) + later)


def minutes(duration: str) -> float:
    """Length in minutes of a duration such as `200ms`, `1h30m` or `-80m`. Raises ValueError for anything else."""
    length = milliseconds(duration.removeprefix("-")) / 60_000
    return -length if duration.startswith("-") else length


def _numbered(text: str) -> list[str]:
    """`Note pod=1..3` as the three alerts that it stands for."""
    found = re.search(r"(\d+)\.\.(\d+)", text)
    numbers = range(int(found[1]), int(found[2]) + 1) if found else ()
    return [text.replace(found[0], str(number)) for number in numbers] if found else [text]


def _several(names: _Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def _labels_of_rules() -> dict[str, Labels]:
    """The labels that each alert has whatever it is about."""
    return {
        rule["alert"]: {name: value for name, value in rule["labels"].items() if "{{" not in value}
        for document in rules.read(ROOT / "alerts").values()
        for group in document["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
