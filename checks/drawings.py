"""What an operator sees of every panel, by Grafana's rules: axes, legends, tiles, columns and cells of sample data.

`make schema` writes it to `tests/contract/drawings.yaml`, and a test compares: a change of a dashboard, or of a rule in
`report/`, shows there what it does to a screen. A panel is drawn twice: `quiet`, when every value is zero, and `busy`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from xml.etree.ElementTree import Element

import yaml

import catalogue
import dashboards
from facts import ROOT
from local.errors import explained
from report import charts, colours, columns, draw, units
from report.board import Panel, Target, read
from report.charts import Frame
from report.legends import legend
from report.look import Field, LookError, field
from report.sources import Period, Series, Shown
from report.sources import legend as name_of
from report.tables import table

FILE = ROOT / "tests" / "contract" / "drawings.yaml"
COMMAND = "make schema"
NAMES = {
    "service": ("gateway", "order-service", "user-service"),
    "pod": ("prometheus-kube-prometheus-stack-prometheus-0", "loki-0", "order-service-5d9c7f6b8d-x2x9k"),
    "le": ("0.1", "0.25", "+Inf"),
    "job": ("prometheus-kube-prometheus-stack-prometheus", "loki", "gateway"),
    "severity": ("critical", "warning", "info"),
    "rank": ("1 critical", "2 warning", "3 info"),
    "severity_text": ("ERROR", "WARN", "INFO"),
    "code": ("200", "404", "500"),
    "status_code": ("200", "404", "500"),
}
"""Values of labels; of others `<label> 1` and so on."""
SIZES = {"bytes": 4e7, "decbytes": 4e7, "percentunit": 0.02, "percent": 2.0, "s": 0.2, "ms": 200.0}
"""What a busy panel's first value is, by unit; of others 4."""
SHAPES = ((1.0, 0.8, 1.0), (2.0, 3.0, 2.5), (0.5, 0.5, 0.5))
"""Each series over time, in multiples of that."""
END = 1_800_000_000.0
STEP = 30.0

_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SHADES = {colour: name for name, colour in colours.NAMED.items()}

_FRAME = Frame(Period(END - 2 * STEP, END, STEP), STEP)

Seen = dict[str, str]


def seen() -> dict[str, dict[str, Seen]]:
    """What is seen of every panel, by board and title."""
    boards = dashboards.load(catalogue.load(ROOT / "services.yaml"))
    return {
        board.uid: {panel.title: _panel(panel) for panel in board.panels if panel.targets}
        for board in map(read, boards.values())
    }


def text() -> str:
    """The same as a YAML document."""
    return yaml.safe_dump(seen(), sort_keys=False, allow_unicode=True, width=10_000)


def _panel(panel: Panel) -> Seen:
    drawn: Seen = {"kind": f"{panel.kind} {panel.width} x {panel.height}"}
    try:
        if panel.kind == "logs":
            return drawn | {"empty": " ".join(draw.empty(panel).itertext())}
        return drawn | _KINDS[panel.kind](panel)
    except (LookError, units.UnknownUnitError) as error:
        return drawn | {"refused": str(error)}


def _graph(panel: Panel) -> Seen:
    look, busy = field(panel), _sample(panel, 1.0)
    ends = {name: charts.reach(panel, shown) for name, shown in _both(panel)}
    drawn: Seen = {name: " to ".join(look.text(end) for end in reach) for name, reach in ends.items()}
    found, shades = legend(panel, busy), charts.colours(panel, busy.series)
    if found is None:
        return drawn
    place = "beside" if found.beside else "below"
    rows = [
        [one.series.legend, *_numbers(panel, one.series.legend, one.numbers.values()), _shade(shades[one.place])]
        for one in found.entries[: found.in_sight]
    ]
    return drawn | {"legend": f"{place}, {found.in_sight} of {len(found.entries)} in sight: {_lines(rows)}"}


def _numbers(panel: Panel, name: str, values: Iterable[float]) -> list[str]:
    look = field(panel, name)
    return [look.reduced(value) for value in values]


