"""Drills as data, what they break and watch, and the bounds of who is told."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, get_args

import pytest
import yaml

from components.alerting.normalisation import BUSINESS_HOURS
from drills import model
from drills.bounds import Bounds
from drills.faults import Breaker, as_of, silenced
from drills.history import openmetrics
from drills.judge import clock
from drills.model import Drill, Fault, Told
from drills.stack import SETTINGS
from drills.watch import NOT_WATCHED, Watch, firing, left_out, stretches
from local.errors import RehearsalError
from local.ports import SERVICES, Ports
from local.state import State
from rehearsal.deployed import Deployed
from rehearsal.lifecycle import Rehearsal
from settings import parse
from tests.unit.test_settings import document as stack_file
from validation import InvalidInputError

DRILL = Drill.model_validate(
    {
        "name": "outage",
        "about": "A service is down.",
        "faults": [{"from": 0, "to": 6, "down": "order-service", "shows": "up == 0"}],
        "told": [
            {
                "alert": "ServiceDown",
                "service": "order-service",
                "by": ["pagerduty", "slack"],
                "labels": {"severity": "critical"},
            }
        ],
        "notFiring": ["HighErrorRate"],
    }
)


def test_a_day_without_failures_in_the_windows_of_the_budget() -> None:
    lines = openmetrics({"order-service": 2.0}, 20, 1_000_000.0).splitlines()
    pieces = 2 * 86400 // 180
    assert lines[0] == "# TYPE service:sli_events:increase3m gauge"
    assert lines[1] == 'service:sli_events:increase3m{service="order-service",sli="availability"} 18 991360.000'
    assert lines[2 * (2 * pieces + 1) - 1] == (
        'service:sli_errors:increase3m{service="order-service",sli="latency"} 0 999991.000'
    )
    counted = [line for line in lines if line.startswith('instance:sli_events:sum{service="order-service",sli="lat')]
    assert [line.rpartition("} ")[2] for line in counted[:2]] == ["6 999460.000", "12 999463.000"]
    assert {line.split()[1] for line in lines if line.startswith("instance:sli_errors:sum")} == {"0"}
    assert lines[-1] == "# EOF"


@pytest.fixture
def alerts(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Prometheus and Alertmanager have."""
    states = {"LoginFailures": "pending", "OrderFailures": "firing", "ServiceDown": "pending"}
    states |= dict.fromkeys(NOT_WATCHED, "firing")
    alerts = [{"labels": {"alertname": name}, "state": state} for name, state in states.items()]
    at_alertmanager = [{"labels": {"alertname": "RedisDown"}, "startsAt": "2026-12-01T10:00:00Z"}]
    monkeypatch.setattr(
        Watch,
        "_asked",
        staticmethod(lambda address: at_alertmanager if "/v2/" in address else {"data": {"alerts": alerts}}),
    )


@pytest.mark.usefixtures("alerts")
def test_what_is_pending_by_chance_is_not_waited_for() -> None:
    assert Watch(Ports(), 30, 0.0, 15).active() == ["OrderFailures", "RedisDown", "ServiceDown"]


@pytest.mark.usefixtures("alerts")
def test_what_is_about_this_machine_is_watched_if_the_drill_says_something_of_it() -> None:
    told = DRILL.told[0].model_copy(update={"alert": "NodeDiskFilling"})
    drill = DRILL.model_copy(update={"told": (told,), "not_firing": ("NodeMemoryNearlyFull",)})
    assert Watch(Ports(), 30, 0.0, 15, left_out(DRILL)).active() == ["OrderFailures", "RedisDown", "ServiceDown"]
    assert Watch(Ports(), 30, 0.0, 15, left_out(drill)).active() == [
        *("NodeDiskFilling", "NodeMemoryNearlyFull", "OrderFailures", "RedisDown", "ServiceDown")
    ]


def test_a_disk_is_a_file_for_node_exporter_until_it_is_healed(tmp_path: Path) -> None:
    state = State(tmp_path)
    disk = {"mountpoint": "/var/lib", "used": 0.75, "readOnly": True}
    heal = Breaker(Rehearsal(state, Ports())).breaks(Fault.model_validate({"from": 0, "to": 6, "disk": disk}))
    (file,) = state.disks.iterdir()
    assert file.name == "drill-var-lib.prom"
    labels = '{device="/dev/mapper/drill-var-lib",device_error="",fstype="ext4",mountpoint="/var/lib"}'
    assert [line for line in file.read_text().splitlines() if not line.startswith("#")] == [
        f"node_filesystem_avail_bytes{labels} {20 * 2**30}.0",
        f"node_filesystem_readonly{labels} 1.0",
        f"node_filesystem_size_bytes{labels} {80 * 2**30}.0",
    ]
    heal()
    assert list(state.disks.iterdir()) == []


