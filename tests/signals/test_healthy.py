"""A healthy system is silent: days of noisy traffic, played by promtool through all rules of the production stack.

`DAYS=14 make soak` plays two weeks; here one day shows that the series are healthy and the rules silent.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
import yaml

from checks.alert_tests import known, watched
from tests.contract.test_rules import promtool, rendered
from tests.signals.healthy import DAY, Series, infrastructure, series

CATALOGUE, SETTINGS = known(), watched()
DAYS = int(os.environ.get("DAYS") or 1)
SEED = 1
UNREAD = "service:slo_error_budget_remaining:ratio"
"""No alert reads it, and it reads 14 days: of one series promtool loads 10,000 samples at most."""


def played(directory: Path, minutes: int, given: dict[str, str]) -> Path:
    """A test file in which nothing critical and no warning may fire, ever."""
    given = given | infrastructure(SETTINGS, minutes)
    fired = f'count_over_time(ALERTS{{alertstate="firing", severity=~"critical|warning"}}[{minutes}m])'
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in given.items()],
        "promql_expr_test": [{"expr": f"count by (alertname, service) ({fired})", "eval_time": f"{minutes}m"}],
    }
    files = [path.name for path in rendered(directory, SETTINGS)]
    _without(UNREAD, directory / "budget.yaml")
    path = directory / "healthy.test.yaml"
    with path.open("w") as file:
        document = {"rule_files": files, "evaluation_interval": "1m", "tests": [test]}
        yaml.dump(document, file, Dumper=yaml.CSafeDumper, width=1_000_000)
    return path


def _without(record: str, path: Path) -> None:
    """Take a recording rule out of a rule file."""
    (group,) = yaml.safe_load(path.read_text())["groups"]
    group["rules"] = [rule for rule in group["rules"] if rule.get("record") != record]
    path.write_text(yaml.safe_dump({"groups": [group]}))


def test_nobody_is_told_anything_of_a_healthy_system(tmp_path: Path) -> None:
    promtool("test", "rules", played(tmp_path, DAYS * DAY, dict(series(CATALOGUE, DAYS, SEED))))


def test_what_is_not_healthy_is_noticed_among_all_that(tmp_path: Path) -> None:
    """Five failures a minute for a quarter of an hour, in the quiet of a night."""
    of = 'service="inventory-service", job="inventory-service", instance="10.0.0.0:80"'  # a pod that is up
    failing = f'inventory_requests_total{{{of}, status_code="500"}}'
    given = dict(series(CATALOGUE, 1, SEED)) | {failing: "_x60 0+5x15 75x60"}
    with pytest.raises(AssertionError, match='alertname="HighErrorRate", service="inventory-service"'):
        promtool("test", "rules", played(tmp_path, 120, given))


EVENINGS, ORDERS_SEED = 2, 8
"""With gaps of 22 and 23 minutes between two orders, from a quarter to ten in the evening on."""
NEEDED = ("up{", "probe_success{", "log_records_total{", "gateway_requests_total{", 'event="created"')
"""Parts of the names of the series that OrdersStopped reads, and without which something else would fire."""


def test_orders_that_are_whole_and_rare_in_the_evening_page_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same traffic; but a fraction of an order, as above, is never none."""
    rng = random.Random(ORDERS_SEED)  # noqa: S311 - noise, no secret
    in_fractions = Series.grow

    def grow(self: Series, minutes: int, by: float) -> None:
        if 'event="created"' not in self.name:
            in_fractions(self, minutes, by)
            return
        for _ in range(minutes):
            self.runs.append(f"{self.value:.0f}")
            self.value += arrivals(by, rng)

    monkeypatch.setattr(Series, "grow", grow)
    for seed in range(EVENINGS):
        given = {name: text for name, text in series(CATALOGUE, 1, seed) if any(part in name for part in NEEDED)}
        directory = tmp_path / str(seed)
        directory.mkdir()
        promtool("test", "rules", played(directory, DAY, given))


def arrivals(a_minute: float, rng: random.Random) -> int:
    """How many come in a minute, each by chance."""
    number, moment = 0, rng.expovariate(a_minute)
    while moment < 1:
        number, moment = number + 1, moment + rng.expovariate(a_minute)
    return number
