"""The Prometheus text format 0.0.4, for stand-ins that must keep names and types exactly as the real ones.

`prometheus_client` renames every counter to end in `_total`; the real CloudWatch exporter has one that does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Kind = Literal["counter", "gauge", "histogram"]
Sample = tuple[tuple[str, ...], float]
"""Label values in the order of the family's label names, and the value."""


@dataclass(frozen=True)
class Family:
    """One metric family, or the buckets or the count of a histogram: every sample has the same label names."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...]
    samples: tuple[Sample, ...]


def single(name: str, kind: Kind, text: str, value: float) -> Family:
    """Return a family of one sample without labels."""
    return Family(name, kind, text, (), (((), value),))


def buckets(
    name: str, text: str, labels: tuple[str, ...], counted: Iterable[Sample], shares: Mapping[str, float]
) -> Family:
    """Return the buckets of a histogram: of each count, the share that each upper bound holds."""
    samples = tuple(((*values, bound), share * count) for values, count in counted for bound, share in shares.items())
    return Family(f"{name}_bucket", "histogram", text, (*labels, "le"), samples)


def render(families: Iterable[Family]) -> str:
    """Write families in the text format."""
    return "".join(line for family in families for line in _lines(family))


def page(families: Iterable[Family]) -> Response:
    """Return families as the answer to a scrape."""
    return Response(render(families), media_type=CONTENT_TYPE)


def _lines(family: Family) -> Iterable[str]:
    name, part = family.name, ""
    if family.kind == "histogram":
        name, _, part = name.rpartition("_")
    if part != "count":  # it follows the buckets, whose header is also its own
        yield f"# HELP {name} {family.help}\n"
        yield f"# TYPE {name} {family.kind}\n"
    for values, number in family.samples:
        pairs = [f'{name}="{_escape(text)}"' for name, text in zip(family.labels, values, strict=True)]
        labels = f"{{{','.join(pairs)}}}" if pairs else ""
        yield f"{family.name}{labels} {float(number)!r}\n"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
