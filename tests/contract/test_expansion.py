"""Recorded series, and the queries that they are held against in docs/dashboards.md, have the same values."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import catalogue
from benchmarks import stack
from benchmarks.expansion import Expansion
from engine.toolchain import tool
from facts import ROOT

RULES = stack.rules_of(catalogue.load(ROOT / "services.yaml"), stack.production())
EXPANSION = Expansion(RULES.groups)
PROCESS = 'namespace="order-processor", pod="{0}-1", container="{0}", job="{0}", instance="{0}:1", service="{0}"'
MINUTES = 40
GROWTH = {
    '{1}_requests_total{{{2}, endpoint="/a", status_code="200"}}': 60,
    '{1}_requests_total{{{2}, endpoint="/b", status_code="503"}}': 3,
    '{1}_request_latency_seconds_bucket{{{2}, endpoint="/a", le="0.1"}}': 40,
    '{1}_request_latency_seconds_bucket{{{2}, endpoint="/a", le="0.25"}}': 55,
    '{1}_request_latency_seconds_bucket{{{2}, endpoint="/a", le="+Inf"}}': 60,
}
"""Counters of a service, and their growth in 15 s."""
ASKED = {
    "service:http_requests:rate5m": 2,
    'service:http_requests:rate5m{service="order-service"}': 1,
    "service:http_requests:rate5m offset 10m": 2,
    "service:http_errors:ratio_rate5m": 2,
    'service:http_request_latency_seconds:p95_rate5m{service=~"order-service|gateway"}': 2,
    'sum by (service) (rate(instance:http_request_latency_seconds_bucket:sum{le="0.25"}[2m]))': 2,
    'service:slo_burn_rate:ratio_rate30m{sli="latency"}': 2,
    'service:up:ratio{service="gateway"}': 1,
    "max_over_time(service:http_errors:ratio_rate5m[10m])": 2,
}
"""Queries of recorded series, and how many series they find."""


def inputs(service: str, prefix: str, factor: int) -> list[dict[str, str]]:
    steps = 4 * MINUTES
    process = PROCESS.format(service)
    counters = {name.format(service, prefix, process): f"0+{factor * by}x{steps}" for name, by in GROWTH.items()}
    there = {
        f"up{{{process}}}": f"1x{steps}",
        f'probe_success{{job="service-probes", service="{service}"}}': f"1x{steps}",
    }
    return [{"series": series, "values": values} for series, values in (counters | there).items()]


def same(recorded: str) -> str:
    """How many series have the same value with and without records, but for one evaluation that a record may be old."""
    difference = f"abs(({EXPANSION.raw(recorded)}) - ({recorded}))"
    return f"count({difference} < 1e-9 + 1e-6 * abs({recorded}))"


def test_raw_queries_answer_what_was_recorded(tmp_path: Path) -> None:
    checks = [
        {"expr": same(recorded), "eval_time": f"{MINUTES - 1}m", "exp_samples": [{"labels": "{}", "value": series}]}
        for recorded, series in ASKED.items()
    ]
    series = [*inputs("gateway", "gateway", 1), *inputs("order-service", "order", 3)]
    test = {"interval": "15s", "input_series": series, "promql_expr_test": checks}
    (tmp_path / "rules.json").write_text(json.dumps({"groups": RULES.groups}))
    document = {"rule_files": ["rules.json"], "evaluation_interval": "15s", "tests": [test]}
    (tmp_path / "test.json").write_text(json.dumps(document))
    command = [str(tool("promtool")), "test", "rules", str(tmp_path / "test.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
