"""What promtool finds in a rule file is said before anything is deployed, by file, rule and reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import inputs
from engine import render, rule_files, toolchain
from facts import ROOT
from rehearsal import deployment
from validation import InvalidInputError


@pytest.fixture
def alerts(tmp_path: Path) -> Path:
    """A directory for rule files."""
    directory = tmp_path / "alerts"
    directory.mkdir()
    return directory


def write(alerts: Path, *names: str, expr: str = "up == 0", summary: str = "It is down.") -> None:
    """A file of one group for each alert."""
    for name in names:
        annotations = {"summary": summary, "description": "It is.", "dashboard": "system-health"}
        rule: dict[str, Any] = {"alert": name, "expr": expr, "labels": {"severity": "info"}, "annotations": annotations}
        text = yaml.safe_dump({"groups": [{"name": name.lower(), "rules": [rule]}]})
        (alerts / f"{name.lower()}.yaml").write_text(text)


def problems(alerts: Path) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        rule_files.check(alerts)
    return error.value.problems


def test_the_rules_that_are_here_are_valid() -> None:
    rule_files.check(ROOT / "alerts")


def test_no_rules_are_valid(alerts: Path) -> None:
    rule_files.check(alerts)


@pytest.mark.parametrize(
    "expr",
    ["rate(up[1h30m]) > 0", "rate(up[500ms]) > 0", "rate(up[1y]) > 0", "max_over_time(up[1h:30s] offset 1w) > 0"],
)
def test_every_duration_of_promql_is_valid(alerts: Path, expr: str) -> None:
    write(alerts, "Lost", expr=expr)
    rule_files.check(alerts)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"expr": "nofunc(up)"}, 'could not parse expression: 1:1: parse error: unknown function with name "nofunc"'),
        ({"expr": "up[5m"}, "could not parse expression: 1:6: parse error: unclosed left bracket"),
        ({"expr": "rate(up[5 minutes])"}, "could not parse expression"),
        ({"summary": "{{ nofunc }}"}, 'annotation "summary": template: __alert_Lost:1: function "nofunc" not defined'),
        ({"summary": "{{ $labels.pod"}, 'annotation "summary": template: __alert_Lost:1: unclosed action'),
    ],
)
def test_a_bad_rule_is_said_with_its_file_its_name_and_the_reason(
    alerts: Path, change: dict[str, str], reason: str
) -> None:
    write(alerts, "Lost", **change)
    (found,) = problems(alerts)
    (key,) = change
    lines = (alerts / "lost.yaml").read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if text.strip().startswith(f"{key}:"))
    assert found.startswith(f"alerts/lost.yaml:{line}: Lost (group lost): ")
    assert reason in found


def test_an_expression_of_several_lines_is_said_where_it_begins(alerts: Path) -> None:
    write(alerts, "Lost")
    (alerts / "lost.yaml").write_text(
        "groups:\n- name: lost\n  rules:\n  - alert: Lost\n"
        "    annotations: {summary: a, description: b, dashboard: c}\n"
        "    labels: {severity: info}\n    expr: |\n      up[5m\n      and up\n"
    )
    (found,) = problems(alerts)
    assert found.startswith("alerts/lost.yaml:7: Lost (group lost): could not parse expression")


def test_everything_wrong_is_said_at_once(alerts: Path) -> None:
    write(alerts, "One", "Two", expr="up[")
    assert [problem.split(": ")[:2] for problem in problems(alerts)] == [
        ["alerts/one.yaml:9", "One (group one)"],
        ["alerts/two.yaml:9", "Two (group two)"],
    ]


def test_what_is_no_fault_of_one_rule_names_the_file(alerts: Path) -> None:
    write(alerts, "Lost")
    (group,) = yaml.safe_load((alerts / "lost.yaml").read_text())["groups"]
    (alerts / "lost.yaml").write_text(yaml.safe_dump({"groups": [group, group]}))
    (found,) = problems(alerts)
    assert found.startswith("alerts/lost.yaml: groupname")
    assert '"lost" is repeated in the same file' in found


def test_without_promtool_the_command_says_what_it_does_not_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "missing", lambda _: ["promtool"])
    done = CliRunner().invoke(rule_files.main)
    assert done.exit_code == 0
    assert "PromQL and templates are not checked before deploying; make tools builds promtool" in done.output


def test_the_command_fails_in_words(alerts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(alerts, "Lost", expr="nofunc(up)")
    monkeypatch.setattr(rule_files, "ROOT", alerts.parent)
    done = CliRunner().invoke(rule_files.main)
    assert done.exit_code == 1
    assert "nothing was deployed" in done.output
    assert "nofunc" in done.output


def test_a_rendering_checks_the_rules_before_it_starts_the_engine(
    alerts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(alerts, "Lost", expr="nofunc(up)")
    (alerts.parent / "Pulumi.dev.yaml").write_text("config: {}")
    monkeypatch.setattr(inputs, "read", lambda *_: None)  # the rest of the input is right
    monkeypatch.setattr(render, "Engine", None)
    arguments = ["--stack", "dev", "--project", str(alerts.parent)]
    for command in (["render", "--out", "x"], ["diff", "--base", "HEAD"]):
        done = CliRunner().invoke(render.main, [*command, *arguments])
        assert done.exit_code == render.TROUBLE
        assert "alerts/lost.yaml:9: Lost (group lost): could not parse expression" in done.output


def test_the_rehearsal_has_the_tool_that_it_checks_with() -> None:
    assert "promtool" in deployment.NEEDED_TOOLS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["render", "--stack", "nope", "--out", "x"],
            "STACK=nope: Pulumi.nope.yaml: no such file; the stacks are: dev",
        ),
        (["render", "--stack", "", "--out", "x"], "STACK=: "),
        (["diff", "--stack", "../dev", "--base", "HEAD"], "STACK=../dev: "),
        (["render", "--stack", "dev", "--out", str(ROOT / "alerts")], "neither empty nor an earlier rendering"),
        (["render", "--stack", "dev", "--out", str(ROOT / "facts.py")], "OUT="),
    ],
)
def test_what_cannot_be_rendered_is_refused_before_the_engine_starts(
    arguments: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "Engine", None)
    monkeypatch.setattr(render, "_render_apart", None)
    done = CliRunner().invoke(render.main, arguments)
    assert (done.exit_code, done.exception.__class__) == (render.TROUBLE, SystemExit)
    assert said in done.output
