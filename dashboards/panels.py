"""The house style of the dashboards: a panel reads like a sentence, and nothing that Grafana needs is forgotten.

Each helper returns a panel of Grafana's classic schema, from the classes of grafana-foundation-sdk. The SDK leaves out
what these helpers always set: query and panel ids, a visible legend, the data source, the unit, the place on the grid.
A panel says what it `shows` and what to do when it looks `wrong`; both become its description.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from typing import Literal, Required, TypedDict, Unpack

from grafana_foundation_sdk.models import bargauge as bargauge_models
from grafana_foundation_sdk.models import common, loki, prometheus, tempo
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import logs as logs_models
from grafana_foundation_sdk.models import stat as stat_models
from grafana_foundation_sdk.models import statetimeline as statetimeline_models
from grafana_foundation_sdk.models import table as table_models
from grafana_foundation_sdk.models import timeseries as timeseries_models

GRID_WIDTH = 24
"""Columns of Grafana's grid."""

PROMETHEUS = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
LOKI = common.DataSourceRef(type_val="loki", uid="${loki_datasource}")
TEMPO = common.DataSourceRef(type_val="tempo", uid="${tempo_datasource}")

RESOLUTION = "${interval}"
"""The least time between two points of a panel, which every dashboard lets its reader choose.

It is the panel's and not a query's: Grafana would take the latter for the scrape interval and rate over four of it.
"""

Limits = Sequence[tuple[float | None, str]]
"""Threshold steps: a colour and the value from which it holds; the first holds from minus infinity (None)."""

Kind = Literal["bargauge", "stat", "state-timeline", "table", "timeseries"]


@dataclass(frozen=True)
class Query:
    """A PromQL expression and the legend of its series, in Grafana's `{{label}}` form."""

    expr: str
    legend: str


@dataclass(frozen=True)
class LogQuery:
    """A LogQL expression whose result is numbers, such as a `count_over_time(… [$__auto])`, and their legend.

    A panel asks either Prometheus or Loki: its data source is that of its first query.
    """

    expr: str
    legend: str


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
    """Rows of the grid (30 px each), 8 by default."""
    limits: Limits
    """Threshold steps, as `above` and `below` give them."""
    colours: Mapping[str, str]
    """Fixed colours of series, by legend."""
    words: Mapping[int, str]
    """Words shown instead of values."""
    empty: str
    """Text shown when there is no data and that is no fault."""
    maximum: float
    """Top of the scale; its bottom is then 0."""
    drill: Sequence[model.DashboardLink]
    """Links that a click on a series offers."""


NEUTRAL: Limits = [(None, "blue")]
"""For a number that is neither good nor bad in itself."""


def above(warning: float, critical: float) -> Limits:
    """Green, orange from `warning`, red from `critical`."""
    return [(None, "green"), (warning, "orange"), (critical, "red")]


def below(warning: float, critical: float) -> Limits:
    """Red up to `critical`, orange up to `warning`, green from there on."""
    return [(None, "red"), (critical, "orange"), (warning, "green")]


def timeseries(
    title: str, *queries: Query | LogQuery, stacked: bool = False, log_scale: bool = False, **look: Unpack[Look]
) -> model.Panel:
    """Values over time. `log_scale` is for series of very different size."""
    limits_style = common.GraphThresholdsStyleMode.DASHED if look.get("limits") else None
    style = timeseries_models.FieldConfig(
        fill_opacity=30 if stacked else 8,
        show_points=common.VisibilityMode.NEVER,
        thresholds_style=common.GraphThresholdsStyleConfig(limits_style),
        stacking=common.StackingConfig(mode=common.StackingMode.NORMAL if stacked else None),
        scale_distribution=common.ScaleDistributionConfig(common.ScaleDistribution.LOG, log=10) if log_scale else None,
    )
    options = timeseries_models.Options(
        legend=common.VizLegendOptions(
            show_legend=True,
            display_mode=common.LegendDisplayMode.TABLE,
            placement=common.LegendPlacement.BOTTOM,
            calcs=["lastNotNull", "max"],
        ),
        tooltip=common.VizTooltipOptions(mode=common.TooltipDisplayMode.MULTI, sort=common.SortOrder.DESCENDING),
    )
    return _panel("timeseries", title, queries, options, look, style)


def stat(title: str, *queries: Query | LogQuery, **look: Unpack[Look]) -> model.Panel:
    """One big number for each series, as it is now."""
    several = len(queries) > 1 or "{{" in queries[0].legend
    options = stat_models.Options(
        color_mode=common.BigValueColorMode.BACKGROUND_SOLID,
        graph_mode=common.BigValueGraphMode.NONE,
        text_mode=common.BigValueTextMode.VALUE_AND_NAME if several else common.BigValueTextMode.VALUE,
        reduce_options=common.ReduceDataOptions(calcs=["lastNotNull"]),
    )
    return _panel("stat", title, queries, options, look)


