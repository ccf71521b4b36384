"""Dashboards, panels and series for the tests of the report."""

from __future__ import annotations

import json
from typing import Any
from xml.etree.ElementTree import Element

from report import board
from report.board import Panel
from report.charts import Frame
from report.sources import Period, Series

PROMETHEUS = {"type": "prometheus", "uid": "${datasource}"}
LOKI = {"type": "loki", "uid": "${loki_datasource}"}
FRAME = Frame(Period(1000.0, 1120.0, step=30.0), step=30.0)


def panel_json(kind: str = "stat", queries: int = 1, **keys: Any) -> dict[str, Any]:
    targets = [
        {"refId": "ABC"[place], "expr": f"metric_{place}", "legendFormat": "{{service}}", "datasource": PROMETHEUS}
        for place in range(queries)
    ]
    place = {"x": 0, "y": 0, "w": 8, "h": 8}
    return {"id": 7, "title": "A panel", "type": kind, "gridPos": place, "targets": targets} | keys


def config(**defaults: Any) -> dict[str, Any]:
    return {"defaults": {"unit": "short"} | defaults, "overrides": []}


def dashboard(
    *panels: dict[str, Any], variables: tuple[dict[str, Any], ...] = (), annotations: tuple[dict[str, Any], ...] = ()
) -> str:
    return json.dumps(
        {
            "uid": "one",
            "title": "One",
            "panels": list(panels),
            "templating": {"list": list(variables)},
            "annotations": {"list": list(annotations)},
            "time": {"from": "now-1h", "to": "now"},
        }
    )


def panel(kind: str = "stat", queries: int = 1, **keys: Any) -> Panel:
    (found,) = board.read(dashboard(panel_json(kind, queries, **keys))).panels
    return found


def series(of: Panel, *values: float, query: int = 0, at: tuple[float, ...] = (), **labels: str) -> Series:
    times = at or tuple(1000.0 + 30 * place for place in range(len(values)))
    return Series(of.targets[query], labels.get("service", "all"), labels, tuple(zip(times, values, strict=True)))


def text(element: Element) -> str:
    return " ".join(part for part in element.itertext() if part)


def styles(element: Element) -> list[str]:
    return [found.attrib["style"] for found in element.iter() if "style" in found.attrib]


def instant(kind: str = "stat", **keys: Any) -> dict[str, Any]:
    raw = panel_json(kind, **keys)
    raw["targets"][0]["instant"] = True
    return raw
