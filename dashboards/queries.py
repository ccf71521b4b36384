"""What a panel asks: expressions with the legends of their series, and the data source that each is sent to."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import cleandoc
from typing import Literal

from grafana_foundation_sdk.models import common, loki, prometheus

PROMETHEUS = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
LOKI = common.DataSourceRef(type_val="loki", uid="${loki_datasource}")
TEMPO = common.DataSourceRef(type_val="tempo", uid="${tempo_datasource}")

Kind = Literal["bargauge", "heatmap", "stat", "state-timeline", "table", "timeseries"]

FORMATS: dict[Kind, prometheus.PromQueryFormat] = {
    "heatmap": prometheus.PromQueryFormat.HEATMAP,
    "table": prometheus.PromQueryFormat.TABLE,
}
"""How Grafana is to read an answer, where it is not a line for each series."""


@dataclass(frozen=True)
class Query:
    """A PromQL expression and the legend of its series, in Grafana's `{{label}}` form."""

    expr: str
    legend: str
    exemplars: bool = False
    """Whether requests that have a trace are marked. Those are kept with the series of the services themselves:
    an expression of recorded series finds none."""


@dataclass(frozen=True)
class LogQuery:
    """A LogQL expression whose result is numbers, such as a `count_over_time(… [$__auto])`, and their legend.

    A panel asks either Prometheus or Loki: its data source is that of its first query.
    """

    expr: str
    legend: str


def data_source(query: Query | LogQuery) -> common.DataSourceRef:
    """Where a query is sent."""
    return LOKI if isinstance(query, LogQuery) else PROMETHEUS


def target(kind: Kind, ref_id: str, query: Query | LogQuery) -> prometheus.Dataquery | loki.Dataquery:
    """A query as a panel of this kind asks it: over time, or at the end of the time range only."""
    over_time = kind in {
        "timeseries",
        "state-timeline",
        "heatmap",
    }  # the others would show a vanished series' last value
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
        format_val=FORMATS.get(kind, prometheus.PromQueryFormat.TIME_SERIES),
        editor_mode=prometheus.QueryEditorMode.CODE,
        exemplar=query.exemplars or None,
        datasource=PROMETHEUS,
    )