def test_stretches_of_samples() -> None:
    assert list(stretches([], 5)) == []
    assert list(stretches([1, 3, 5, 20, 22], 5)) == [(1, 5), (20, 22)]


@pytest.mark.parametrize(
    ("title", "number"), [("[FIRING:40] Any of it", 40), ("[FIRING] Any [x:2]", 1), ("[RESOLVED] Any", 1), ("", 1)]
)
def test_how_many_alerts_a_title_tells_of(title: str, number: int) -> None:
    assert firing(title) == number


def test_what_a_link_to_acknowledge_silences() -> None:
    link = "http://a/#/silences/new?filter=%7Balertname%3D%22PageUnresolved%22%2Cpage%3D%22A%22%2Cservice%3D%22b%22%7D"
    assert silenced(link) == {"alertname": "PageUnresolved", "page": "A", "service": "b"}


def test_only_business_hours_take_it_for_another_moment() -> None:
    rule = {"record": "a:b:c", "expr": "vector(\n  time() - 18000\n  + 3600 * (time() >= bool 1772953200)\n)\n"}
    groups = [{"name": name, "rules": [dict(rule)]} for name in (BUSINESS_HOURS, "other")]
    later, other = yaml.safe_load(as_of(yaml.safe_dump({"groups": groups}), 90.5))["groups"]
    assert other == groups[1]
    (moved,) = later["rules"]
    assert moved["expr"].replace("(time() + 90.500)", "time()") == rule["expr"]
    assert moved["expr"].count("(time() + 90.500)") == 2


def test_a_clock_of_the_stack() -> None:
    assert [clock(seconds) for seconds in (0, 59.9, 61, 3700, -3)] == ["0:00", "0:59", "1:01", "61:40", "-0:03"]


class TestDrills:
    def test_those_of_the_project_are_valid(self) -> None:
        drills = model.read()
        assert model.chosen(drills, ()) == drills
        assert [drill.name for drill in model.chosen(drills, ("killed",))] == ["killed"]

    def test_every_service_can_be_broken(self) -> None:
        assert set(get_args(model.Service)) == set(SERVICES)

    def test_their_stack_is_valid(self) -> None:
        assert parse(stack_file("dev") | SETTINGS).aws

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ("from: 0, to: 6, down: nobody", r"drills.yaml:1: drills\[0\].faults\[0\].down"),
            ("from: 6, to: 6, down: loki", "to: 6 is not after from: 6"),
            ("from: 0, to: 6", "one of down, hung, absent, .* is what breaks, not nothing"),
            ("from: 0, to: 6, down: loki, hung: gateway", "not down and hung"),
            ("from: 1, to: 6, down: loki", "told Lost of: 0 is not when a fault begins; these do: 1"),
            ("from: 0, to: 6, dwn: loki", "unknown key; did you mean"),
            ("from: 0, down: loki", "down lasts: say with `to` when it heals"),
            ("from: 0, to: 6, acknowledged: Lost", "acknowledged is done at one minute: leave out to: 6"),
            ("from: 0, to: 6, series: [{ name: up }]", "give a value, or perSecond, or both"),
            ("from: 0, to: 6, disk: { mountpoint: /var }", r"faults\[0\].disk.used"),
            ("from: 0, to: 6, disk: { mountpoint: /var, used: 93 }", "disk.used: 93 expected a number from 0 to 1"),
            ("from: 0, clock: 2026-12-25", "clock: '2026-12-25' expected a moment of UTC such as 2026-12-25T17:00:00Z"),
            ("from: 0, clock: 2026-02-30T17:00:00Z", "expected a moment of UTC .*; there is no such moment"),
            ("from: 0, to: 6, disk: { mountpoint: var, used: 1 }", r"faults\[0\].disk.mountpoint: 'var'"),
        ],
    )
    def test_what_is_wrong_is_said_with_its_key(self, change: str, problem: str, tmp_path: Path) -> None:
        file = tmp_path / "drills.yaml"
        told = "{ alert: Lost, service: platform, by: [slack] }"
        file.write_text(f"drills: [{{ name: a, about: b, faults: [{{ {change} }}], told: [{told}] }}]")
        with pytest.raises(InvalidInputError, match=problem):
            model.read(file)

    def test_what_somebody_does_at_one_minute_is_over_then(self) -> None:
        done = {"from": 9, "reloaded": "alertmanager"}
        drill = DRILL.model_validate(DRILL.model_dump(by_alias=True) | {"faults": [DRILL.faults[0], done]})
        assert drill.healed == 9
        assert drill.faults[1].words == "reloaded: alertmanager"

    def test_a_name_that_none_has(self) -> None:
        with pytest.raises(InvalidInputError, match="NAME=kiled: expected one of killed, "):
            model.chosen(model.read(), ("kiled",))

    def test_told_says_by_whom(self) -> None:
        with pytest.raises(ValueError, match="at least 1 item"):
            Told.model_validate({"alert": "A", "service": "b", "by": []})


