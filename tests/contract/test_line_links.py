"""What the links of log lines name is what Grafana's own library has of a line."""

from __future__ import annotations

import re

from checks.grafana.drawn import SCRIPT, node
from components.grafana import data_sources
from facts import ROOT
from settings import read_stack

TIMES = [1_800_000_000_123, 1_800_000_001_456]
FRAME = {
    # As Grafana's server sends lines of Loki: pkg/tsdb/loki/frame.go of Grafana 13.
    "schema": {
        "meta": {"typeVersion": [0, 0], "preferredVisualisationType": "logs"},
        "fields": [
            {"name": "labels", "type": "other"},
            {"name": "Time", "type": "time"},
            {"name": "Line", "type": "string"},
            {"name": "tsNs", "type": "string"},
            {"name": "id", "type": "string"},
        ],
    },
    "data": {
        "values": [
            [{"service_name": "gateway", "request_id": "a"}] * 2,
            TIMES,
            ["one", "two"],
            [f"{at}000000" for at in TIMES],
            ["1_a", "2_b"],
        ]
    },
}


def test_a_link_around_a_line_has_its_time_in_milliseconds() -> None:
    (loki,) = (one for one in data_sources(read_stack(ROOT / "Pulumi.dev.yaml")) if one["uid"] == "loki")
    links = [one["url"] for one in loki["jsonData"]["derivedFields"] if "time.window" in one["url"]]
    named = [re.findall(r"time=\$\$\{__data\.fields\.([\w.]+)\}", link) for link in links]
    assert len(named) == 2
    for names in named:
        for row, at in enumerate(TIMES):
            found = node(SCRIPT.with_name("fields.cjs"), {"frame": FRAME, "row": row, "names": names})
            assert found == [at]
