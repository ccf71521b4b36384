"""Renderings and their differences: what a reviewer without a cluster sees, and what nobody may see."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from checks.waiting import PATIENCE_SECONDS
from engine import render
from engine.differences import COMPONENT, LONGEST_DIFFERENCE, LONGEST_SUMMARY, as_markdown, as_text, differences
from engine.provider.values import MARK, SECRET
from engine.render import MASK, masked, write
from local.errors import RehearsalError
from tests.sandbox import Sandbox, files, python


@pytest.fixture
def diff(small: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[int, str, str]]:
    """Exit code, output and errors of the command, in a small project that has none of the input of the real one."""
    monkeypatch.setattr(render, "_check", lambda *_: None)

    def run(base: str) -> tuple[int, str, str]:
        options = ["--stack", "dev", "--base", base, "--project", str(small.project)]
        result = CliRunner().invoke(render.main, ["diff", *options])
        return result.exit_code, result.stdout, result.stderr

    return run


def finished(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output, errors


def test_rendering_twice_gives_the_same_bytes_and_every_object(tmp_path: Path) -> None:
    outs = [tmp_path / name for name in ("one", "two")]
    runs = [python("-m", "engine.render", "render", "--stack", "prod", "--out", str(out)) for out in outs]
    for run in runs:
        code, _, errors = finished(run)
        assert code == 0, errors
    one, two = ({name: data.decode() for name, data in files(out).items()} for out in outs)
    assert one == two
    assert "placeholder" not in "".join(one.values())
    credentials = yaml.safe_load(one["Secret/monitoring/alertmanager-credentials.yaml"])
    assert set(credentials["stringData"].values()) == {MASK}
    assert len(credentials["stringData"]) == 4
    configuration = yaml.safe_load(one["Secret/monitoring/alertmanager-configuration.yaml"])
    assert "receivers:" in configuration["stringData"]["alertmanager.yaml"]
    stack = one["Release/monitoring/kube-prometheus-stack.values.yaml"]
    assert "# version: 88.5.3\n" in stack
    assert yaml.safe_load(stack)["prometheus"]["prometheusSpec"]["retention"] == "15d"
    roles = [yaml.safe_load(text) for name, text in one.items() if name.startswith("aws.iam.RolePolicy/")]
    assert all(role["policy"]["Statement"] for role in roles)
    assert yaml.safe_load(one["outputs.yaml"])["namespace"] == "monitoring"
    heads = {text.partition("\n")[0].removeprefix(COMPONENT) for text in one.values() if text}
    assert heads == {"Alerting", "CloudWatch", "Foundation", "Grafana", "Logs", "Metrics", "Traces", "stack"}
    assert one["Release/monitoring/loki.values.yaml"].startswith(f"{COMPONENT}Logs\n")
    kinds = {name.split("/")[0] for name in one}
    assert kinds >= {"ConfigMap", "Namespace", "Probe", "PrometheusRule", "ServiceMonitor", "StorageClass"}


def test_secrets_are_masked_alike_and_their_keys_stay() -> None:
    spec = {
        "plain": "kept",
        "password": secret("hunter2"),
        "files": secret({"a.yaml": "route: here", "b.yaml": "password: hunter2", "user": "me"}),
    }
    assert masked(spec, {"password": "hunter2"}) == {
        "plain": "kept",
        "password": MASK,
        "files": {"a.yaml": "route: here", "b.yaml": MASK, "user": MASK},
    }


def secret(value: object) -> dict[str, str]:
    """A secret as the engine exports it."""
    return {MARK: SECRET, "plaintext": json.dumps(value)}


def test_a_secret_in_the_clear_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    inputs = {"apiVersion": "v1", "kind": "Thing", "metadata": {"name": "thing"}, "spec": "https://hunter2@host"}

    class Engine:
        def __init__(self, *_: object) -> None:
            self.up = lambda *_: None
            self.resources = lambda _: [
                {"urn": "a::b::c::d", "type": "kubernetes:x/v1:Thing", "custom": True, "inputs": inputs}
            ]

    monkeypatch.setattr(render, "Engine", Engine)
    monkeypatch.setattr(render, "placeholders", lambda *_: {"password": "hunter2"})
    with pytest.raises(RehearsalError, match=r"thing\.yaml: the program shows the secret password in the clear"):
        render.rendered("dev", tmp_path)


def test_a_diff_names_what_was_added_removed_and_changed(
    small: Sandbox, diff: Callable[[str], tuple[int, str, str]]
) -> None:
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "base"]):
        git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run([*git, *arguments], cwd=small.project, check=True, capture_output=True)
    small.edit("Pulumi.dev.yaml", "things: 40", "things: 41")
    small.edit("__main__.py", 'thing("hidden", {"url": url})', 'thing("thing", {"url": url})')
    small.edit("__main__.py", '{"number": number}', '{"number": number or 42}')
    code, output, errors = diff("HEAD")
    assert code == 1, errors
    lines = output.splitlines()
    assert [line for line in lines if line.startswith(("stack", "added", "changed", "removed"))] == [
        "stack: 2 added, 1 changed, 1 removed",
        "removed: Thing/default/hidden.yaml",
        "changed: Thing/default/thing-0.yaml",
        "added: Thing/default/thing-40.yaml",
        "added: Thing/default/thing.yaml",
    ]
    said = "the working tree changes dev from HEAD, so the exit code is 1: stack: 2 added, 1 changed, 1 removed"
    assert errors.splitlines()[-1] == said
    assert "-  number: 0" in lines
    assert "+  number: 42" in lines
    assert f"+  url: '{MASK}'" in lines
    assert "\x1b" not in output


def test_a_diff_without_differences_says_so_beside_its_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "compare", lambda *_: [])
    result = CliRunner().invoke(render.main, ["diff", "--stack", "dev", "--base", "HEAD"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "no difference: the working tree deploys dev as HEAD does\n"


def test_a_diff_with_nonsense_is_trouble(diff: Callable[[str], tuple[int, str, str]]) -> None:
    code, output, errors = diff("nonsense")
    assert (code, output) == (2, "")
    assert "nonsense: " in errors


def test_a_rendering_replaces_only_a_rendering(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write({"a/b.yaml": "1\n"}, out)
    write({"c.yaml": "2\n"}, out)
    assert files(out) == {".rendered": b"", "c.yaml": b"2\n"}
    with pytest.raises(RehearsalError, match="name another directory"):
        write({}, tmp_path)


def test_differences_of_equal_renderings_are_none() -> None:
    assert differences({"a.yaml": "1\n"}, {"a.yaml": "1\n"}) == []


def rendering(**numbers: int) -> dict[str, str]:
    """A rendering: an object of a component for each `component__name=number`."""
    pairs = ((*name.split("__"), number) for name, number in numbers.items())
    return {f"Thing/_/{name}.yaml": f"{COMPONENT}{part}\nnumber: {number}\n" for part, name, number in pairs}


OLD, NEW = rendering(Logs__z=1, Metrics__a=1, Metrics__b=1), rendering(Logs__z=2, Metrics__a=1, Metrics__c=1)


def test_differences_are_read_component_by_component() -> None:
    lines = [line for line in as_text(differences(OLD, NEW)) if not line.startswith((" ", "+", "-", "@"))]
    assert lines == [
        "Logs: 1 changed",
        "changed: Thing/_/z.yaml",
        "Metrics: 1 added, 1 removed",
        "removed: Thing/_/b.yaml",
        "added: Thing/_/c.yaml",
    ]


def test_the_summary_of_a_pull_request_folds_each_object_below_its_component() -> None:
    text = as_markdown("prod", "origin/main", differences(OLD, NEW))
    order = ["## prod", "### Logs: 1 changed", "changed: Thing/_/z.yaml", "+number: 2", "### Metrics: 1 added"]
    places = [text.index(part) for part in order]
    assert places == sorted(places)
    assert text.count("<details>") == text.count("</details>") == 3
    assert as_markdown("prod", "origin/main", []) == "## prod: deploys the same as origin/main\n"


def test_what_is_shown_cannot_leave_its_block() -> None:
    """A dashboard's text may be Markdown, with fences and tags of its own."""
    evil = {"Thing/_/<b>.yaml": f"{COMPONENT}Logs\n```\n</details>\n"}
    section = as_markdown("dev", "main", differences({}, evil)).splitlines()
    fences = [index for index, line in enumerate(section) if line.startswith("`" * 8)]
    assert [line for line in section[fences[0] + 1 : fences[1]] if "`" * 3 in line or "details" in line] == [
        "+```",
        "+</details>",
    ]
    assert "<summary>added: Thing/_/&lt;b&gt;.yaml</summary>" in section[4]


def test_a_summary_fits_and_says_what_it_left_out() -> None:
    """GitHub drops a summary of more than a MiB without a word."""
    long = {f"Thing/_/{n}.yaml": f"{COMPONENT}Logs\n" + f"{'x' * 200}\n" * 2 * LONGEST_DIFFERENCE for n in range(30)}
    text = as_markdown("dev", "main", differences({}, long))
    assert LONGEST_SUMMARY - 100_000 < len(text.encode()) < 1024 * 1024
    assert "… 404 more lines: `make diff STACK=dev BASE=main` shows them" in text
    assert "- added: Thing/_/" in text
    assert "The summary was too long for " in text