def bars(title: str, *queries: Query | LogQuery, **look: Unpack[Look]) -> model.Panel:
    """One horizontal bar for each series, as it is now."""
    options = bargauge_models.Options(
        display_mode=common.BarGaugeDisplayMode.BASIC,
        orientation=common.VizOrientation.HORIZONTAL,
        reduce_options=common.ReduceDataOptions(calcs=["lastNotNull"]),
        legend=common.VizLegendOptions(show_legend=False),  # each bar carries its name
    )
    return _panel("bargauge", title, queries, options, look)


def states(title: str, *queries: Query | LogQuery, **look: Unpack[Look]) -> model.Panel:
    """One band for each series, coloured by its state over time."""
    options = statetimeline_models.Options(
        show_value=common.VisibilityMode.NEVER,
        legend=common.VizLegendOptions(show_legend=False),  # each band carries its name
    )
    return _panel("state-timeline", title, queries, options, look, statetimeline_models.FieldConfig())


def table(
    title: str,
    *queries: Query | LogQuery,
    by: Sequence[str],
    units: Mapping[str, str] | None = None,
    **look: Unpack[Look],
) -> model.Panel:
    """A row for each series: its labels `by`, then one column per query, named by its legend.

    Every query must aggregate to exactly the labels `by`; queries are joined on the first of them.
    `units` gives columns a unit other than the panel's.
    Raises ValueError for several queries of which one is LogQL: Loki calls every value the same.
    """
    if len(queries) > 1 and any(isinstance(query, LogQuery) for query in queries):
        raise ValueError(f"table {title!r}: a LogQL query must be the only one; give each a table of its own")
    own = [_override(column, "unit", unit) for column, unit in (units or {}).items()]
    if len(queries) > 1:  # a cell without a value would show the text that is meant for a table without rows
        own += [_override(query.legend, "noValue", "-") for query in queries]
    panel = _panel("table", title, queries, table_models.Options(), look, common.TableFieldOptions(), own)
    panel.transformations = _columns(queries, by)
    return panel


def logs(
    title: str,
    logql: str,
    *,
    shows: str,
    wrong: str,
    empty: str | None = None,
    oldest_first: bool = False,
    width: int = GRID_WIDTH,
    height: int = 10,
) -> model.Panel:
    """The newest log lines that a LogQL query finds, or with `oldest_first` the first ones.

    `empty` is the text shown when there are none and that is no fault.
    """
    query = loki.Dataquery(
        expr=cleandoc(logql),
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
        description=_description(shows, wrong),
        datasource=LOKI,
        targets=[query],
        options=logs_models.Options(show_time=True, wrap_log_message=True, enable_log_details=True, sort_order=order),
        field_config=model.FieldConfigSource(model.FieldConfig(no_value=empty), []),
        grid_pos=model.GridPos(w=width, h=height),
    )


def traces(title: str, traceql: str, *, shows: str, wrong: str, width: int = GRID_WIDTH) -> model.Panel:
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
        description=_description(shows, wrong),
        datasource=TEMPO,
        targets=[query],
        options=table_models.Options(),
        grid_pos=model.GridPos(w=width, h=8),
    )


def to_service(label: str = "service") -> list[model.DashboardLink]:
    """A link from a series to Service detail of the service that its `label` names."""
    return [
        model.DashboardLink(
            title="Service detail of ${__field.labels." + label + "}",
            url="/d/service-detail?var-service=${__field.labels." + label + "}&${__url_time_range}",
        )
    ]


def row_to_service(column: str = "Service") -> list[model.DashboardLink]:
    """A link from a table's row to Service detail of the service in its `column`: there a label is a field."""
    service = "${__data.fields." + column + "}"
    return [
        model.DashboardLink(
            title=f"Service detail of {service}",
            url=f"/d/service-detail?var-service={service}&${{__url_time_range}}",
        )
    ]


def to_logs(label: str = "service") -> list[model.DashboardLink]:
    """A link from a point of a time series to the logs, 5 minutes to each side, of the service that `label` names."""
    return [
        model.DashboardLink(
            title="Logs around this time",
            url="/d/logs?var-service=${__field.labels." + label + "}&time=${__value.time}&time.window=600000",
        )
    ]


