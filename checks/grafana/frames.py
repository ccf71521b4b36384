"""Sample data for a panel: frames of the shape that Grafana's server and its data sources give them.

- Prometheus and Loki, a frame for each series: `Time` and `Value`, the labels on the value, the legend in
  `config.displayNameFromDS` (Grafana 13: pkg/promlib/querydata/response.go, pkg/tsdb/loki/frame.go). A query without
  a result is one frame without fields.
- Prometheus with format `table`, a frame for each query: `Time`, a text column for each label, and the value, which is
  called `Value` if the panel has one query and `Value #A` otherwise (packages/grafana-prometheus, transformDFToTable).
- Prometheus with format `heatmap`, a frame for each bucket, named by its bound and without what is in lower ones
  (transformToHistogramOverTime there).
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from checks.dashboard_json import CATALOGUE
from checks.grafana.drawn import Frame, Panel

NOW = int(time.time() * 1000)
STEP = 30_000
"""Milliseconds between two points."""

USUAL: Sequence[float] = (0, 0.125, 1, 7, 1234567.891)
"""What any panel may have to show."""
DATE = re.compile(r"^(dateTime|time:)")
"""Units whose numbers are times, in milliseconds."""
NUMBER = re.compile(r"-?\d+(\.\d+)?")
AGES: Sequence[int] = (0, 20_000, 600_000, 86_400_000 * 3)
"""Milliseconds since a time that is shown."""
OVER_TIME = ("timeseries", "state-timeline", "heatmap")
"""Panels that show a range of time; the others show one value for each series."""

NO_DATA = "no data"
"""The sample in which no query has a result."""
ALL, SOME, NONE = slice(None), slice(1, None), slice(0)
"""The series of a query that there are."""

SERVICES = tuple(service.name for service in CATALOGUE.services)
"""All of the catalogue: dashboards give each its colour, and that override must match a series."""
LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
PODS = ("order-service-6c9f7d5b8-x2x7q", "prometheus-kube-prometheus-stack-prometheus-0", "loki-0")
LABELS: dict[str, Sequence[str]] = {
    "service": SERVICES,
    "service_name": SERVICES,
    "target_service": SERVICES,
    "severity": ("critical", "warning", "info"),
    "rank": ("1 critical", "2 warning", "3 info"),
    "rcode": ("NOERROR", "NXDOMAIN", "SERVFAIL", "REFUSED"),
    "detected_level": [level.lower() for level in (*LEVELS, "CRITICAL")] + ["unknown"],
    "status_code": ("200", "201", "307", "404", "422", "500", "503"),
    "status": ("ok", "error"),
    "result": ("success", "failure"),
    "phase": ("Pending", "Running", "Succeeded", "Failed", "Unknown"),
    "side": ("buy", "sell"),
    "name": ("gateway", "down now: order-service", "failing now: auth-service"),
    "le": ("0.005", "0.1", "0.25", "1", "2.5", "+Inf"),
    "type": ("deposit", "withdrawal"),
    "sli": ("availability", "latency"),
    "asset": ("BTC", "ETH", "USDT"),
    "alertname": ("ServiceDown", "OrderRejections"),
    "owner": ("backend", "platform"),
    "route": ("/api/v1/orders", "/api/v1/orders/{id}"),
    "message": ("Order rejected: 42 is more than the balance", "NaN", "2026-11-29T23:13:50Z timed out", "1500"),
    "what": ("so far", "expected at month's end", "budget"),
    "dependency": ("Redis", "DynamoDB"),
    "namespace": ("order-processor", "monitoring"),
    "pod": PODS,
    "container": ("order-service", "prometheus"),
    "instance": ("10.0.0.7:9100", "10.0.0.8:9100"),
    "condition": ("MemoryPressure", "DiskPressure"),
    "rule_group": ("/etc/prometheus/rules/monitoring-services.yaml;services", "/etc/prometheus/rules/logs.yaml;logs"),
}
"""Values of labels as they occur; other labels have two made up of their names."""
OF_SERIES: dict[tuple[str, str], Sequence[str]] = {
    ("severity", "log_records"): LEVELS,
    ("container", 'container=~"$service"'): SERVICES,
    ("status", "alertmanager_alerts"): ("firing", "resolved"),
    ("status", "grafana_http"): ("200", "302", "404", "500"),
}
"""Labels that mean something else in some series, by a part of their names."""


@dataclass(frozen=True)
class Sample:
    """Frames for a panel, and what is in them."""

    what: str
    frames: Sequence[Frame]
    complete: bool = True
    """Whether every query has its series, so that each override has something to match."""


@dataclass(frozen=True)
class _Result:
    """What one query of a panel returns: the same values for each of its series."""

    target: dict[str, Any]
    series: Sequence[dict[str, str]]
    values: Sequence[float | None]


def samples(panel: Panel) -> Iterator[Sample]:
    """The states of a panel that its reader may meet: each value, a query that lacks some or all series, no data."""
    values = values_of(panel)
    targets = panel["targets"]
    if panel["type"] in OVER_TIME:
        points = [*values[:1], None, *values[1:]]
        yield Sample("all values", _frames([_result(panel, target, points) for target in targets]))
    else:
        for value in values:
            yield Sample(f"{value:g}", _frames([_result(panel, target, [value]) for target in targets]))
    for lacking, kept in itertools.product(targets if len(targets) > 1 else (), (NONE, SOME)):
        results = [_result(panel, target, values[:1], kept if target is lacking else ALL) for target in targets]
        which = "no" if kept is NONE else "not all"
        yield Sample(f"{which} series of {lacking['legendFormat']}", _frames(results), complete=False)
    nothing = [_result(panel, target, values[:1], NONE) for target in targets]
    yield Sample(NO_DATA, _frames(nothing), complete=False)


def values_of(panel: Panel) -> list[float]:
    """Zero, fractions and large numbers, the limits of the panel and their neighbours, and what it has words for."""
    steps = [step for thresholds in options_of(panel, "thresholds") for step in thresholds["steps"]]
    limits = [step["value"] for step in steps if step.get("value") is not None]
    near = [limit + distance * max(abs(limit), 1) for limit in limits for distance in (-0.001, 0, 0.001)]
    return sorted({*USUAL, *near, *(word for word in words_of(panel) if not isinstance(word, str))})


def options_of(panel: Panel, option: str) -> Iterator[Any]:
    """The values of an option of a panel: of all its fields, and of some by an override."""
    config = panel["fieldConfig"]
    if option in config["defaults"]:
        yield config["defaults"][option]
    for override in config["overrides"]:
        yield from (item["value"] for item in override["properties"] if item["id"] == option)


def words_of(panel: Panel) -> dict[float | str, str]:
    """What a panel shows instead of values or texts, by each."""
    mappings = [mapping for several in options_of(panel, "mappings") for mapping in several]
    by_value = [mapping["options"] for mapping in mappings if mapping["type"] == "value"]
    words = {value: shown["text"] for options in by_value for value, shown in options.items() if "text" in shown}
    return {float(value) if NUMBER.fullmatch(value) else value: word for value, word in words.items()}


def _result(panel: Panel, target: dict[str, Any], values: Sequence[float | None], kept: slice = ALL) -> _Result:
    if DATE.match(unit_of(panel, target["legendFormat"])):
        values = [NOW - AGES[number % len(AGES)] for number in range(len(values))]
    return _Result(target, series_of(panel, target)[kept], values)


def unit_of(panel: Panel, name: str) -> str:
    """The unit of a series or column: that of an override by its name, or the panel's."""
    config = panel["fieldConfig"]
    own = [item for item in config["overrides"] if item["matcher"] == {"id": "byName", "options": name}]
    units = [item["value"] for override in own for item in override["properties"] if item["id"] == "unit"]
    return str(units[-1] if units else config["defaults"].get("unit", ""))


