"""The rules as Prometheus sees them: they load, and they fire and stay silent when they should; and their runbooks."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import dashboards
from checks import promql
from checks.alert_tests import (
    ALERTS,
    CHAINS,
    PAGES,
    TESTS,
    expectations,
    fired,
    known,
    runbook_queries,
    selects,
    watched,
)
from checks.rule_checks import ALWAYS_FIRING
from components.alerting import rules
from components.alerting.escalation import UNRESOLVED
from engine.toolchain import tool
from facts import BURN_RATES, ROOT
from quantities import seconds
from settings import LONGEST_WARNING_WAIT_SECONDS, Settings, read_stack

STACKS = ["dev", "prod"]


def stack(name: str) -> Settings:
    return read_stack(ROOT / f"Pulumi.{name}.yaml")


CATALOGUE, SETTINGS = known(), watched()
RULES = [
    rule
    for groups in rules.prometheus_rules(ALERTS, CATALOGUE, SETTINGS).values()
    for group in groups
    for rule in group["rules"]
]
ALERT_RULES = {rule["alert"]: rule for rule in RULES if "alert" in rule and rule["alert"] != UNRESOLVED}
"""But for the one about alerts, which `rules/escalation.test.yaml` is about."""
RECORDED: dict[str, list[promql.Expr]] = {}
"""What each recorded series is made of."""
for each in RULES:
    if "record" in each:
        RECORDED.setdefault(each["record"], []).append(promql.parse(each["expr"]))


def rendered(directory: Path, settings: Settings) -> list[Path]:
    """The rule files of a stack as Prometheus loads them."""
    paths = []
    for name, groups in rules.prometheus_rules(ALERTS, CATALOGUE, settings).items():
        paths.append(directory / f"{name}.yaml")
        paths[-1].write_text(yaml.dump({"groups": groups}, Dumper=yaml.CSafeDumper))
    return paths


def promtool(*arguments: str | Path) -> None:
    command = [str(tool("promtool")), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", STACKS)
def test_prometheus_accepts_the_rules_of_a_stack(name: str, tmp_path: Path) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", *rendered(tmp_path, stack(name)))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.name)
def test_alerts_fire_and_stay_silent_when_they_should(path: Path) -> None:
    promtool("test", "rules", path)


@pytest.mark.parametrize("path", CHAINS, ids=lambda path: path.name)
def test_the_chain_from_raw_series_to_alerts_is_right(path: Path, tmp_path: Path) -> None:
    rendered(tmp_path, SETTINGS)
    promtool("test", "rules", shutil.copy(path, tmp_path))


def test_every_rule_file_has_tests() -> None:
    assert {path.name.removesuffix(rules.TESTS) for path in TESTS} == set(rules.read(ALERTS))


@pytest.mark.parametrize("alert", ALERT_RULES)
def test_every_alert_is_shown_to_fire(alert: str) -> None:
    fires = any(expected.labels for expected in expectations() if expected.alert == alert)
    assert fires, f"{alert}: no test beside its rule has it in exp_alerts; add one"


@pytest.mark.parametrize("alert", sorted(ALERT_RULES.keys() - ALWAYS_FIRING))
def test_every_alert_is_shown_to_stay_silent_below_its_threshold(alert: str) -> None:
    """In one whole test nothing fires, though there are series that the alert reads; its name says so.

    Where the threshold is, the mutants prove: a test must notice `>` that becomes `>=` (`make mutate`).
    """
    read = promql.read(promql.parse(ALERT_RULES[alert]["expr"]), RECORDED)
    moments: dict[str, list[bool]] = {}
    for expected in expectations():
        if expected.alert == alert and any(selects(one, given) for one in read for given in expected.inputs):
            moments.setdefault(expected.test, []).append(bool(expected.labels))
    silent = any("silent" in test and not any(fires) for test, fires in moments.items())
    assert silent, f'{alert}: no test beside its rule has its series, "silent" in its name and no exp_alerts; add one'


@pytest.mark.parametrize("alert", sorted(ALERT_RULES.keys() - ALWAYS_FIRING))
def test_every_alert_is_shown_to_wait_for_as_long_as_it_says(alert: str) -> None:
    """One test has it silent at one evaluation and firing at the next."""
    seen = [expected for expected in expectations() if expected.alert == alert]
    pairs = [(a, b) for a in seen for b in seen if a.test == b.test and b.at - a.at == a.step]
    assert ALERT_RULES[alert]["for"]
    waits = any(not before.labels and after.labels for before, after in pairs)
    assert waits, f"{alert}: no test beside its rule has it silent at one evaluation and firing at the next; add one"


@pytest.mark.parametrize("alert", ["LogAgentDroppingLogs", "LogAgentRestarted", "LokiRefusingLogs"])
def test_what_is_told_when_it_is_over_is_still_seen_after_the_longest_wait(alert: str) -> None:
    rule = ALERT_RULES[alert]
    window = min(map(seconds, rules.windows(rule["expr"])))
    assert LONGEST_WARNING_WAIT_SECONDS + seconds(rule["for"]) < window


def test_every_alert_says_whose_it_is_and_how_bad() -> None:
    for labels in fired():
        assert labels["severity"] in {"critical", "warning", "info", "none"}
        assert labels.get("service") or labels.get("owner")


def test_links_lead_to_dashboards_that_exist() -> None:
    boards = dashboards.load(CATALOGUE)
    for rule in ALERT_RULES.values():
        uid = rule["annotations"]["dashboard_url"].removeprefix("https://grafana.test/d/").partition("?")[0]
        assert uid in boards


def test_symptoms_carry_the_label_by_which_their_page_is_found() -> None:
    """Without it they would be told beside that page."""
    for labels in fired():
        assert "symptom" not in labels or labels.get("service")
        assert labels.get("scope") != "pod" or labels.get("node")


def test_every_runbook_is_of_an_alert_and_has_the_four_sections() -> None:
    assert {page.stem for page in PAGES} == {*ALERT_RULES, UNRESOLVED}
    for page in PAGES:
        text = page.read_text()
        assert text.startswith(f"# {page.stem}\n")
        assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Meaning", "Impact", "Diagnosis", "Mitigation"]


def test_runbooks_ask_for_the_whole_log_of_several_pods() -> None:
    """With a selector kubectl shows ten lines of each pod, unless it is told how many."""
    for page in PAGES:
        for command in re.findall(r"kubectl .* logs .*--selector(?:\\\n|.)*", page.read_text()):
            assert "--tail" in command, f"{page.name}: {command}"


def test_the_queries_of_the_runbooks_parse(tmp_path: Path) -> None:
    queries = runbook_queries()
    assert len(queries) >= len(PAGES)
    checked = [{"record": f"runbooks:query{number}:value", "expr": query} for number, (_, query) in enumerate(queries)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "runbooks", "rules": checked}]}))
    promtool("check", "rules", "--lint=none", path)


def test_the_burn_rates_that_tell_somebody_are_those_that_panels_show() -> None:
    """The highest bound of each window; a lower one beside it keeps what has fired."""
    text = "\n".join(rule["expr"] for rule in RULES)
    found = {
        window: max(float(bound) for bound in re.findall(rf"service:slo_burn_rate:ratio_\w+?{window} > ([\d.]+)", text))
        for window in BURN_RATES
    }
    assert found == BURN_RATES
