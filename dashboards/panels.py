"""The house style of the dashboards: a panel reads like a sentence, and nothing that Grafana needs is forgotten.

Each helper returns a panel of Grafana's classic schema, from the classes of grafana-foundation-sdk. The SDK leaves out
what these helpers always set: query and panel ids, a visible legend, the data source, the unit, the place on the grid.
A panel says what it `shows` and what to do when it looks `wrong`; both become its description. What is seen without
being said follows from the unit, the limits and the labels: the scale (`scales`), the colours (`colours`), the columns
of tables (`tables`), short names and the legend with the offender first.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from typing import Required, TypedDict, Unpack

from grafana_foundation_sdk.models import bargauge as bargauge_models
from grafana_foundation_sdk.models import common, loki, tempo
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import logs as logs_models
from grafana_foundation_sdk.models import stat as stat_models
from grafana_foundation_sdk.models import statetimeline as statetimeline_models
from grafana_foundation_sdk.models import table as table_models
from grafana_foundation_sdk.models import timeseries as timeseries_models

from dashboards import colours, tables
from dashboards.links import row_to_runbook, row_to_service, to_logs, to_service
from dashboards.queries import LOKI, PROMETHEUS, TEMPO, Kind, LogQuery, Query, data_source, target
from dashboards.scales import NEUTRAL, Limits, above, below, low_is_bad, soft_range
from screen import GRID_COLUMNS, GRID_ROW

__all__ = [
    "LOKI",
    "NEUTRAL",
    "PROMETHEUS",
    "Limits",
    "LogQuery",
    "Query",
    "above",
    "bars",
    "below",
    "logs",
    "panel_id",
    "row_to_runbook",
    "row_to_service",
    "stat",
    "states",
    "table",
    "timeseries",
    "to_logs",
    "to_service",
    "traces",
    "where_there_is",
]

TILES = {"stat", "bargauge"}
"""Kinds of panels that say in the colour of a value that there is none."""

RESOLUTION = "${interval}"
"""The least time between two points of a panel, which every dashboard lets its reader choose.

