"""How the columns of a table are named, joined and fitted into its panel.

What Grafana gives a table's default unit to are all of its columns, and it turns every text of a field with a unit of
dates into a time. So each setting is that of one column, and a column is the place of its links.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.models import common, units
from grafana_foundation_sdk.models import dashboard as model

from dashboards.colours import by_name

HEADINGS = {
    "alertname": "Alert",
    "dimension_service_name": "AWS service",
    "rank": "Severity",
    "service_name": "Service",
    "sli": "Indicator",
    "status_code": "Status",
}
"""What a label is called above its column, where its own name says less."""

LABEL_WIDTHS = {
    "rank": 90,
    "service": 150,
    "service_name": 150,
    "owner": 120,
    "container": 150,
    "reason": 150,
    "side": 90,
    "sli": 110,
    "status_code": 80,
}
"""Pixels for labels with short values, so that the rest is left to long ones, whose text wraps."""

SEVERITIES = {"critical": "red", "warning": "orange", "info": "blue"}
"""Colours of an alert's severity, as everywhere."""
RANK = "rank"
"""A label that sorts as severities do, and is shown as one: a table sorts by what is in it, not by what is shown."""
RANKS = {severity: f"{place} {severity}" for place, severity in enumerate(SEVERITIES, 1)}

LEAST_WIDTH = 60
"""Pixels of the narrowest column: Grafana's own 150 push the last columns out of a panel."""

WIDE_VALUES = {units.BytesIEC, units.Dollars, units.DateTimeFromNow}
"""Units whose values are longer than most headings, such as `1023.99 MiB`."""


WRAPPED = {"custom.wrapText": True}
"""What Grafana 13 reads; it takes an older cell's own setting over only when the panel is migrated."""


def heading(label: str) -> str:
    """What the column of a label is called."""
    return HEADINGS.get(label) or label.replace("_", " ").capitalize()


def label_columns(
    by: Sequence[str], drills: Mapping[str, Sequence[model.DashboardLink]]
) -> list[model.DashboardFieldConfigSourceOverrides]:
    """Columns of text: they wrap, and a click leads where `drills` says for the label."""
    narrow = [label for label in by if label in LABEL_WIDTHS]
    if len(narrow) == len(by):
        narrow = narrow[1:]  # one must take the rest
    return [
        by_name(
            heading(label),
            **_text(label),
            **({"custom.width": LABEL_WIDTHS[label]} if label in narrow else {}),
            **({"links": list(drills[label])} if drills.get(label) else {}),
        )
        for label in by
    ]


def _text(label: str) -> dict[str, object]:
    if label != RANK:
        return {"custom.cellOptions": common.TableAutoCellOptions(wrap_text=True), **WRAPPED}
    words = {RANKS[name]: model.ValueMappingResult(text=name, color=colour) for name, colour in SEVERITIES.items()}
    return {
        "custom.cellOptions": common.TableColorTextCellOptions(wrap_text=True),
        **WRAPPED,
        "mappings": [model.ValueMap(words)],
    }


def value_column(
    name: str, unit: str, decimals: int | None, limits: model.ThresholdsConfig | None, empty: str | None
) -> model.DashboardFieldConfigSourceOverrides:
    """The settings of one column of numbers; `empty` is shown where a row has none."""
    width = 120 if unit in WIDE_VALUES else max(90, 8 * len(name) + 32)
    settings = {"unit": unit, "decimals": decimals, "thresholds": limits, "noValue": empty, "custom.width": width}
    return by_name(name, **{setting: value for setting, value in settings.items() if value is not None})


def transformations(
    columns: Mapping[str, str], by: Sequence[str], *, of_lines: bool
) -> list[model.DataTransformerConfig]:
    """Make one table of the queries' results: `columns` are Grafana's names of the values, each with its own.

    `of_lines` is for numbers that Loki counted: it has no table format, so its series become rows here.
    """
    queries = len(set(columns.values()))
    times = ["Time", *(f"Time {number}" for number in range(1, queries + 1))]
    organize = model.DataTransformerConfig(
        "organize",
        options={
            "excludeByName": dict.fromkeys(times, True),
            "indexByName": {column: place for place, column in enumerate([*by, *columns])},
            "renameByName": {label: heading(label) for label in by} | dict(columns),
        },
    )
    if of_lines:
        rows = [model.DataTransformerConfig(name, options={}) for name in ("labelsToFields", "merge")]
        return [*rows, organize]
    if queries > 1:
        return [model.DataTransformerConfig("joinByField", options={"byField": by[0], "mode": "outer"}), organize]
    return [organize]
