"""Renderings and their differences: what a reviewer without a cluster sees, and what nobody may see."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from checks.waiting import PATIENCE_SECONDS
from engine import render
from engine.provider.values import MARK, SECRET
from engine.render import MASK, differences, masked, write
from local.errors import RehearsalError
from tests.sandbox import Sandbox, files, python


def diff(project: Path, base: str) -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    options = ["--stack", "dev", "--base", base, "--project", str(project)]
    return finished(python("-m", "engine.render", "diff", *options))


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
            self.resources = lambda _: [{"type": "kubernetes:x/v1:Thing", "custom": True, "inputs": inputs}]

    monkeypatch.setattr(render, "Engine", Engine)
    monkeypatch.setattr(render, "placeholders", lambda *_: {"password": "hunter2"})
    with pytest.raises(RehearsalError, match=r"thing\.yaml: the program shows the secret password in the clear"):
        render.rendered("dev", tmp_path)


def test_a_diff_names_what_was_added_removed_and_changed(small: Sandbox) -> None:
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "base"]):
        git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
        subprocess.run([*git, *arguments], cwd=small.project, check=True, capture_output=True)
    small.edit("Pulumi.dev.yaml", "things: 40", "things: 41")
    small.edit("__main__.py", 'thing("hidden", {"url": url})', 'thing("thing", {"url": url})')
    small.edit("__main__.py", '{"number": number}', '{"number": number or 42}')
    code, output, errors = diff(small.project, "HEAD")
    assert code == 1, errors
    lines = output.splitlines()
    assert [line for line in lines if line.startswith(("added", "changed", "removed"))] == [
        "removed: Thing/default/hidden.yaml",
        "changed: Thing/default/thing-0.yaml",
        "added: Thing/default/thing-40.yaml",
        "added: Thing/default/thing.yaml",
    ]
    assert "-  number: 0" in lines
    assert "+  number: 42" in lines
    assert f"+  url: '{MASK}'" in lines
    assert "\x1b" not in output


def test_a_diff_without_differences_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(render, "compare", lambda *_: [])
    result = CliRunner().invoke(render.main, ["diff", "--stack", "dev", "--base", "HEAD"])
    assert (result.exit_code, result.output) == (0, "")


def test_a_diff_with_nonsense_is_trouble(small: Sandbox) -> None:
    code, output, errors = diff(small.project, "nonsense")
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
    assert list(differences({"a.yaml": "1\n"}, {"a.yaml": "1\n"})) == []
