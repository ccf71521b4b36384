"""Durations, amounts of CPU and sizes as Prometheus and Kubernetes write them, as numbers."""

from __future__ import annotations

import re

MILLISECONDS = {
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 604_800_000,
    "y": 31_536_000_000,
}
"""What Prometheus' units of time are, ascending."""
DURATION_IN_TEXT = f"(?:[0-9]+(?:{'|'.join(MILLISECONDS)}))+"
"""A pattern of what within a longer text may be a duration: whether it is one, `milliseconds` says."""
_DURATION = re.compile("".join(f"(?:([0-9]+){unit})?" for unit in reversed(MILLISECONDS)))


_FACTORS: dict[str, float] = {
    **{
        prefix: 1000.0**power
        for power, prefix in enumerate(("n", "u", "m", "", "k", "M", "G", "T", "P", "E"), start=-3)
    },
    **{f"{prefix}i": 1024**power for power, prefix in enumerate("KMGTPE", start=1)},
}


def quantity(text: str) -> float:
    """The number that a quantity of Kubernetes such as `250m`, `1.5`, `2e3` or `20Gi` stands for.

    Raises ValueError if it is none. Source: ParseQuantity of k8s.io/apimachinery.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError(f'"{text}" is no quantity such as 250m or 20Gi')
    number, unit = found.groups()
    return float(number) * _FACTORS[unit]


_QUANTITY = re.compile(
    rf"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)({'|'.join(sorted(_FACTORS, reverse=True))})"
)


def millicores(cpu: str) -> int:
    """Thousandths of a core of an amount of CPU such as `250m` or `1.5`."""
    return round(quantity(cpu) * 1000)


def mebibytes(size: str) -> int:
    """Whole MiB of a size such as `512Mi` or `20Gi`."""
    return int(quantity(size) / 2**20)


def milliseconds(duration: str) -> int:
    """Length of a duration in Prometheus' form: `0`, or `1h30m`, with the units from long to short and each once.

    Raises ValueError for anything else. Source: ParseDuration of github.com/prometheus/common/model.
    """
    if duration == "0":
        return 0
    found = _DURATION.fullmatch(duration)
    if not duration or found is None:
        raise ValueError(f'"{duration}" is no duration such as 30s or 1h30m')
    sizes = reversed(MILLISECONDS.values())
    return sum(int(number or 0) * size for number, size in zip(found.groups(), sizes, strict=True))


def seconds(duration: str) -> int:
    """Length in whole seconds of a duration such as `15s` or `1h30m`. Raises ValueError if it has none."""
    whole, rest = divmod(milliseconds(duration), 1000)
    if rest:
        raise ValueError(f'"{duration}" is no whole number of seconds')
    return whole


def duration(length: int) -> str:
    """A number of seconds as a duration, in the largest unit up to weeks that divides it: 5400 is `90m`."""
    sizes = {unit: MILLISECONDS[unit] // 1000 for unit in ("w", "d", "h", "m", "s")}
    unit = next(unit for unit, size in sizes.items() if length % size == 0)
    return f"{length // sizes[unit]}{unit}"
