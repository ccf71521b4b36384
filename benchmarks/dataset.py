"""A data set of many services and many days, made of what a rehearsal of a few services has stored.

Every series of a service that is copied is copied with it, under the copy's name; and every series is drawn out over
the days: a counter grows as fast as it was seen to, anything else that changes swings about the value that it had.
"""

from __future__ import annotations

import json
import math
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.errors import BenchmarkError
from benchmarks.history import BLOCK_HOURS, Block, blocks, import_blocks
from benchmarks.snapshot import Seen
from catalogue import Catalogue, Service
from simulation.exporters.shapes import DAY, HOUR, phase, wave

OWNER = ("service", "service_name", "container", "deployment")
"""Labels that name the service that a series is of; `pod` only begins with its name."""
ONCE = "business_"
"""Series of this prefix are not copied: an application of more services has no more kinds of orders."""
INVENTED = frozenset({"ALERTS", "ALERTS_FOR_STATE"})
"""Series that a healthy rehearsal has too few of."""
ALERT_SECONDS = 600
"""How long an alert of each service fires every day."""

Value = Callable[[int], float | None]
"""Value at a Unix time; None where there is no sample."""


@dataclass(frozen=True)
class Stored:
    """Series with the same values: a service's and its copies'."""

    names: tuple[str, ...]
    """Names with labels, as the text format has them."""
    step: int
    """Seconds between two samples."""
    value: Value


@dataclass(frozen=True)
class Extent:
    """What a data set is of."""

    services: int
    days: float
    names: tuple[str, ...]
    """The series that the queries read."""
    end: int
    """Unix time of its end."""

    @property
    def start(self) -> int:
        """Unix time of its first sample."""
        return int(self.end - self.days * DAY)


@dataclass(frozen=True)
class Made:
    """A data set that was made."""

    extent: Extent
    series: int
    samples: int
    seen: tuple[str, ...]
    """The names that there are series of."""