def series_of(panel: Panel, target: dict[str, Any]) -> list[dict[str, str]]:
    """The labels of a query's series: those of its legend and its links, or those that are the table's columns."""
    asked = " ".join(link["url"] for link in panel["fieldConfig"]["defaults"].get("links", []))
    names = [*re.findall(r"\{\{\s*(\w+)\s*\}\}", target["legendFormat"]), *re.findall(r"__field\.labels\.(\w+)", asked)]
    names += [name for name in columns_of(panel) if not name.startswith("Value")]
    labels = {name: _occurring(name, target["expr"]) for name in names}
    if "sli" in labels:  # each service has both
        return [dict(zip(labels, values, strict=True)) for values in itertools.product(*labels.values())]
    count = max((len(values) for values in labels.values()), default=1)
    return [{name: values[number % len(values)] for name, values in labels.items()} for number in range(count)]


def columns_of(panel: Panel) -> dict[str, str]:
    """The columns of a table in their order, by the names that its data source gives them."""
    organized = [item["options"] for item in panel.get("transformations", []) if item["id"] == "organize"]
    return {
        name: options["renameByName"].get(name, name)
        for options in organized
        for name in sorted(options["indexByName"], key=options["indexByName"].__getitem__)
    }


def _occurring(label: str, expr: str) -> Sequence[str]:
    special = (values for (name, series), values in OF_SERIES.items() if name == label and series in expr)
    return next(special, LABELS.get(label, (f"{label}-a", f"{label}-b")))


def _frames(results: Sequence[_Result]) -> list[Frame]:
    if results[0].target.get("format") != "table":
        return [frame for result in results for frame in _series(result)]
    if len(results) == 1:
        return [_table(results[0], "Value")] if results[0].series else [_nothing(results[0])]
    return [_table(result, f"Value #{result.target['refId']}") for result in results]


def _series(result: _Result) -> Iterator[Frame]:
    if not result.series:
        yield _nothing(result)
    for labels in result.series:
        legend = re.sub(r"\{\{\s*(\w+)\s*\}\}", r"{\1}", result.target["legendFormat"]).format_map(labels)
        fields = [
            {"name": "Time", "type": "time", "config": {"interval": STEP}},
            {"name": "Value", "type": "number", "labels": labels, "config": {"displayNameFromDS": legend}},
        ]
        yield _frame(result, fields, [_times(len(result.values)), [*result.values]])


def _table(result: _Result, name: str) -> Frame:
    columns = sorted({label for labels in result.series for label in labels})
    rows = [(labels, value) for labels in result.series for value in result.values]
    fields = [
        {"name": "Time", "type": "time", "config": {}},
        *({"name": column, "type": "string", "config": {"filterable": True}} for column in columns),
        {"name": name, "type": "number", "config": {}},
    ]
    texts = [[labels[column] for labels, _ in rows] for column in columns]
    return _frame(result, fields, [[NOW] * len(rows), *texts, [value for _, value in rows]])


def _nothing(result: _Result) -> Frame:
    return _frame(result, [], [])


def _frame(result: _Result, fields: Sequence[dict[str, Any]], values: Sequence[Sequence[Any]]) -> Frame:
    return {"schema": {"refId": result.target["refId"], "fields": fields}, "data": {"values": values}}


def _times(count: int) -> list[int]:
    return [NOW - STEP * (count - 1 - number) for number in range(count)]
