"""The transformation of time: nothing but durations changes, each of them does, and a speed of 1 changes nothing."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import promql_parser
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from components.alerting import rules as rule_files
from facts import ROOT
from local.errors import RehearsalError
from quantities import milliseconds, seconds
from rehearsal import speed

SPEEDS = st.integers(min_value=2, max_value=speed.HIGHEST)
DURATION = re.compile(r"(?<![\w:])[0-9]+(?:ms|s)\b")


@cache
def groups() -> list[dict[str, Any]]:
    files = rule_files.files(ROOT / "alerts")
    return [group for path in files for group in yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["groups"]]


def rules() -> list[dict[str, Any]]:
    return [rule for group in groups() for rule in group["rules"]]


@cache
def tree(expression: str) -> str:
    return str(promql_parser.parse(expression).prettify())


def back(expression: str, factor: int) -> str:
    """The expression with its durations, which are in s or ms now, made longer again, to whole seconds."""

    def longer(found: re.Match[str]) -> str:
        return f"{round(milliseconds(found[0]) * factor / 1000)}s"

    return DURATION.sub(longer, expression)


def in_seconds(expression: str) -> str:
    return re.sub(r"(?<![\w:])[0-9]+[smhd]\b", lambda found: f"{seconds(found[0])}s", expression)


@given(SPEEDS)
def test_every_expression_scaled_and_scaled_back_is_the_same(factor: int) -> None:
    for rule in rules():
        made = speed.expression(rule["expr"], factor)
        assert tree(back(made, factor)) == tree(in_seconds(rule["expr"])), made


def test_no_range_or_offset_is_left() -> None:
    windows = re.compile(r"\[([0-9]+[a-z]+)\]|offset (\S+)")
    for rule in rules():
        before = windows.findall(rule["expr"])
        after = windows.findall(speed.expression(rule["expr"], 7))
        assert len(before) == len(after)
        assert all(one != other for one, other in zip(before, after, strict=True)), rule["expr"]


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("rate(a_total[5m])", "rate(a_total[30s])"),
        ("max_over_time(a[1h:30s])", "max_over_time(a[360s:3s])"),
        ("a offset 15m", "a offset 90s"),
        ("a offset -5m", "a offset -30s"),
        ("a[1h30m]", "a[540s]"),
        ("a[15s]", "a[1500ms]"),
        ("a{b=\"[5m]\", c='5m'} and d[5m]", "a{b=\"[5m]\", c='5m'} and d[30s]"),
        ("a:b:rate5m + a:5m > 3 / 300", "a:b:rate5m + a:5m > 3 / 300"),
        ("a[5m] # as in [5m]\n> 1", "a[30s] # as in [5m]\n> 1"),
        (r'a{b="\"[5m]"}[5m]', r'a{b="\"[5m]"}[30s]'),
    ],
)
def test_an_expression_ten_times_as_fast(given_: str, expected: str) -> None:
    assert speed.expression(given_, 10) == expected


def test_rules_are_scaled_in_all_their_durations() -> None:
    for group in groups():
        made = speed.rules({"groups": [group]}, 10)["groups"][0]
        assert ("interval" in made) == ("interval" in group)
        if "interval" in group:
            assert milliseconds(made["interval"]) * 10 == milliseconds(group["interval"])
        for rule, original in zip(made["rules"], group["rules"], strict=True):
            for key in ("for", "keep_firing_for"):
                assert (key in rule) == (key in original)
                if key in original:
                    assert milliseconds(rule[key]) * 10 == milliseconds(original[key])
            assert rule.keys() == original.keys()
            assert not re.search(r"\[5m\]", str(rule.get("annotations")))


def test_a_speed_of_one_changes_nothing() -> None:
    document = {
        "groups": groups(),
        "route": {"group_wait": "30s", "routes": [{"repeat_interval": "4h"}]},
        "processors": {"interval": {"interval": "15s"}},
        "modules": {"http": {"timeout": "5s"}},
        "compactor": {},
        "global": {"scrape_interval": "15s"},
    }
    for change in (speed.rules, speed.prometheus, speed.alertmanager, speed.agent, speed.loki, speed.blackbox):
        assert change(document, 1) == document
    assert speed.prometheus_flags("1m", 1) == ["--rules.alert.for-grace-period=1m"]
    assert speed.heartbeat_flags(60, 300, 1) == speed.blackbox_flags(1) == speed.check_flags(1) == []


def test_configurations_ten_times_as_fast() -> None:
    route = {"group_wait": "5s", "routes": [{"group_interval": "1m", "repeat_interval": "4h", "receiver": "a"}]}
    assert speed.alertmanager({"route": route}, 10)["route"] == {
        "group_wait": "500ms",
        "routes": [{"group_interval": "6s", "repeat_interval": "1440s", "receiver": "a"}],
    }
    scraped = {"global": {"scrape_interval": "15s"}, "scrape_configs": [{"scrape_timeout": "10s", "job_name": "5m"}]}
    assert speed.prometheus(scraped, 10) == {
        "global": {"scrape_interval": "1500ms"},
        "scrape_configs": [{"scrape_timeout": "1s", "job_name": "5m"}],
    }
    longest = speed.prometheus({"global": {"scrape_interval": "15s", "scrape_timeout": "10s"}}, 30)["global"]
    assert longest == {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
    probe = {"modules": {"http": {"prober": "http", "timeout": "5s"}, "tcp": {"prober": "tcp"}}}
    assert speed.blackbox(probe, 10)["modules"]["http"]["timeout"] == "500ms"
    assert speed.blackbox(probe, 30)["modules"] == {
        "http": {"prober": "http", "timeout": "500ms"},
        "tcp": {"prober": "tcp"},
    }
    assert speed.agent({"processors": {"interval": {"interval": "15s"}, "batch": {}}}, 10)["processors"] == {
        "interval": {"interval": "1500ms"},
        "batch": {},
    }
    assert speed.loki({"compactor": {"retention_enabled": True}}, 10)["compactor"] == {
        "retention_enabled": True,
        "compaction_interval": "60s",
    }
    assert speed.heartbeat_flags(60, 300, 10) == ["--heartbeat-period=6", "--heartbeat-grace=30"]
    assert speed.check_flags(10) == ["--check-seconds=0.5"]


@pytest.mark.parametrize("text", ["0", "31", "1.5", "-2", "fast"])
def test_a_wrong_speed_is_refused_with_what_is_allowed(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPEED", text)
    with pytest.raises(RehearsalError, match=f"SPEED={text}: expected a whole number from 1 to 30"):
        speed.from_environment()


def test_the_speed_of_what_runs_stays() -> None:
    assert speed.choose(None, None) == 1
    assert speed.choose(20, None) == 20
    assert speed.choose(None, 20) == speed.choose(20, 20) == 20
    with pytest.raises(RehearsalError, match="SPEED=5: the rehearsal runs with SPEED=20"):
        speed.choose(5, 20)