def _tiles(panel: Panel) -> Seen:
    """The texts of tiles or bars, each with its colour."""
    return {name: _lines(map(partial(_tile, panel, shown), range(len(shown.series)))) for name, shown in _both(panel)}


def _tile(panel: Panel, shown: Shown, place: int) -> list[str]:
    one = shown.series[place]
    look, value = field(panel, one.legend), one.points[-1][1]
    name = [one.legend] if draw.named(panel, shown, look) else []
    return [*name, _text(look, value), _shade(look.colour(place, one.legend, value))]


def _bands(panel: Panel) -> Seen:
    """Each state and its colour."""
    return {
        name: _lines(dict.fromkeys(_state(panel, value) for one in shown.series for _, value in one.points))
        for name, shown in _both(panel)
    }


def _state(panel: Panel, value: float) -> tuple[str, str]:
    look = field(panel)
    return _text(look, value), _shade(look.shade(value))


def _text(look: Field, value: float) -> str:
    return "a time" if look.unit in units.TIMES else look.text(value)


def _table(panel: Panel) -> Seen:
    busy = _sample(panel, 1.0)
    names = table(panel, busy).columns
    wide = zip(names, columns.widths(panel, names), strict=True)
    in_sight = columns.in_sight(panel, names)
    rows = [[_words(cell) for cell in row.iter("td")] for row in draw.body(panel, busy, _FRAME).iter("tr")]
    hidden = ", ".join(name for name in names if name not in in_sight)
    drawn = {"columns": ", ".join(f"{name} {width:.0f} px" for name, width in wide if name in in_sight)}
    return drawn | ({"out of sight": hidden} if hidden else {}) | {"rows": _lines(row for row in rows if row)}


def _heatmap(panel: Panel) -> Seen:
    """The rows from the lowest on, with what is last in them."""
    unit = panel.raw["options"]["cellValues"]["unit"]
    rows = charts.buckets(panel, _sample(panel, 1.0))
    return {"rows": _lines([f"up to {name}", units.text(points[-1][1], unit)] for name, points in rows)}


_KINDS: dict[str, Callable[[Panel], Seen]] = {
    "bargauge": _tiles,
    "heatmap": _heatmap,
    "stat": _tiles,
    "state-timeline": _bands,
    "table": _table,
    "timeseries": _graph,
}


def _both(panel: Panel) -> Iterator[tuple[str, Shown]]:
    for name, size in (("quiet", 0.0), ("busy", 1.0)):
        yield name, _sample(panel, size)


def _sample(panel: Panel, size: float) -> Shown:
    """Series under every label that a panel's legends and columns name, `size` times as large as a busy one's."""
    organized = [item["options"] for item in panel.raw.get("transformations") or () if item["id"] == "organize"]
    by = [name for options in organized for name in options["indexByName"] if not name.startswith("Value")]
    shown = Shown(tuple(one for target in panel.targets for one in _series(panel, target, by, size)))
    return shown if panel.kind == "table" else draw.renamed(panel, shown)


def _series(panel: Panel, target: Target, by: Sequence[str], size: float) -> Iterator[Series]:
    names = [*by, *_LABEL.findall(target.legend)]
    for place, shape in enumerate(SHAPES if names else SHAPES[:1]):
        labels = {name: NAMES.get(name, [f"{name} {number}" for number in (1, 2, 3)])[place] for name in names}
        name = name_of(target.legend, labels)
        unit = field(panel, name).unit
        shown = shape[-1:] if target.instant else shape
        if unit in units.TIMES:
            values = [1000 * (END - 60 * (place + 1))] * len(shown)
        else:
            values = [size * SIZES.get(unit, 4.0) * share for share in shown]
        times = [END - STEP * (len(values) - 1 - number) for number in range(len(values))]
        yield Series(target, name, labels, tuple(zip(times, values, strict=True)))


def _lines(rows: Iterable[Iterable[str]]) -> str:
    return "; ".join(" | ".join(row) for row in rows)


def _words(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _shade(colour: str) -> str:
    return _SHADES.get(colour, colour)


def main() -> None:
    """Write it."""
    FILE.write_text(text())


if __name__ == "__main__":
    with explained():
        main()