class Kept:
    """The directory of a data set: its description, and the storage that Prometheus runs on."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.storage = directory / "data"
        self._description = directory / "dataset.json"

    def made(self) -> Made | None:
        """What is there, if it was completed."""
        if not self._description.exists():
            return None
        kept = json.loads(self._description.read_text())
        extent = Extent(**kept.pop("extent") | {"names": tuple(kept.pop("names"))})
        return Made(extent=extent, **kept | {"seen": tuple(kept["seen"])})

    def make(self, extent: Extent, series: Sequence[Stored], progress: Callable[[str], None]) -> Made:
        """Make it anew. Raises BenchmarkError if promtool fails."""
        shutil.rmtree(self.storage, ignore_errors=True)
        self.storage.mkdir(parents=True)
        parts = [
            Block(max(block.start, extent.start), block.end, block.hours)
            for block in blocks(extent.start, extent.end)
            if block.end > extent.start
        ]
        import_blocks(self.storage, parts, lambda block: text(series, block), progress)
        made = Made(
            extent,
            sum(len(each.names) for each in series),
            sum(len(each.names) * (extent.end - extent.start) // each.step for each in series),
            tuple(sorted({name.partition("{")[0] for each in series for name in each.names})),
        )
        described = asdict(made)
        names = described["extent"].pop("names")
        self._description.write_text(json.dumps(described | {"names": names}))
        return made


def ends(now: float) -> int:
    """When a data set ends: with the last block that Prometheus would have closed."""
    return int(now // (3600 * BLOCK_HOURS[-1]) * 3600 * BLOCK_HOURS[-1])


def check(made: Made, services: int, days: float, names: Collection[str], directory: Path) -> None:
    """Raise BenchmarkError unless a data set is what is wanted."""
    missing = sorted(set(names) - set(made.extent.names))
    if (made.extent.services, made.extent.days) != (services, days) or missing:
        what = f"{made.extent.services} services, {made.extent.days:g} days" + (
            f", without {', '.join(missing[:3])}" if missing else ""
        )
        raise BenchmarkError(f"--keep {directory}: has a data set of {what}; remove it, or name another directory")


def text(series: Sequence[Stored], block: Block) -> Iterator[str]:
    """The samples of a block in the OpenMetrics format, a series at a time."""
    for each in series:
        times = range(math.ceil(block.start / each.step) * each.step, block.end, each.step)
        samples = [f" {value!r} {at}\n" for at in times if (value := each.value(at)) is not None]
        for name in each.names if samples else ():
            yield name + name.join(samples)
    yield "# EOF\n"


def stored(
    snapshot: Sequence[Seen],
    catalogue: Catalogue,
    copy_of: Mapping[str, str],
    step: Callable[[Seen], int],
    start: int,
) -> Iterator[Stored]:
    """The series of a data set: those of a snapshot, for every service of a catalogue. `step` is in seconds."""
    services = {service.name: service for service in catalogue.services}
    copies: dict[str, list[Service]] = {}
    for name, model in copy_of.items():
        copies.setdefault(model, []).append(services[name])
    for seen in snapshot:
        named = [seen.labels]
        owner = _owner(seen.labels, services.keys() - copy_of.keys())
        if owner and not seen.name.startswith(ONCE):
            named += [_renamed(seen.labels, services[owner], copy) for copy in copies.get(owner, ())]
        yield Stored(tuple(map(_text, named)), step(seen), _value(seen, start))
    for service in catalogue.services:
        yield from _alerts(service)


def _owner(labels: Mapping[str, str], services: Collection[str]) -> str | None:
    named = [labels[label] for label in OWNER if labels.get(label) in services]
    # The longest name first: a pod of `user-service-admin` is none of `user-service`.
    by_pod = [name for name in sorted(services, key=len, reverse=True) if labels.get("pod", "").startswith(f"{name}-")]
    return next(iter([*named, *by_pod]), None)


def _renamed(labels: Mapping[str, str], model: Service, copy: Service) -> dict[str, str]:
    whole = re.compile(rf"(?<![\w-]){re.escape(model.name)}(?!\w)")
    renamed = {label: whole.sub(copy.name, value) for label, value in labels.items()}
    name = labels["__name__"]
    if model.prefix and copy.prefix and name.startswith(f"{model.prefix}_"):
        renamed["__name__"] = copy.prefix + name.removeprefix(model.prefix)
    return renamed


def _text(labels: Mapping[str, str]) -> str:
    pairs = (f'{_quoted(name)}="{_escaped(value)}"' for name, value in sorted(labels.items()) if name != "__name__")
    return f"{labels['__name__']}{{{','.join(pairs)}}}"


def _quoted(label: str) -> str:
    # The log agent has labels with dots, which the format takes within quotes only.
    return label if re.fullmatch(r"\w+", label) else f'"{label}"'


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def _value(seen: Seen, start: int) -> Value:
    if seen.counter and not seen.steady:
        whole = seen.value.is_integer()
        return lambda at: int(seen.per_second * (at - start)) if whole else seen.per_second * (at - start)
    if seen.steady or not math.isfinite(seen.value):
        value = int(seen.value) if seen.value.is_integer() else seen.value
        return lambda _: value
    name = _text(seen.labels)
    return lambda at: wave(at, seen.value, name, period=6 * HOUR)


def _alerts(service: Service) -> Iterator[Stored]:
    """An alert that fires every day, at another hour for each service; a healthy rehearsal has none to copy."""
    begins = round(phase(service.name) * DAY)

    def since(at: int) -> int | None:
        begun = at - (at - begins) % round(DAY)
        return begun if at - begun < ALERT_SECONDS else None

    labels = {"alertname": "HighErrorRate", "service": service.name, "severity": "critical", "symptom": "errors"}
    labels |= {"owner": service.owner}
    firing = _text(labels | {"__name__": "ALERTS", "alertstate": "firing"})
    yield Stored((firing,), 15, lambda at: 1 if since(at) else None)
    yield Stored((_text(labels | {"__name__": "ALERTS_FOR_STATE"}),), 15, since)
