"""Rule files that are wrong are refused by name, rule and reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from components.alerting import rules
from tests.unit.rule_samples import CATALOGUE, SETTINGS, alert, problem, write


def test_tests_beside_the_rules_are_not_rules(directory: Path) -> None:
    write(directory, alert())
    (directory / "things.test.yaml").write_text("tests: []\n")
    assert list(rules.read(directory)) == ["things"]


def test_a_file_may_not_take_the_name_of_the_generated_rules(directory: Path) -> None:
    write(directory, alert(), name="normalisation.yaml")
    assert "normalisation.yaml: the name is taken by the generated rules; choose another" in problem(directory)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (
            alert(labels={"severity": "page"}),
            "Wrong labels.severity: 'page' expected one of critical, warning, info, none",
        ),
        (
            alert(labels={"owner": "platform"}),
            "SomethingWrong labels.severity: missing; it has no default; expected one of critical, warning, info, none",
        ),
        (
            alert(labels=None),
            "SomethingWrong labels: missing; it has no default; expected keys with values: severity (one of critical, "
            "warning, info, none)",
        ),
        (alert(annotations={"summary": "It is.", "description": "It is."}), "annotations.dashboard: missing"),
        (
            alert(annotations={"sumary": "It is.", "description": "It is.", "dashboard": "logs"}),
            'annotations.sumary: unknown key; did you mean "summary"? allowed: dashboard, description, summary',
        ),
        (
            alert(annotations={"summary": "", "description": "It is.", "dashboard": "logs"}),
            "annotations.summary: '' expected",
        ),
        (alert(labels={"severity": "info", "team": True}), "labels.team: true expected text; write it in quotes"),
        (alert(alert="something_wrong"), "alert: 'something_wrong' expected the name of an alert such as ServiceDown"),
        (alert(**{"for": "5 minutes"}), "for: '5 minutes' expected a duration in Prometheus' form such as 5m or 1h30m"),
        (
            alert(**{"for": 5}),
            'SomethingWrong for: 5 expected a duration in Prometheus\' form such as 5m or 1h30m; "5"',
        ),
        (alert(**{"for": "500ms"}), "in whole seconds"),
        (alert(fore="5m"), 'fore: unknown key; did you mean "for"?'),
        (alert(expr=None), "expr: missing"),
        (alert(expr=1), 'expr: 1 expected text; write it in quotes: "1"'),
        ({"record": "no_colons", "expr": "vector(1)"}, "no_colons record: 'no_colons' expected a name as level:metric"),
        ({"expr": "vector(1)"}, "group things, rule 2 record: missing"),
        ("SomethingWrong", "group things, rule 2: 'SomethingWrong' expected keys with values"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_file_and_place(directory: Path, rule: Any, said: str) -> None:
    write(directory, alert(), rule)
    found = problem(directory)
    assert re.match(r"alerts/things.yaml:\d+: ", found)
    assert said in found
    assert "rules[" not in found


def test_a_wrong_rule_is_refused_with_its_line(directory: Path) -> None:
    (directory / "things.yaml").write_text(
        "groups:\n- name: a\n  rules:\n  - alert: B\n    labels: {severity: info}\n    for: 5 minutes\n"
    )
    assert sorted(problem(directory).split("\n")) == [
        "alerts/things.yaml:4: B annotations: missing; it has no default; expected keys with values: summary (text), "
        "description (text), dashboard (text)",
        "alerts/things.yaml:4: B expr: missing; it has no default; expected text",
        "alerts/things.yaml:6: B for: '5 minutes' expected a duration in Prometheus' form such as 5m or 1h30m",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "alerts/things.yaml: it is empty; expected keys with values: groups"),
        ("- a", "alerts/things.yaml: expected keys with values: groups"),
        ("groups: []", "alerts/things.yaml:1: groups: expected at least one item"),
        ("groups: {a: b}", "alerts/things.yaml:1: groups: expected a list"),
        ("groups: [{name: a, rules: []}]", "alerts/things.yaml:1: group a rules: expected at least one item"),
        ("groups: [{name: a, rules: [], rules: []}]", 'alerts/things.yaml:1: the key "rules" is there already'),
        ("groups: [3]", "alerts/things.yaml:1: groups[0]: 3 expected keys with values: interval, name, rules"),
        ("group: []", 'alerts/things.yaml:1: group: unknown key; did you mean "groups"?'),
    ],
)
def test_a_wrong_rule_file_is_refused_with_its_name(directory: Path, text: str, said: str) -> None:
    (directory / "things.yaml").write_text(text)
    assert said in problem(directory)


@pytest.mark.parametrize(
    "name",
    ["mine.yml", "mine.YAML", "mine.json", "mine.rules", "below/mine.yaml", "runbooks/mine.yaml", "mine.test.yml"],
)
def test_what_looks_like_a_rule_file_is_never_ignored(directory: Path, name: str) -> None:
    (directory / name).parent.mkdir(exist_ok=True)
    (directory / name).write_text("groups: []")
    assert problem(directory) == f"alerts/{name}: is not read; rule files are alerts/<name>.yaml"


def test_a_rule_file_has_a_name_that_an_object_can_have(directory: Path) -> None:
    write(directory, alert(), name="My_Things.yaml")
    assert problem(directory) == (
        "alerts/My_Things.yaml: expected lower-case letters, digits and hyphens before .yaml; rename the file"
    )


def test_every_wrong_file_is_reported_at_once(directory: Path) -> None:
    write(directory, alert(expr=None))
    (directory / "broken.yaml").write_text("groups: [")
    found = problem(directory)
    assert "alerts/broken.yaml:1: not valid YAML: " in found
    assert "SomethingWrong expr" in found


@pytest.mark.parametrize(
    ("description", "expected"),
    [
        ("{{ $labels.servise }} is down", 'the label "servise"; did you mean "service"?'),
        ("{{ .Labels.servise }} is down", 'the label "servise"; did you mean "service"?'),
        ("{{ $labels.service }} is down", None),
        ("{{ $labels.zone }} is down", None),  # a series may have labels that no expression names
    ],
)
def test_a_label_with_a_typo_in_a_template_is_refused(directory: Path, description: str, expected: str | None) -> None:
    annotations = {"summary": "It is.", "description": description, "dashboard": "logs"}
    write(directory, alert(expr="sum by (service) (up) == 0", annotations=annotations))
    if expected:
        assert problem(directory) == f"alerts/things.yaml:7: SomethingWrong: a template reads {expected}"
    else:
        assert rules.prometheus_rules(directory, CATALOGUE, SETTINGS)


def test_an_alert_of_a_dashboard_that_is_none_is_refused(directory: Path) -> None:
    wrong = {"summary": "It is.", "description": "It is.", "dashboard": "sytem-health?var-service=gateway"}
    write(directory, alert(annotations=wrong))
    told = problem(directory)
    assert told.startswith('alerts/things.yaml:6: SomethingWrong dashboard: "sytem-health": unknown; expected one of ')
    assert told.endswith('did you mean "system-health"?')


def test_an_alert_without_runbook_is_refused(directory: Path) -> None:
    write(directory, alert(alert="NobodyKnows"))
    assert problem(directory) == "alerts/things.yaml:4: NobodyKnows: no runbook; write alerts/runbooks/NobodyKnows.md"