class TestBounds:
    """Read from a deployment, whose waits may be in rules or in routes."""

    ROUTING: ClassVar = {
        "route": {
            "receiver": "unrouted",
            "group_wait": "30s",
            "routes": [
                {"matchers": ['severity="critical"'], "receiver": "oncall", "group_wait": "5s", "continue": True},
                {"matchers": ['severity="critical"'], "receiver": "escalation", "group_wait": "30m"},
                {"matchers": ['severity=~"warning|info"'], "receiver": "team", "group_wait": "15m"},
            ],
        },
        "receivers": [
            {"name": "unrouted", "slack_configs": []},
            {"name": "oncall", "pagerduty_configs": [], "slack_configs": []},
            {"name": "escalation", "email_configs": []},
            {"name": "team", "slack_configs": []},
        ],
    }

    @pytest.fixture
    def bounds(self, tmp_path: Path) -> Bounds:
        rules = [
            {"alert": "Paged", "for": "1m", "labels": {"severity": "critical"}},
            {"alert": "Warned", "for": "5m", "labels": {"severity": "warning"}},
            {"record": "a:b:c"},
        ]
        slow = [{"alert": "Slow", "labels": {"severity": "warning"}}]
        groups = [{"name": "a", "rules": rules}, {"name": "b", "interval": "3m", "rules": slow}]
        spec = {"scrapeInterval": "15s", "evaluationInterval": "15s"}
        objects = {
            "Release/monitoring/kube-prometheus-stack": {"values": {"prometheus": {"prometheusSpec": spec}}},
            "ServiceMonitor/monitoring/a": {"spec": {"endpoints": [{"interval": "30s"}]}},
            "PrometheusRule/monitoring/a": {"spec": {"groups": groups}},
            "Secret/monitoring/alertmanager-configuration": {
                "stringData": {"alertmanager.yaml": yaml.safe_dump(self.ROUTING)}
            },
        }
        for name, document in objects.items():
            file = tmp_path / f"{name}.yaml"
            file.parent.mkdir(parents=True)
            file.write_text(yaml.safe_dump(document))
        return Bounds(Deployed(tmp_path))

    @pytest.mark.parametrize(
        ("alert", "channel", "expected"),
        [
            ("Paged", "pagerduty", 30 + 15 + 60 + 15),
            ("Paged", "slack", 30 + 15 + 60 + 15),
            ("Paged", "email", 30 + 15 + 60 + 30 * 60 + 15),
            ("Warned", "slack", 30 + 15 + 5 * 60 + 15 * 60 + 15),
            ("Slow", "slack", 30 + 180 + 15 * 60 + 15),
        ],
    )
    def test_a_scrape_an_evaluation_the_for_and_what_is_waited_on_purpose(
        self, bounds: Bounds, alert: str, channel: str, expected: float
    ) -> None:
        told = Told.model_validate({"alert": alert, "service": "a", "by": [channel]})
        assert bounds.of(told, channel) == expected
        assert bounds.of(told.model_copy(update={"rises": 2.0}), channel) == expected + 120
        assert bounds.of(told.model_copy(update={"within": "130s"}), channel) == 130

    @pytest.mark.parametrize(
        ("alert", "channel", "problem"),
        [("Lost", "slack", "told Lost: no such alert"), ("Warned", "email", "told Warned: no route leads to email")],
    )
    def test_what_is_not_deployed(self, bounds: Bounds, alert: str, channel: str, problem: str) -> None:
        with pytest.raises(RehearsalError, match=problem):
            bounds.of(Told.model_validate({"alert": alert, "service": "a", "by": [channel]}), channel)