def where_there_is(part: str, *made: model.Panel) -> Sequence[model.Panel]:
    """The panels, each of which says that it needs `part` when it has no data."""
    for panel in made:
        if panel.field_config is not None:
            panel.field_config.defaults.no_value = f"No data: needs {part}"
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
    return model.Panel(
        type_val=kind,
        id_val=panel_id(title),
        title=title,
        description=_description(look["shows"], look["wrong"]),
        datasource=_data_source(queries[0]),
        interval=RESOLUTION,
        targets=[_target(kind, _ref_id(number), query) for number, query in enumerate(queries)],
        options=options,
        field_config=model.FieldConfigSource(_defaults(kind, look, style), [*_colours(look), *overrides]),
        grid_pos=model.GridPos(w=look.get("width", 8), h=look.get("height", 8)),
    )


def _defaults(kind: Kind, look: Look, style: object | None) -> model.FieldConfig:
    limits = look.get("limits", [(None, "green")])
    palette = model.FieldColorModeId.PALETTE_CLASSIC if kind == "timeseries" else model.FieldColorModeId.THRESHOLDS
    words = {str(value): model.ValueMappingResult(text=word) for value, word in look.get("words", {}).items()}
    return model.FieldConfig(
        unit=look["unit"],
        decimals=look.get("decimals"),
        thresholds=model.ThresholdsConfig(
            model.ThresholdsMode.ABSOLUTE, [model.Threshold(value, colour) for value, colour in limits]
        ),
        color=model.FieldColor(palette),
        mappings=[model.ValueMap(words)] if words else None,
        min_val=0 if "maximum" in look else None,
        max_val=look.get("maximum"),
        no_value=look.get("empty"),
        links=list(look["drill"]) if "drill" in look else None,
        custom=style,
    )


def _colours(look: Look) -> list[model.DashboardFieldConfigSourceOverrides]:
    return [
        _override(series, "color", model.FieldColor(model.FieldColorModeId.FIXED, fixed_color=colour))
        for series, colour in look.get("colours", {}).items()
    ]


def _override(field: str, setting: str, value: object) -> model.DashboardFieldConfigSourceOverrides:
    return model.DashboardFieldConfigSourceOverrides(
        matcher=model.MatcherConfig("byName", field), properties=[model.DynamicConfigValue(setting, value)]
    )


def _data_source(query: Query | LogQuery) -> common.DataSourceRef:
    return LOKI if isinstance(query, LogQuery) else PROMETHEUS


def _target(kind: Kind, ref_id: str, query: Query | LogQuery) -> prometheus.Dataquery | loki.Dataquery:
    over_time = kind in {"timeseries", "state-timeline"}  # the others would show a vanished series' last value
    if isinstance(query, LogQuery):
        return loki.Dataquery(
            ref_id=ref_id,
            expr=cleandoc(query.expr),
            legend_format=query.legend,
            query_type=loki.LokiQueryType.RANGE if over_time else loki.LokiQueryType.INSTANT,
            editor_mode=loki.QueryEditorMode.CODE,
            datasource=LOKI,
        )
    return prometheus.Dataquery(
        ref_id=ref_id,
        expr=cleandoc(query.expr),
        legend_format=query.legend,
        range_val=over_time,
        instant=not over_time,
        format_val=prometheus.PromQueryFormat.TABLE if kind == "table" else prometheus.PromQueryFormat.TIME_SERIES,
        editor_mode=prometheus.QueryEditorMode.CODE,
        datasource=PROMETHEUS,
    )


def _columns(queries: Sequence[Query | LogQuery], by: Sequence[str]) -> list[model.DataTransformerConfig]:
    values = {f"Value #{_ref_id(number)}": query.legend for number, query in enumerate(queries)}
    if len(queries) == 1:
        values["Value"] = queries[0].legend  # the name that Grafana gives the only value
    order = [*by, *values]
    times = ["Time", *(f"Time {number}" for number in range(1, len(queries) + 1))]
    organize = model.DataTransformerConfig(
        "organize",
        options={
            "excludeByName": dict.fromkeys(times, True),
            "indexByName": {column: place for place, column in enumerate(order)},
            "renameByName": {label: label.replace("_", " ").capitalize() for label in by} | values,
        },
    )
    if len(queries) > 1:
        return [model.DataTransformerConfig("joinByField", options={"byField": by[0], "mode": "outer"}), organize]
    if isinstance(queries[0], LogQuery):  # Loki has no table format: its series become rows here
        rows = [model.DataTransformerConfig(name, options={}) for name in ("labelsToFields", "merge")]
        return [*rows, organize]
    return [organize]


def _description(shows: str, wrong: str) -> str:
    return f"{cleandoc(shows)}\n\n**When it looks wrong:** {cleandoc(wrong)}"


def _ref_id(number: int) -> str:
    return chr(ord("A") + number)