It is the panel's and not a query's: Grafana would take the latter for the scrape interval and rate over four of it.
"""

SHORT_NAMES = {"regex": "((?:[^/]*/)?).*kube-prometheus-stack-(.+)", "renamePattern": "$1$2"}
"""Pods, volumes and jobs of the chart repeat its name until nothing else of theirs can be read."""
LONG_NAMES = ("{{pod}}", "{{persistentvolumeclaim}}", "{{job}}", "{{workload}}")

WIDE = GRID_COLUMNS // 2
"""Columns from which on a graph has its legend on the right; below it is higher, to show more than two names."""

# Who wrote what, and the traceback, of a line of JSON. Its ids and all else stay in its details.
READABLE = (
    '| json message="message", exception="exception", context="context", extra="extra" '
    "| drop __error__, __error_details__ "
    "| line_format `{{ .service_name }}: {{ if .message }}{{ .message }}{{ else }}{{ __line__ }}{{ end }}"
    '{{ if .exception }}{{ "\\n" }}{{ .exception }}{{ end }}` '
    "| drop message, exception"
)


class Look(TypedDict, total=False):
    """What every panel of numbers takes."""

    shows: Required[str]
    """What the panel shows: the first part of its description."""
    wrong: Required[str]
    """What to do when it looks wrong: the second part of its description."""
    unit: Required[str]
    """Unit, one of the identifiers in `grafana_foundation_sdk.models.units`."""
    decimals: int
    """Digits after the point; as many as the value needs by default."""
    width: int
    """Columns of the grid, 8 by default."""
    height: int
    """Rows of the grid (30 px each); 8 by default, and more for a narrow graph with many names below it."""
    limits: Limits
    """Threshold steps, as `above` and `below` give them."""
    colours: Mapping[str, str]
    """Colours of series by legend; a count has its own from 1 on, as nothing of something bad is not bad."""
    words: Mapping[int, str]
    """Words shown instead of values."""
    empty: str
    """Text shown when there is no data and that is no fault."""
    maximum: float
    """Top of the scale; its bottom is then 0."""
    drill: Sequence[model.DashboardLink]
    """Links that a click on a series offers."""


def timeseries(
    title: str,
    *queries: Query | LogQuery,
    stacked: bool = False,
    log_scale: bool = False,
    signed: bool = False,
    soft_max: float | None = None,
    past: str | None = None,
    **look: Unpack[Look],
) -> model.Panel:
    """Values over time. `log_scale` is for series of very different size, `signed` for those that can be negative.

    `soft_max` is what the axis reaches at least, where that is not the highest limit or 1 of the unit (`scales`).
    `past` is a time range of the panel's own, such as "30d", for what does not move within hours.
    """
    limits = look.get("limits", [])
    low, high = (None, None) if log_scale else soft_range(look["unit"], limits, signed=signed, top=soft_max)
    if "maximum" in look:
        low, high = 0, look["maximum"]
    limits_style = common.GraphThresholdsStyleMode.DASHED if limits else None
    style = timeseries_models.FieldConfig(
        fill_opacity=60 if stacked else 8,
        line_width=0 if stacked else None,  # the edge of an area of nothing would colour what is below it
        axis_soft_min=low,
        axis_soft_max=high,
        show_points=common.VisibilityMode.NEVER,
        thresholds_style=common.GraphThresholdsStyleConfig(limits_style),
        stacking=common.StackingConfig(mode=common.StackingMode.NORMAL if stacked else None),
        scale_distribution=common.ScaleDistributionConfig(common.ScaleDistribution.LOG, log=10) if log_scale else None,
    )
    wide = look.get("width", 8) >= WIDE
    options = timeseries_models.Options(
        legend=common.VizLegendOptions(
            show_legend=True,
            display_mode=common.LegendDisplayMode.TABLE,
            placement=common.LegendPlacement.RIGHT if wide else common.LegendPlacement.BOTTOM,
            calcs=["lastNotNull", "min" if low_is_bad(limits) else "max"],
            sort_by="Last *",
            sort_desc=not low_is_bad(limits),
        ),
        tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING),
    )
    look.setdefault("height", 8 if wide or not _many(queries) else 10)
    overrides = [*colours.of_labels(query.legend for query in queries), *colours.of_series(look.get("colours", {}))]
    panel = _panel("timeseries", title, queries, options, look, style, overrides)
    panel.time_from = past
    return panel


def stat(title: str, *queries: Query | LogQuery, **look: Unpack[Look]) -> model.Panel:
    """One big number for each series, as it is now."""
    several = len(queries) > 1 or "{{" in queries[0].legend
    options = stat_models.Options(
        color_mode=common.BigValueColorMode.BACKGROUND_SOLID,
        graph_mode=common.BigValueGraphMode.NONE,
        text_mode=common.BigValueTextMode.VALUE_AND_NAME if several else common.BigValueTextMode.VALUE,
        reduce_options=common.ReduceDataOptions(calcs=["lastNotNull"]),
    )
    return _panel("stat", title, queries, options, look, overrides=colours.of_counts(look.get("colours", {})))


def bars(title: str, *queries: Query | LogQuery, alarm: str = "", **look: Unpack[Look]) -> model.Panel:
    """One horizontal bar for each series, as it is now. Those whose names match the pattern `alarm` are red."""
    options = bargauge_models.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        orientation=common.VizOrientation.HORIZONTAL,
        reduce_options=common.ReduceDataOptions(calcs=["lastNotNull"]),
        legend=common.VizLegendOptions(show_legend=False),  # each bar carries its name
    )
    overrides = [*colours.of_counts(look.get("colours", {})), *colours.of_alarms(alarm)]
    panel = _panel("bargauge", title, queries, options, look, overrides=overrides)
    if len(queries) == 1 and panel.field_config is not None:  # Grafana leaves the name of a lone bar out otherwise
        panel.field_config.defaults.display_name = re.sub(r"\{\{(\w+)\}\}", r"${__field.labels.\1}", queries[0].legend)
    return panel


def states(title: str, *queries: Query | LogQuery, bands: int = 9, **look: Unpack[Look]) -> model.Panel:
    """One band for each series, coloured by its state over time; high enough for the names of so many `bands`."""
    look.setdefault("height", max(8, math.ceil((24 * bands + 70) / GRID_ROW)))  # pixels of names, axis and heading
    options = statetimeline_models.Options(
        show_value=common.VisibilityMode.NEVER,
        per_page=0,
        legend=common.VizLegendOptions(show_legend=False),  # each band carries its name
    )
    return _panel("state-timeline", title, queries, options, look, statetimeline_models.FieldConfig())


def table(
    title: str,
    *queries: Query | LogQuery,
    by: Sequence[str],
    units: Mapping[str, str] | None = None,
    order: Sequence[tuple[str, bool]] = (),
    drills: Mapping[str, Sequence[model.DashboardLink]] | None = None,
    **look: Unpack[Look],
) -> model.Panel:
    """A row for each series: its labels `by`, then one column per query, named by its legend.

    Every query must aggregate to exactly the labels `by`; queries are joined on the first of them.
    `units` gives columns a unit other than the panel's. `order` are columns to sort by and whether downwards; the first
    query's by default. `drills` are the links of labels.
    Raises ValueError for several queries of which one is LogQL: Loki calls every value the same.
    """
    if len(queries) > 1 and any(isinstance(query, LogQuery) for query in queries):
        raise ValueError(f"table {title!r}: a LogQL query must be the only one; give each a table of its own")
    limits = _thresholds(look["limits"]) if "limits" in look else None
    columns = tables.label_columns(by, drills or {})
    for query in queries:
        unit = (units or {}).get(query.legend, look["unit"])
        # Without its own text a cell without a value would show what is meant for a table without rows.
        dash = "-" if len(queries) > 1 else None
        columns.append(tables.value_column(query.legend, unit, look.get("decimals"), limits, dash))
    sort = [common.TableSortByFieldState(name, down) for name, down in order or [(queries[0].legend, True)]]
    options = table_models.Options(sort_by=sort)
    panel = _panel("table", title, queries, options, look, overrides=columns)
    style = common.TableFieldOptions(min_width=tables.LEAST_WIDTH)
    if panel.field_config is not None:
        panel.field_config.defaults = model.FieldConfig(custom=style, no_value=look.get("empty"))
    names = {f"Value #{_ref_id(number)}": query.legend for number, query in enumerate(queries)}
    if len(queries) == 1:
        names["Value"] = queries[0].legend  # the name that Grafana gives the only value
    panel.transformations = tables.transformations(names, by, of_lines=isinstance(queries[0], LogQuery))
    return panel


def logs(
    title: str,
    logql: str,
    *,
    shows: str,
    wrong: str,
    empty: str | None = None,
    oldest_first: bool = False,
    width: int = GRID_COLUMNS,
    height: int = 10,
) -> model.Panel:
    """The newest log lines that a LogQL query finds, or with `oldest_first` the first ones.

    `empty` says what it means when there are none and that is no fault. Grafana shows such a text on no panel of
    lines, so it is a part of the description.
    """
    query = loki.Dataquery(
        expr=f"{cleandoc(logql)}\n{READABLE}",
        ref_id="A",
        query_type=loki.LokiQueryType.RANGE,
        direction=loki.LokiQueryDirection.FORWARD if oldest_first else loki.LokiQueryDirection.BACKWARD,
        max_lines=200,
        datasource=LOKI,
    )
    order = common.LogsSortOrder.ASCENDING if oldest_first else common.LogsSortOrder.DESCENDING
    return model.Panel(
        type_val="logs",
        id_val=panel_id(title),
        title=title,
        description=description(f"{cleandoc(shows)} If it is empty: {empty}" if empty else shows, wrong),
        datasource=LOKI,
        targets=[query],
        options=logs_models.Options(show_time=True, wrap_log_message=True, enable_log_details=True, sort_order=order),
        field_config=model.FieldConfigSource(model.FieldConfig(no_value=empty), []),
        grid_pos=model.GridPos(w=width, h=height),
    )


def traces(title: str, traceql: str, *, shows: str, wrong: str, width: int = GRID_COLUMNS) -> model.Panel:
    """The newest traces that a TraceQL query finds, each a link to the trace."""
    query = tempo.Dataquery(
        query=traceql,
        ref_id="A",
        query_type="traceql",
        table_type=tempo.SearchTableType.TRACES,
        limit=20,
        datasource=TEMPO,
    )
    return model.Panel(
        type_val="table",
        id_val=panel_id(title),
        title=title,
        description=description(shows, wrong),
        datasource=TEMPO,
        targets=[query],
        options=table_models.Options(),
        grid_pos=model.GridPos(w=width, h=8),
    )


def where_there_is(part: str, *made: model.Panel) -> Sequence[model.Panel]:
    """The panels, each of which says that it needs `part` when it has no data."""
    for panel in made:
        if panel.field_config is not None:
            defaults, text = panel.field_config.defaults, f"No data: needs {part}"
            defaults.no_value = text
            if panel.type_val in TILES:
                words = [item for item in defaults.mappings or () if not isinstance(item, model.SpecialValueMap)]
                defaults.mappings = [*words, _absent(text)]
    return made


def panel_id(title: str) -> int:
    """The id of a panel: from its title, not its position, so a link to it survives a panel added above it."""
    return zlib.crc32(title.encode()) % 1_000_000 + 1


def _panel(
    kind: Kind,
    title: str,
    queries: Sequence[Query | LogQuery],
    options: object,
    look: Look,
    style: object | None = None,
    overrides: Sequence[model.DashboardFieldConfigSourceOverrides] = (),
) -> model.Panel:
    panel = model.Panel(
        type_val=kind,
        id_val=panel_id(title),
        title=title,
        description=description(look["shows"], look["wrong"]),
        datasource=data_source(queries[0]),
        interval=RESOLUTION,
        targets=[target(kind, _ref_id(number), query) for number, query in enumerate(queries)],
        options=options,
        field_config=model.FieldConfigSource(_defaults(kind, look, style), [*overrides]),
        grid_pos=model.GridPos(w=look.get("width", 8), h=look.get("height", 8)),
    )
    if any(name in query.legend for name in LONG_NAMES for query in queries):
        panel.transformations = [model.DataTransformerConfig("renameByRegex", options=SHORT_NAMES)]
    return panel


def _absent(text: str) -> model.SpecialValueMap:
    """What a tile or a bar says without a value: Grafana gives it the colour of the lowest ones, red or green."""
    result = model.ValueMappingResult(text=text, color="blue")
    return model.SpecialValueMap(model.DashboardSpecialValueMapOptions(model.SpecialValueMatch.NULL, result))


def _many(queries: Sequence[Query | LogQuery]) -> bool:
    """Whether a legend has more names than the few lines below a graph can hold."""
    return len(queries) > 2 or any("{{" in query.legend for query in queries)


def _defaults(kind: Kind, look: Look, style: object | None) -> model.FieldConfig:
    by_name, by_value = model.FieldColorModeId.PALETTE_CLASSIC_BY_NAME, model.FieldColorModeId.THRESHOLDS
    words = {str(value): model.ValueMappingResult(text=word) for value, word in look.get("words", {}).items()}
    mappings: list[model.ValueMapping] = [model.ValueMap(words)] if words else []
    if kind in TILES:
        mappings.append(_absent(look.get("empty", "No data")))
    return model.FieldConfig(
        unit=look["unit"],
        decimals=look.get("decimals"),
        thresholds=_thresholds(look.get("limits", [(None, "green")])),
        color=model.FieldColor(by_name if kind == "timeseries" else by_value),
        mappings=mappings or None,
        no_value=look.get("empty"),
        min_val=0 if "maximum" in look or kind == "bargauge" else None,  # the shortest bar would have no length
        max_val=look.get("maximum"),
        links=list(look["drill"]) if "drill" in look else None,
        custom=style,
    )


def _thresholds(limits: Limits) -> model.ThresholdsConfig:
    return model.ThresholdsConfig(
        model.ThresholdsMode.ABSOLUTE, [model.Threshold(value, colour) for value, colour in limits]
    )


def description(shows: str, wrong: str) -> str:
    """What a panel says when asked: what it shows, and what to do when it looks wrong."""
    return f"{cleandoc(shows)}\n\n**When it looks wrong:** {cleandoc(wrong)}"


def _ref_id(number: int) -> str:
    return chr(ord("A") + number)
