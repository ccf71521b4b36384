"""What is known of a result without any data is what Prometheus makes of data."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from checks import promql
from checks.dashboard_rules import promtool
from checks.promql import Labels, Shapes

SERIES = {"x": {"a", "b"}, "y": {"a"}, "z": {"a", "c"}, "h_bucket": {"a", "le"}}
"""The labels of some series, each 1."""

LABELS = {
    "x": "a b",
    "sum(x)": "",
    "sum by (a, d) (x)": "a",
    "sum without (a) (x)": "b",
    "topk by (a) (1, x)": "a b",
    'count_values without (b) ("v", x)': "a v",
    "rate(x[5m])": "a b",
    "max_over_time(sum by (b) (x)[5m:1m])": "b",
    "histogram_quantile(0.5, h_bucket)": "a",
    'label_replace(y, "n", "$1", "a", "(.*)")': "a n",
    'absent(nothing{a="1", b=~"2"})': "a",
    "vector(1)": "",
    "vector(scalar(y))": "",
    "1 - x": "a b",
    "x > 0": "a b",
    "x and on (a) y": "a b",
    "x unless on () nothing": "a b",
    "x * on (a) z": "a",
    "x <= on (a) z": "a",
    "x <= on () z": "",
    "x + ignoring (b) y": "a",
    "x * on (a) group_left (c) z": "a b c",
    "y * on (a) group_right () x": "a b",
    "(nothing or x) / x": "a b",
}
"""Expressions and the labels of their result."""

NOTHING = ["x / y", "x and y", "x * ignoring (a) z", "x * on (c) z", "y * on (b) x"]
"""Operations whose sides never match."""


def recorded(name: str) -> Shapes | None:
    known = SERIES.get(name)
    return frozenset({Labels(frozenset(known))}) if known else None


def value_of(label: str) -> str:
    return "+Inf" if label == "le" else "1"


def test_labels_are_those_that_prometheus_gives(tmp_path: Path) -> None:
    def selected(labels: str) -> str:
        return "{" + ", ".join(f'{label}="{value_of(label)}"' for label in labels.split()) + "}"

    def sample(labels: str) -> list[dict[str, object]]:
        return [{"labels": selected(labels), "value": 0}]

    series = [
        {"series": name + selected(" ".join(sorted(labels))), "values": "1x60"} for name, labels in SERIES.items()
    ]
    cases = [(expr, sample(labels)) for expr, labels in LABELS.items()] + [(expr, []) for expr in NOTHING]
    # Prometheus shows the labels whatever the value is: 0 for all but 7, and for NaN.
    asked = [{"expr": f"({expr}) == bool 7", "eval_time": "30m", "exp_samples": wanted} for expr, wanted in cases]
    test = {"interval": "30s", "input_series": series, "promql_expr_test": asked}
    file = tmp_path / "labels.test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("expr", "labels"), LABELS.items())
def test_labels_are_known_without_data(expr: str, labels: str) -> None:
    found = promql.shapes(promql.parse(expr), recorded)
    assert Labels(frozenset(labels.split())) in found or expr.startswith("(nothing")


@pytest.mark.parametrize("expr", NOTHING)
def test_what_never_matches_is_known_without_data(expr: str) -> None:
    assert not promql.shapes(promql.parse(expr.replace(" and ", " + ")), recorded)


@pytest.mark.parametrize(
    ("expr", "seconds"),
    [
        ("x", 0),
        ("rate(x[5m] offset 1h)", 3900),
        ("max_over_time(rate(x[5m])[1h:1m])", 3900),
        ("x offset 1d and rate(x[5m])", 86400),
        ("sum(r)", 120),
    ],
)
def test_lookback_adds_up(expr: str, seconds: int) -> None:
    assert promql.lookback(promql.parse(expr), lambda name: 120 if name == "r" else 0) == seconds


@pytest.mark.parametrize(
    ("expr", "seconds"),
    [
        ("rate(x[3h]) > 1 and rate(x[3m]) > 1", 180),
        ("rate(x[3h]) > 1 or rate(x[3m]) > 1", 10800),
        ("rate(x[3m]) > 1 unless rate(x[3h]) > 1", 180),
    ],
)
def test_a_condition_ends_with_the_first_of_its_parts(expr: str, seconds: int) -> None:
    assert promql.aftermath(promql.parse(expr)) == seconds
