"""Redis away, and a gateway that started without it: the running stack, the application as it is today, no CloudWatch.

Both are drills of `drills/`, which cannot be among those of `drills.yaml`: these run the services with the package. A
warning is told after a minute here.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checks.free_ports import claim
from drills.model import Drill
from drills.run import Result, Runner
from engine import toolchain
from local.state import State
from rehearsal.deployment import NEEDED_TOOLS, Deployment
from rehearsal.lifecycle import Rehearsal
from simulation.dialect import TODAY

SPEED = 10
"""The gateway restarts in two seconds, 20 of the stack's: no outage."""
SETTINGS = {"escalation": {"warningAfter": "1m"}}

AWAY = {"from": 0, "to": 6, "down": "redis", "shows": 'probe_success{job="redis-probe"} == 0'}
TOLD = {
    "alert": "RedisDown",
    "service": "platform",
    "by": ["pagerduty", "slack"],
    "within": "120s",
    "labels": {"severity": "critical", "dependency": "redis"},
}
NOT_FIRING = ["HighErrorRate", "ProbesFailing", "ServiceDown", "TargetDown", "TargetMissing"]


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    toolchain.build(NEEDED_TOOLS)
    rehearsal = Rehearsal(State(tmp_path_factory.mktemp("redis")), claim(), TODAY, pace=SPEED)
    stack = Deployment(rehearsal, lambda _: None, SETTINGS)
    stack.up()
    try:
        yield Runner(rehearsal, stack.catalogue)
    finally:
        rehearsal.down()


def held(result: Result) -> Result:
    assert result.verdict.held, "\n".join(result.verdict.problems)
    return result


def test_redis_away_is_a_page_within_two_minutes_and_nothing_else(runner: Runner) -> None:
    drill = {"name": "away", "about": "Redis ends.", "faults": [AWAY], "told": [TOLD]}
    held(runner.run(Drill.model_validate(drill | {"notFiring": [*NOT_FIRING, "ServiceDegraded"]})))


def test_a_gateway_that_started_without_redis_is_told_until_it_is_restarted(runner: Runner) -> None:
    """Also when Redis has long been back."""
    degraded = 'probe_failed_due_to_regex{job="service-probes", service="gateway"} == 1'
    drill = {
        "name": "started-without",
        "about": "The gateway starts while Redis is away, and once more when it is back.",
        "faults": [
            AWAY,
            {"from": 1, "to": 1.05, "down": "gateway", "shows": degraded},
            {"from": 16, "to": 16.05, "down": "gateway"},
        ],
        "told": [TOLD, {"alert": "ServiceDegraded", "service": "gateway", "by": ["slack"], "of": 1}],
        "notFiring": NOT_FIRING,
    }
    timeline = held(runner.run(Drill.model_validate(drill))).timeline
    (over,) = (span.end for span in timeline.spans if (span.alert, span.state) == ("ServiceDegraded", "firing"))
    assert over > 16 * 60, "it ended with the restart, and not when Redis came back"
