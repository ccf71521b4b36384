"""Values that a drill sets by hand on top of the invented ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from simulation.exporters.exposition import Family


class UnknownSeriesError(ValueError):
    """The series or the labels name nothing that the stand-in serves."""


@dataclass(frozen=True)
class Override:
    """A value that starts at `base` at Unix time `since` and grows by `per_second`."""

    base: float
    per_second: float
    since: float
    labels: Mapping[str, str]

    def at(self, now: float) -> float:
        """Return the value at Unix time `now`."""
        return self.base + self.per_second * (now - self.since)


class Overrides:
    """The overrides of all pages, by series name and label values."""

    def __init__(self) -> None:
        self._set: dict[tuple[str, tuple[str, ...]], Override] = {}

    def clear(self) -> None:
        """Forget every override."""
        self._set.clear()

    def remove(self, series: str, labels: Mapping[str, str]) -> None:
        """Forget the overrides of the samples of a series that have `labels`."""
        for (name, values), set_ in list(self._set.items()):
            if name == series and labels.items() <= set_.labels.items():
                del self._set[name, values]

    def put(
        self,
        families: Iterable[Family],
        series: str,
        labels: Mapping[str, str],
        *,
        value: float | None,
        per_second: float,
        now: float,
    ) -> int:
        """Override every sample of `series` that has `labels`; return how many.

        Where none has them, a sample is added: then `labels` must name all of the family's labels. Without a
        `value`, each sample starts from what it shows now (an added one from 0) and grows by `per_second`.
        Raises UnknownSeriesError.
        """
        family = _find(families, series)
        unknown = sorted(set(labels) - set(family.labels))
        if unknown:
            raise UnknownSeriesError(
                f"{series} has no label {', '.join(unknown)}; it has {', '.join(family.labels) or 'none'}"
            )
        matching = [
            sample
            for sample in self._overridden(family, now).samples
            if labels.items() <= dict(zip(family.labels, sample[0], strict=True)).items()
        ]
        for key, current in matching or [(_complete(family, labels), 0.0)]:
            base = current if value is None else value
            self._set[series, key] = Override(base, per_second, now, dict(zip(family.labels, key, strict=True)))
        return len(matching) or 1

    def apply(self, families: Iterable[Family], now: float) -> Iterator[Family]:
        """Return the families with overridden and added samples."""
        return (self._overridden(family, now) for family in families)

    def _overridden(self, family: Family, now: float) -> Family:
        values = dict(family.samples)
        values |= {key: set_.at(now) for (series, key), set_ in self._set.items() if series == family.name}
        return replace(family, samples=tuple(values.items()))


def _find(families: Iterable[Family], series: str) -> Family:
    by_name = {family.name: family for family in families}
    if series in by_name:
        return by_name[series]
    near = difflib.get_close_matches(series, by_name, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise UnknownSeriesError(f'no page serves "{series}"{hint}')


def _complete(family: Family, labels: Mapping[str, str]) -> tuple[str, ...]:
    missing = [name for name in family.labels if name not in labels]
    if missing:
        raise UnknownSeriesError(f"no {family.name} has these labels; to add one, give also {', '.join(missing)}")
    return tuple(labels[name] for name in family.labels)
