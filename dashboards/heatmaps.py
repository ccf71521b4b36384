"""Histograms over time: how many were how large, where a percentile is one line of it."""

from __future__ import annotations

from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import heatmap as models

from dashboards.panels import RESOLUTION, description, panel_id
from dashboards.queries import PROMETHEUS, Query, target
from screen import GRID_COLUMNS

SCHEME = "Blues"
"""Many are neither good nor bad, so no colour of trouble. Grafana turns it round in its dark theme: many are light."""

NOTHING = 1e-9
"""Up to here a cell is left out."""


def heatmap(
    title: str,
    buckets: str,
    *,
    shows: str,
    wrong: str,
    unit: str,
    counted: str,
    exemplars: bool = False,
    width: int = GRID_COLUMNS,
) -> model.Panel:
    """The buckets of a histogram over time, the larger ones above.

    `buckets` is PromQL with the label `le` alone, cumulative as Prometheus has them: Grafana subtracts each from the
    next. `unit` is that of the bounds, `counted` that of how many there are in one. `exemplars` are those of `Query`.
    """
    options = models.Options(
        color=models.HeatmapColorOptions(mode=models.HeatmapColorMode.SCHEME, scheme=SCHEME, steps=64, exponent=0.5),
        cell_values=models.CellValues(unit=counted),
        filter_values=models.FilterValueRange(le=NOTHING),
        y_axis=models.YAxisConfig(unit=unit, axis_placement=common.AxisPlacement.LEFT),
        legend=models.HeatmapLegend(show=True),
        tooltip=models.HeatmapTooltip(mode=common.TooltipDisplayMode.SINGLE, show_color_scale=True),
    )
    return model.Panel(
        type_val="heatmap",
        id_val=panel_id(title),
        title=title,
        description=description(shows, wrong),
        datasource=PROMETHEUS,
        interval=RESOLUTION,
        targets=[target("heatmap", "A", Query(buckets, "{{le}}", exemplars))],
        options=options,
        field_config=model.FieldConfigSource(model.FieldConfig(unit=counted), []),
        grid_pos=model.GridPos(w=width, h=9),
    )
