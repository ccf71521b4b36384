"""What Prometheus takes for a duration, and Kubernetes for a quantity, and nothing else."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from quantities import duration, mebibytes, millicores, milliseconds, quantity, seconds
from validation import Duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("500ms", 500),
        ("15s", 15_000),
        ("90m", 5_400_000),
        ("1h", 3_600_000),
        ("2d", 172_800_000),
        ("2w", 1_209_600_000),
        ("1y", 31_536_000_000),
        ("1h30m", 5_400_000),
        ("1m500ms", 60_500),
        ("1y2w3d4h5m6s7ms", 33_019_506_007),
        ("0s", 0),
        ("0", 0),
    ],
)
def test_a_duration_is_read_as_prometheus_reads_it(text: str, length: int) -> None:
    assert milliseconds(text) == length


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "30m1h", "5ms1s", "1h2h", "1.5h", "-5m", "+5m", " 5m", "5m ", "5 m", "5M", "5us", "1h30"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        milliseconds(text)


def test_seconds_are_whole() -> None:
    assert seconds("1h30m") == 5400
    assert seconds("2000ms") == 2
    with pytest.raises(ValueError, match="no whole number of seconds"):
        seconds("1500ms")


@pytest.mark.parametrize("text", ["45s", "90m", "25h", "365d", "2w"])
def test_a_length_is_written_in_its_largest_unit(text: str) -> None:
    assert duration(seconds(text)) == text


@pytest.mark.parametrize("text", ["500ms", "1y", "1h30m", "0s", "0"])
def test_settings_take_fewer(text: str) -> None:
    with pytest.raises(ValidationError, match="a duration in s, m, h, d or w"):
        TypeAdapter(Duration).validate_python(text)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("250m", 0.25),
        ("1.5", 1.5),
        ("2e3", 2000),
        ("1E3", 1000),
        ("500n", 5e-7),
        ("7220184Ki", 7220184 * 1024),
        ("20Gi", 20 * 2**30),
        ("1T", 10**12),
        ("2P", 2 * 10**15),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("0", 0),
        (".5Gi", 2**29),
    ],
)
def test_a_quantity_is_read_as_kubernetes_reads_it(text: str, number: float) -> None:
    assert quantity(text) == pytest.approx(number)


@pytest.mark.parametrize("text", ["", "Gi", "1GB", "1 Gi", "1ki", "m", "1e", "1.2.3"])
def test_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        quantity(text)


def test_amounts_are_whole() -> None:
    assert (millicores("1.5"), millicores("250m"), mebibytes("20Gi"), mebibytes("6500M")) == (1500, 250, 20480, 6198)
