"""Graphs, as plotly figures: values over time, and states over time.

Times are milliseconds since 1970: the page's script turns them into its viewer's zone, which plotly cannot do itself.
Plotly reads some markup in names, so these are escaped here.
"""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from plotly import graph_objects as go

from report import units
from report.board import Board, Panel
from report.colours import channels
from report.look import Field, LookError, field
from report.sources import Period, Series, Shown

DAY_SECONDS = 86400
UNIFIED_HOVER = 12
"""Up to so many series are told together where the pointer is; more would cover the graph."""

NO_CELL = 1e-9
"""Up to here a heatmap leaves a cell out."""
SCHEMES = {"Blues": ("#08306b", "#08519c", "#2171b5", "#4292c6", "#6baed6", "#9ecae1", "#c6dbef", "#deebf7", "#f7fbff")}
"""Colours of heatmaps, from few to many, as Grafana turns them round in its dark theme."""


@dataclass(frozen=True)
class Mark:
    """Something that happened, shown on every graph of a board: from `start` to `end`, Unix seconds."""

    start: float
    end: float
    title: str
    colour: str


@dataclass(frozen=True)
class Frame:
    """What a panel is drawn on."""

    period: Period
    step: float
    """Seconds between two points of its graph."""
    marks: tuple[Mark, ...] = ()
    boards: Mapping[str, Board] = dataclasses.field(default_factory=dict)
    """The boards of the page, by uid: what its links can lead to."""
    others: str = ""
    """URL of a server that draws any board with any choice at /d/<uid>, as Grafana does; empty if there is none."""


def colours(panel: Panel, series: Sequence[Series]) -> list[str]:
    """The colour of each series; where values decide it, by its last point."""
    return [
        field(panel, one.legend).colour(place, one.legend, one.points[-1][1] if one.points else 0.0)
        for place, one in enumerate(series)
    ]


def lines(panel: Panel, shown: Shown, frame: Frame) -> dict[str, Any]:
    """Values over time, stacked or not, with the thresholds that are in reach. Raises LookError, UnknownUnitError."""
    look, style = field(panel), _Style.of(panel)
    bottom, top = reach(panel, shown)
    scale = units.scale(look.unit, 0 if look.axis.logarithmic else max(top, -bottom))
    figure = _figure(frame)
    # Plotly would fill what is between two stretches of values, so each stretch of a filled graph is drawn by itself.
    filled = (style.stacked or style.fill > 0) and not look.axis.logarithmic
    together = _stretches(shown.series, frame.step) if filled else [(-math.inf, math.inf)]
    for place, (one, colour) in enumerate(zip(shown.series, colours(panel, shown.series), strict=True)):
        own = filled and not style.stacked  # what is stacked needs the others' times, too
        for number, (start, end) in enumerate(_stretches([one], frame.step) if own else together):
            points = [point for point in one.points if math.isfinite(point[1]) and start <= point[0] <= end]
            if not points:
                continue
            trace = _line(one.legend, points, frame.step, scale, colour)
            trace.update(meta=place, line_width=style.width)  # the meta: which line of the legend hides it
            if not style.points:
                trace.update(mode="lines", marker=None)
            if filled:
                trace.update(fillcolor=_faint(colour, style.fill))
                trace.update(stackgroup=f"{number}") if style.stacked else trace.update(fill="tozeroy")
            figure.add_trace(trace)
    figure.update_layout(hovermode="x unified" if len(shown.series) <= UNIFIED_HOVER else "closest")
    figure.update_yaxes(tickprefix=scale.prefix, ticksuffix=scale.suffix, fixedrange=True)
    if look.axis.logarithmic:
        ends = [math.log10(bottom), math.log10(top)]
        figure.update_yaxes(type="log", exponentformat="SI", dtick=1, range=ends)
    else:
        figure.update_yaxes(range=[bottom / scale.divisor, top / scale.divisor])
        _limits(figure, style, look, scale, (bottom, top))
    return _plain(figure)


def reach(panel: Panel, shown: Shown) -> tuple[float, float]:
    """From where to where the values of a graph are drawn."""
    axis, drawn = field(panel).axis, _heights(shown.series, stacked=_Style.of(panel).stacked)
    if axis.logarithmic:
        drawn = [value for value in drawn if value > 0] or [1.0]
    return axis.reach(min(drawn, default=0.0), max(drawn, default=0.0))


