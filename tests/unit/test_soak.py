"""The noise that a soak plans, and what it reports of a recorded one."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from drills.noise import ABOUT, BY_DAY, DAY, NIGHT, RESTART_EVERY, Noise, plan
from drills.silence import Outcome, Played, clock, report
from drills.soak import main
from drills.timeline import Message, Span

SEEDS = range(50)


class TestPlan:
    def test_one_seed_is_one_noise(self) -> None:
        assert plan(240, 3) == plan(240, 3)
        assert plan(240, 3) != plan(240, 4)

    @pytest.mark.parametrize("minutes", [10, 60, 240, 2880])
    def test_every_kind_is_in_it_in_order_and_none_beside_another(self, minutes: int) -> None:
        for seed in SEEDS:
            noises = plan(minutes, seed)
            assert {noise.kind for noise in noises} == {*ABOUT, NIGHT, DAY}
            moments = [moment for noise in noises for moment in (noise.at, noise.at + noise.minutes)]
            assert moments == sorted(moments)
            assert moments[-1] <= minutes

    def test_it_begins_in_the_night_in_which_no_customer_comes(self) -> None:
        for seed in SEEDS:
            noises = plan(240, seed)
            (day,) = (noise.at for noise in noises if noise.kind == DAY)
            assert (noises[0], day) == (Noise(0, NIGHT), 30)
            assert BY_DAY.isdisjoint(noise.kind for noise in noises if noise.at < day)

    def test_restarts_that_fail_requests_are_half_an_hour_apart(self) -> None:
        for seed in SEEDS:
            moments = [noise.at for noise in plan(600, seed) if noise.kind == "restart" and noise.at >= 30]
            assert all(later - one >= RESTART_EVERY for one, later in itertools.pairwise(moments))
            assert len(moments) > 5


def span(state: str, severity: str, begin: float = 600, end: float = 660) -> Span:
    return Span("ServiceDown", state, {"service": "order-service", "severity": severity}, begin, end)


PLAYED = [
    Played(Noise(0, NIGHT), 0),
    Played(Noise(5, "restart", "order-service"), 300, 12),
    Played(Noise(9, "burst", "", 1), 540),
]
QUIET = Outcome(
    length=3600,
    played=PLAYED,
    spans=[span("pending", "critical"), span("firing", "info")],
    messages=[
        Message(-3, "heartbeat", "HeartbeatMissed", "", "firing"),
        Message(900, "slack", "NoOrdersCreated", "order-service", "firing"),
    ],
    notes=frozenset({"NoOrdersCreated"}),
    beats=60,
    counts={"gateway": {"404": 10}, "order-service": {"200": 980, "400": 5, "500": 5}},
    unanswered=2,
    waits={"ServiceDown": 90},
)


def told(**changes: Any) -> list[str]:
    return list(report(replace(QUIET, **changes), 99.9))


class TestReport:
    def test_what_is_pending_and_what_is_noted_tells_nobody(self) -> None:
        assert QUIET.silent
        assert told() == [
            "noise: burst 1, night 1, restart 1",
            "services restarted: away for 12 s at most, below 30 s is no outage",
            "  gateway                 10 answered, 100.00 % client errors, 0 failed (0.00 %)",
            "  order-service          990 answered, 0.51 % client errors, 5 failed (0.51 %)",
            "requests:    1000 answered, 1.50 % client errors, 5 failed (0.50 %), "
            "2 without an answer; failed may 0.1 %",
            "heartbeats: 60",
            "pending, which tells nobody: ServiceDown for 0:01:00 of 0:01:30",
            "noted: NoOrdersCreated in slack at 0:15:00, firing",
            "nobody was told anything",
        ]

    @pytest.mark.parametrize("severity", ["critical", "warning"])
    def test_what_fires_is_said_with_the_noise_before_it(self, severity: str) -> None:
        lines = told(spans=[span("firing", severity)])
        assert lines[-5:] == [
            f"ServiceDown fired from 0:10:00 to 0:11:00 (service=order-service, severity={severity})",
            "    after 0:00:00 night",
            "    after 0:05:00 restart: order-service, away for 12 s",
            "    after 0:09:00 burst",
            "NOT silent",
        ]

    @pytest.mark.parametrize(
        ("message", "line"),
        [
            (
                Message(-5, "slack", "ServiceDown", "order-service", "firing"),
                "slack was told at -0:00:05 that ServiceDown of order-service is firing",
            ),
            (
                Message(7, "heartbeat", "HeartbeatMissed", "", "firing"),
                "heartbeat was told at 0:00:07 that HeartbeatMissed is firing",
            ),
            (
                Message(7, "slack", "NoOrdersCreated, ServiceDown", "order-service", "resolved"),
                "slack was told at 0:00:07 that NoOrdersCreated, ServiceDown of order-service is resolved",
            ),
        ],
    )
    def test_what_somebody_was_told(self, message: Message, line: str) -> None:
        assert told(messages=[message])[-2:] == [line, "NOT silent"]

    def test_a_restart_that_takes_long_is_an_outage(self) -> None:
        assert QUIET.too_long == []
        late = [*PLAYED, Played(Noise(9, "part restarted", "loki"), 540, 100), Played(Noise(9, "roll-out"), 550, 31)]
        assert [item.noise.kind for item in replace(QUIET, played=late).too_long] == ["roll-out"]


def test_a_clock_of_hours() -> None:
    assert [clock(seconds) for seconds in (0, 61, 3725, -4)] == ["0:00:00", "0:01:01", "1:02:05", "-0:00:04"]


@pytest.mark.parametrize(("given", "days"), [([], 14), (["--days", "3"], 3)])
def test_what_takes_minutes_is_said_before_it_begins(
    given: list[str], days: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(python))
    result = CliRunner().invoke(main, given)
    assert result.exit_code == 3
    assert result.output.startswith(f"playing {days} days of a healthy system through all rules, about a minute a day")


@pytest.mark.parametrize("hours", ["0", "-1", "many"])
def test_hours_that_are_none_are_refused_before_anything_starts(hours: str) -> None:
    result = CliRunner().invoke(main, ["--hours", hours])
    assert result.exit_code == 2
    assert f"HOURS={hours}: expected a number of more than 0 to 336\nTry: make soak DAYS=14" in result.output
