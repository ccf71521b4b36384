"""When `make fault` and `make heal` say that a page comes and ends: from the configuration that runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

import rehearsal.__main__ as command
from local.state import State
from rehearsal import health
from rehearsal.expected import EFFECTS, Expected, words
from rehearsal.lifecycle import Rehearsal
from rehearsal.speed import scaled

ROUTE = {
    "receiver": "warning",
    "group_wait": "30s",
    "group_interval": "5m",
    "routes": [
        {"matchers": ['severity="critical"'], "receiver": "oncall", "group_wait": "5s", "group_interval": "1m"},
    ],
}


def rule(alert: str, severity: str = "critical", **times: str) -> dict[str, Any]:
    return {"alert": alert, "expr": "vector(1)", "labels": {"severity": severity}, **times}


RULES = [
    rule("ServiceDown", **{"for": "1m", "keep_firing_for": "6m"}),
    rule("RedisDown", **{"for": "1m"}),
    rule("HighErrorRate", **{"for": "5m"}),
    rule("ErrorBudgetBurningFast", **{"for": "6m", "keep_firing_for": "2m"}),
    rule("NoMetrics", "warning"),
]


def write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(document))


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path)
    prometheus = {
        "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
        "scrape_configs": [{"job_name": "a", "scrape_interval": "30s"}],
    }
    write(state.configuration / "prometheus" / "prometheus.yaml", prometheus)
    write(state.configuration / "prometheus" / "rules" / "a.yaml", {"groups": [{"name": "a", "rules": RULES}]})
    write(state.configuration / "alertmanager" / "alertmanager.yaml", {"route": ROUTE})
    return state


@pytest.mark.parametrize(
    ("kind", "service", "alert", "seconds"),
    [
        # 30 s scrape, 15 s evaluation, 15 s on the way, and the group's wait of 5 s, besides the `for`.
        ("down", "order-service", "ServiceDown", 65 + 60),
        ("down", "redis", "RedisDown", 65 + 60),
        ("errors", "order-service", "HighErrorRate", 65 + 300 + 90),
        ("latency", "order-service", "ErrorBudgetBurningFast", 65 + 360 + 180),
    ],
)
def test_a_page_is_expected_after_its_scrape_evaluation_for_and_wait(
    state: State, kind: str, service: str, alert: str, seconds: float
) -> None:
    assert Expected(state, 1).page(kind, service) == (alert, seconds)


@pytest.mark.parametrize(
    ("alert", "seconds"),
    [
        ("ServiceDown", 60 + 60 + 360),
        ("HighErrorRate", 60 + 60 + 300),
        ("NoMetrics", 60 + 300 + 300),  # its route waits longer; of others the longest usual window is assumed
    ],
)
def test_an_end_is_expected_after_its_window_keep_firing_for_and_interval(
    state: State, alert: str, seconds: float
) -> None:
    assert Expected(state, 1).end(alert) == seconds


def test_a_changed_rule_or_a_faster_time_changes_what_is_said(state: State) -> None:
    changed = [item | {"for": "3m"} if item["alert"] == "ServiceDown" else item for item in RULES]
    write(state.configuration / "prometheus" / "rules" / "a.yaml", {"groups": [{"name": "a", "rules": changed}]})
    assert Expected(state, 1).page("down", "gateway")[1] == 65 + 180
    faster = [item | {"for": scaled(item["for"], 10)} for item in RULES if "for" in item]
    write(state.configuration / "prometheus" / "rules" / "a.yaml", {"groups": [{"name": "a", "rules": faster}]})
    assert Expected(state, 10).page("errors", "gateway")[1] == 65 + 30 + 9


def test_every_fault_has_an_alert_of_ours() -> None:
    assert set(EFFECTS) == {"down", "errors", "latency"}


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.5, "20 s"), (60, "1 min"), (125, "2 min 10 s"), (455, "8 min"), (480, "8 min")]
)
def test_durations_are_rounded_up_in_words(seconds: float, text: str) -> None:
    assert words(seconds) == text


def test_heal_says_what_may_still_fire_and_when(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    since = datetime(2026, 1, 1, 12, tzinfo=UTC)
    monkeypatch.setattr(
        health, "firing", lambda _: [{"alertname": "ServiceDown", "severity": "critical", "service": "a"}]
    )
    monkeypatch.setattr(health, "pending", lambda _: [({"alertname": "HighErrorRate", "service": "b"}, since)])
    command._print_ends(Rehearsal(state))
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("  ServiceDown a: expect one resolved message in each channel, within about ")
    due = (since + timedelta(minutes=5)).astimezone()
    assert said[1:] == [f"  HighErrorRate b: pending; fires if it still holds at {due:%H:%M %Z}"]