@dataclass(frozen=True)
class _Style:
    """How a graph's lines are drawn."""

    stacked: bool
    fill: float
    """How opaque what is under a line is, of 1."""
    width: float
    points: bool
    """Whether a value between two gaps, which has no line to be seen by, is drawn as a point."""
    limits: str
    """How thresholds are drawn: `off`, `line` or `dashed`."""

    @classmethod
    def of(cls, panel: Panel) -> _Style:
        """That of a panel. Raises LookError."""
        custom = panel.raw.get("fieldConfig", {}).get("defaults", {}).get("custom") or {}
        limits = (custom.get("thresholdsStyle") or {}).get("mode") or "off"
        if limits not in {"off", "line", "dashed"}:
            raise LookError(f"{panel.title}: thresholds drawn as {limits!r}: the report knows off, line and dashed")
        return cls(
            (custom.get("stacking") or {}).get("mode") == "normal",
            (custom.get("fillOpacity") or 0) / 100,
            custom.get("lineWidth", 1),
            custom.get("showPoints") != "never",
            limits,
        )


def states(panel: Panel, shown: Shown, frame: Frame) -> dict[str, Any]:
    """A band for each series, in the colour of its state at each time. Raises LookError, UnknownUnitError."""
    look = field(panel)
    start = min(one.points[0][0] for one in shown.series if one.points)
    end = max(one.points[-1][0] for one in shown.series if one.points)
    bands = [_at_steps(one.points, start, end, frame.step) for one in shown.series]
    shades = list(dict.fromkeys(look.shade(value) for band in bands for value in band if value is not None))
    figure = _figure(frame)
    figure.add_trace(
        go.Heatmap(
            x0=start * 1000,
            dx=frame.step * 1000,
            y=[html.escape(one.legend) for one in shown.series],
            z=[[None if value is None else shades.index(look.shade(value)) for value in band] for band in bands],
            text=[["" if value is None else look.text(value) for value in band] for band in bands],
            colorscale=[
                (edge / len(shades), shade) for place, shade in enumerate(shades) for edge in (place, place + 1)
            ],
            zmin=-0.5,
            zmax=len(shades) - 0.5,
            ygap=4,
            showscale=False,
            hovertemplate="%{y}: %{text}<br>%{x}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", fixedrange=True, showgrid=False, dtick=1)
    return _plain(figure)


def heat(panel: Panel, shown: Shown, frame: Frame) -> dict[str, Any]:
    """A cell for each bucket of a histogram at each time, lighter the more is in it. Raises LookError."""
    rows = buckets(panel, shown)
    start = min(time for _, points in rows for time, _ in points)
    end = max(time for _, points in rows for time, _ in points)
    cells = [_at_steps(points, start, end, frame.step) for _, points in rows]
    unit = ((panel.raw.get("options") or {}).get("cellValues") or {}).get("unit") or field(panel).unit
    figure = _figure(frame)
    figure.add_trace(
        go.Heatmap(
            x0=start * 1000,
            dx=frame.step * 1000,
            y0=0.5,  # a row ends at the line of its bound
            dy=1,
            z=[[value if value and value > NO_CELL else None for value in row] for row in cells],
            text=[["" if value is None else units.text(value, unit) for value in row] for row in cells],
            customdata=[[name] * len(row) for (name, _), row in zip(rows, cells, strict=True)],
            colorscale=_scheme(panel),
            colorbar=_scale_below(
                units.scale(unit, max((max(filter(None, row), default=0) for row in cells), default=0))
            ),
            xgap=1,
            ygap=1,
            hovertemplate="up to %{customdata}: %{text}<br>%{x}<extra></extra>",
        )
    )
    figure.update_layout(margin_b=24)
    ticks = {"tickvals": [*range(1, len(rows) + 1)], "ticktext": [name for name, _ in rows]}
    figure.update_yaxes(range=[0, len(rows)], fixedrange=True, nticks=None, **ticks)
    return _plain(figure)


def buckets(panel: Panel, shown: Shown) -> list[tuple[str, list[tuple[float, float]]]]:
    """The buckets of a histogram from the lowest on, by their upper bounds as Grafana writes them, less each other.

    Raises LookError for series that are not the cumulative buckets of one histogram.
    """
    unit = ((panel.raw.get("options") or {}).get("yAxis") or {}).get("unit") or "short"
    formats = {item.get("format") for item in panel.raw.get("targets") or ()}
    if formats != {"heatmap"} or any(set(one.labels) != {"le"} for one in shown.series):
        raise LookError(f"{panel.title}: the report draws heatmaps of buckets: format heatmap, and the label le alone")
    rows, below = [], dict[float, float]()
    for one in sorted(shown.series, key=lambda one: float(one.labels["le"])):
        bound, points = float(one.labels["le"]), dict(one.points)
        name = units.text(bound, unit) if math.isfinite(bound) else one.labels["le"]
        rows.append((name, [(time, max(value - below.get(time, 0.0), 0.0)) for time, value in points.items()]))
        below = points
    return rows


def _scale_below(scale: units.Scale) -> dict[str, Any]:
    place = {"x": 1, "xanchor": "right", "y": -0.12, "yanchor": "top", "len": 0.3}
    return place | {"orientation": "h", "thickness": 8, "nticks": 4, "ticksuffix": scale.suffix}


def _scheme(panel: Panel) -> list[tuple[float, str]]:
    scheme = ((panel.raw.get("options") or {}).get("color") or {}).get("scheme")
    if scheme not in SCHEMES:
        raise LookError(f"{panel.title}: colours of the scheme {scheme!r}: the report knows {', '.join(SCHEMES)}")
    shades = SCHEMES[scheme]
    return [(place / (len(shades) - 1), shade) for place, shade in enumerate(shades)]


def _figure(frame: Frame) -> go.Figure:
    ends = [frame.period.start * 1000, frame.period.end * 1000]
    axis = {"automargin": True, "zeroline": False, "ticks": "", "ticklabelstandoff": 4}
    figure = go.Figure(
        layout={
            "template": "none",
            "margin": {"l": 4, "r": 12, "t": 8, "b": 4, "pad": 4},
            "showlegend": False,
            "font": {"size": 11},
            "xaxis": axis
            | {
                "type": "date",
                "range": ends,
                "nticks": 7,
                "tickformat": "%H:%M" if frame.period.length <= DAY_SECONDS else "%b %-d",
                "hoverformat": "%Y-%m-%d %H:%M:%S",
            },
            "yaxis": axis | {"nticks": 6},
        }
    )
    for mark in frame.marks:
        sides = {"x0": mark.start * 1000, "x1": mark.end * 1000, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"}
        figure.add_shape(type="rect", layer="below", fillcolor=_faint(mark.colour, 0.05), line_width=0, **sides)
        figure.add_shape(
            type="line", line={"color": mark.colour, "width": 1, "dash": "dot"}, **sides | {"x1": sides["x0"]}
        )
    return figure


def _stretches(series: Iterable[Series], step: float) -> list[tuple[float, float]]:
    """Start and end of each stretch of time in which there are values at every step."""
    times = sorted({time for one in series for time, value in one.points if math.isfinite(value)})
    stretches: list[tuple[float, float]] = []
    for time in times:
        follows = stretches and time - stretches[-1][1] < 1.5 * step
        stretches[-1:] = [(stretches[-1][0], time)] if follows else [*stretches[-1:], (time, time)]
    return stretches


def _line(name: str, points: Sequence[tuple[float, float]], step: float, scale: units.Scale, colour: str) -> go.Scatter:
    values = _at_steps(points, points[0][0], points[-1][0], step)
    alone = [
        value is not None and before is None and after is None
        for before, value, after in zip([None, *values], values, [*values[1:], None], strict=False)
    ]
    return go.Scatter(
        x0=points[0][0] * 1000,
        dx=step * 1000,
        y=[None if value is None else float(f"{value / scale.divisor:.6g}") for value in values],
        name=html.escape(name),
        # A value between two gaps has no line to be seen by.
        mode="lines+markers" if any(alone) else "lines",
        marker={"size": [4 if size else 0 for size in alone], "line": {"width": 0}} if any(alone) else None,
        line={"color": colour},
        hovertemplate=f"{scale.prefix}%{{y:,.4~r}}{scale.suffix}",
    )


def _at_steps(points: Iterable[tuple[float, float]], start: float, end: float, step: float) -> list[float | None]:
    """The values at each step from `start` to `end`; None where there is none."""
    values: list[float | None] = [None] * (round((end - start) / step) + 1)
    for time, value in points:
        if not math.isnan(value):
            values[round((time - start) / step)] = value
    return values


def _heights(series: Iterable[Series], *, stacked: bool) -> list[float]:
    """Where on the axis every value is drawn; stacked, on top of the series before it."""
    heights: list[float] = []
    sums: dict[float, float] = {}
    for one in series:
        for time, value in one.points:
            if math.isfinite(value):
                sums[time] = sums.get(time, 0.0) + value
                heights.append(sums[time] if stacked else value)
    return heights


def _limits(figure: go.Figure, style: _Style, look: Field, scale: units.Scale, ends: tuple[float, float]) -> None:
    """Lines at the thresholds that are within the axis, which they do not stretch."""
    if style.limits == "off":
        return
    line = {"width": 1} | ({"dash": "dash"} if style.limits == "dashed" else {})
    for bound, colour in look.steps:
        if ends[0] <= bound <= ends[1]:
            figure.add_hline(bound / scale.divisor, line=line | {"color": colour}, layer="below")


def _faint(colour: str, share: float) -> str:
    red, green, blue = channels(colour)
    return f"rgba({red},{green},{blue},{share})"


def _plain(figure: go.Figure) -> dict[str, Any]:
    drawn: dict[str, Any] = figure.to_plotly_json()
    return drawn
