"""One incident is one page: whole incidents, from what is scraped, through the production stack's rules, by promtool.

Every service fails in every way, and so does what several of them need; each incident says which alerts fire of it and
how often they begin to. ErrorBudgetBurningSlowly, which adds up half a day, is not among them, and logs are not played.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from checks.alert_tests import known
from tests.contract.test_rules import promtool, rendered, stack
from tests.signals.healthy import infrastructure
from tests.signals.incidents import BEFORE, FRONT, SCRAPE_SECONDS, Phase, series

CATALOGUE, SETTINGS = known(), stack("prod")
NOT_PLAYED = {"budget", "logging"}
"""Rule files that read more than these incidents hold."""
EVALUATION_SECONDS = 15
AFTER = Phase(20)
"""Longer than any window of 10 m, and what waits for it."""

Begins = Mapping[str, int]
"""How often each alert begins to fire, by its labels as PromQL writes them."""


USERS = frozenset(service.name for service in CATALOGUE.services if "dynamodb" in service.requires)
"""The services that cannot work without DynamoDB: the only store that any service requires."""


def failing(names: Iterable[str], share: float) -> dict[str, float]:
    """So large a share of the requests of each service fails."""
    return dict.fromkeys(names, share)


def told(alert: str, service: str = "", times: int = 1) -> dict[str, int]:
    """An alert, of a service if it is of one, and how often it begins to fire."""
    return {f'{{alertname="{alert}"' + (f', service="{service}"}}' if service else "}"): times}


def incidents() -> dict[str, tuple[list[Phase], Begins]]:
    """Phases of each incident by its name, and what fires of it."""
    found: dict[str, tuple[list[Phase], Begins]] = {}
    for service in CATALOGUE.measured:
        name = service.name
        for share in (0.06, 1.0):
            found[f"{name} fails {share:.0%}"] = [Phase(30, errors={name: share})], told("HighErrorRate", name)
        # Too few for HighErrorRate: a warning first, which ends when the budget pages.
        few = told("ErrorRateElevated", name) | told("ErrorBudgetBurningFast", name)
        found[f"{name} fails 2%"] = [Phase(35, errors={name: 0.02})], few
        slow = told("LatencyDegraded", name)
        found[f"a fifth of {name} is slow"] = [Phase(30, slow={name: 0.2})], slow
        found[f"all of {name} is slow"] = [Phase(35, slow={name: 1.0})], told("ErrorBudgetBurningFast", name)
    for service in CATALOGUE.services:
        name, down = service.name, told("ServiceDown", service.name)
        found[f"{name} is down"] = [Phase(30, down=frozenset({name}))], down
        found[f"{name} is not ready"] = [Phase(30, errors=failing([name], 1), unready=frozenset({name}))], down
        found[f"{name} is taken out of its Service"] = (
            [Phase(1, errors=failing([name], 1)), Phase(30, withdrawn=frozenset({name}))],
            down,
        )
    order, others = "order-service", frozenset({"order-service", "user-service"})
    shared = told("SharedDependencyFailing")
    for names, who in ((USERS, "users of DynamoDB"), (others, "two of the three that have figures")):
        for share in (0.03, 0.1, 1.0):
            found[f"{who} fail {share:.0%}"] = [Phase(30, errors=failing(names, share))], shared
    for names, who, pages in (
        (frozenset({order}), order, told("HighErrorRate", order)),
        (USERS, "users of DynamoDB", shared),
    ):
        found[f"{who} fail behind an open circuit breaker"] = (
            [Phase(1, errors=failing(names, 1)), Phase(30, spared=names)],  # it opens after 20 failures
            pages,
        )
    lost = failing(USERS, 1)
    for minutes in (5, 30):
        found[f"users of DynamoDB are not ready for {minutes} min"] = (
            [Phase(minutes, errors=lost, unready=USERS)],
            told("ServicesNotReady"),
        )
        found[f"users of DynamoDB are taken out of their Services for {minutes} min"] = (
            [Phase(1, errors=lost), Phase(minutes, withdrawn=USERS)],
            told("ServicesNotReady"),
        )
    everything = frozenset(service.name for service in CATALOGUE.services)
    both = told("ServiceDown", order) | told("ServiceDown", "user-service")
    found |= {
        "two are down, one for longer": ([Phase(15, down=others), Phase(15, down=frozenset({order}))], both),
        "two users of a store are not ready": ([Phase(30, errors=failing(others, 1), unready=others)], both),
        "failing, then not ready": ([Phase(12, errors=lost), Phase(20, errors=lost, unready=USERS)], shared),
        "one fails, then another that needs the same": (
            [Phase(8, errors={order: 0.5}), Phase(20, errors=failing(others, 0.5))],
            told("HighErrorRate", order) | shared,
        ),
        "two fail, and one of them for longer": (
            [Phase(15, errors=failing(others, 0.5)), Phase(20, errors={order: 0.5})],
            shared,
        ),
        # Half of the services that can be seen failing do for a moment: the page for all of them stays.
        "two fail, and one of them now and then": (
            4 * [Phase(9, errors=failing(others, 0.1)), Phase(5, errors={order: 0.1})],
            shared,
        ),
        "one fails, and another now and then": (
            7 * [Phase(1, errors={order: 0.5, "user-service": 0.2}), Phase(4, errors={order: 0.5})],
            told("HighErrorRate", order) | told("ErrorRateElevated", "user-service"),
        ),
        "one fails that needs nothing, and another": (
            [Phase(30, errors=failing([order, "auth-service"], 0.5))],
            told("HighErrorRate", order) | told("HighErrorRate", "auth-service"),
        ),
        "what is called fails a little, and what calls it a lot": (
            [Phase(30, errors={order: 0.06, FRONT: 0.3})],
            told("HighErrorRate", order) | told("HighErrorRate", FRONT),
        ),
        "the prober is broken": ([Phase(30, unprobed=everything)], told("ProbesFailing")),
        "the prober is broken, and a service fails": (
            [Phase(30, errors={order: 0.5}, unprobed=everything)],
            told("ProbesFailing") | told("HighErrorRate", order),
        ),
        "no metrics can be read": ([Phase(30, unread=everything)], told("ServicesUnmeasured")),
        "somebody without a token hides no failure": (
            [Phase(30, errors={order: 0.1}, turned_away={order: 1000.0, FRONT: 1000.0})],
            told("HighErrorRate", order),
        ),
        "a symptom, its cause, the symptom again": (
            [
                Phase(7, errors={order: 1.0}),
                Phase(30, down=frozenset({order})),
                Phase(8),
                Phase(10, errors={order: 1.0}),
            ],
            told("HighErrorRate", order, times=2) | told("ServiceDown", order),
        ),
        "some fail, half an hour after all did": (
            [Phase(8, errors={order: 1.0}), Phase(22), Phase(20, errors={order: 0.1})],
            told("HighErrorRate", order) | told("ErrorBudgetBurningFast", order),
        ),
    }
    return found


INCIDENTS = incidents()


def played(directory: Path, phases: list[Phase], begins: Begins) -> None:
    """Play an incident. Raises AssertionError with what fires if it is anything else."""
    phases = [*phases, AFTER]
    minutes = BEFORE + sum(phase.minutes for phase in phases)
    samples = 60 * minutes // SCRAPE_SECONDS
    given = dict(series(CATALOGUE, phases)) | infrastructure(SETTINGS, samples)
    firing = 'ALERTS{alertstate="firing", severity=~"critical|warning"}'
    step = f"{EVALUATION_SECONDS}s"
    test = {
        "interval": f"{SCRAPE_SECONDS}s",
        "input_series": [{"series": name, "values": text} for name, text in given.items()],
        "promql_expr_test": [
            {
                "expr": f"sum by (alertname, service) (count_over_time(({firing} unless {firing} offset {step})"
                f"[{minutes}m:{step}]))",
                "eval_time": f"{minutes}m",
                "exp_samples": [{"labels": labels, "value": times} for labels, times in begins.items()],
            }
        ],
    }
    files = [path.name for path in rendered(directory, SETTINGS) if path.stem not in NOT_PLAYED]
    document = {"rule_files": files, "evaluation_interval": step, "tests": [test]}
    path = directory / "incident.test.yaml"
    path.write_text(yaml.dump(document, Dumper=yaml.CSafeDumper, width=1_000_000))
    promtool("test", "rules", path)


@pytest.fixture(scope="module")
def wrong(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What was wrong with each incident that was, of those that are asked for; they are played on all processors."""
    asked = [name for name in INCIDENTS if any(f"[{name}]" in item.name for item in request.session.items)]

    def play(name: str) -> str:
        try:
            played(tmp_path_factory.mktemp("incident"), *INCIDENTS[name])
        except AssertionError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return {name: text for name, text in zip(asked, pool.map(play, asked), strict=True) if text}


@pytest.mark.parametrize("name", INCIDENTS)
def test_one_incident_is_told_once(name: str, wrong: dict[str, str]) -> None:
    assert name not in wrong, wrong[name]
