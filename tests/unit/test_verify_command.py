"""The command: what it says and returns, and how it asks kubectl."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import verify.__main__ as command
from tests.unit.fake_cluster import HEALTH, RULES, SECRETS, WATCHDOG, FakeCluster, expected, healthy, without_target
from verify.cluster import ClusterError, ForbiddenError, Kubectl, NotServedError, behind_service
from verify.context import main as context_command


class FakeClock:
    """Time that passes only while the command sleeps."""

    def __init__(self, at_pause: Callable[[], None] = lambda: None) -> None:
        self.time = 0.0
        self.at_pause = at_pause

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.at_pause()


def test_what_holds_at_last_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    answers = healthy()
    watchdog = answers[WATCHDOG]
    answers[WATCHDOG] = []
    clock = FakeClock(at_pause=lambda: answers.update({WATCHDOG: watchdog}))
    assert command.verify(FakeCluster(answers), expected(), 60, clock=clock) == command.WORKS
    said = capsys.readouterr().out
    assert "waiting for heartbeat (1); 60 s left" in said
    assert "Everything holds." in said
    assert "Not shown: that people are reached" in said
    assert "Not shown: that Pulumi knows of every release" in said


def test_what_does_not_hold_in_time_is_said_with_its_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    answers = healthy()
    without_target(job="order-service")(answers)
    del answers[HEALTH]
    clock = FakeClock()
    assert command.verify(FakeCluster(answers), expected(), 60, clock=clock) == command.BROKEN
    assert clock.time == 60
    said = capsys.readouterr().out
    assert "order-service is not scraped\n        -> deploy it in namespace order-processor" in said
    assert f"it could not be checked: GET {HEALTH}: not found" in said
    assert "2 findings." in said
    assert "ok  rules: " in said
    assert "ok  services: " not in said


def test_an_answer_of_an_unknown_form_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    answers = healthy()
    answers[RULES] = {"data": {"groups": None}}
    assert command.verify(FakeCluster(answers), expected(), 0, clock=FakeClock()) == command.BROKEN
    assert "an answer has an unknown form" in capsys.readouterr().out


def test_what_this_user_may_not_read_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    answers = healthy()
    answers[SECRETS] = ForbiddenError("secrets is forbidden")
    clock = FakeClock()
    assert command.verify(FakeCluster(answers), expected(), 60, clock=clock) == command.UNKNOWN
    assert clock.time == 0  # waiting would not change it
    assert "????  objects: not known whether" in capsys.readouterr().out
    without_target(job="kubelet")(answers)
    assert command.verify(FakeCluster(answers), expected(), 0, clock=clock) == command.BROKEN


def test_a_cluster_that_cannot_be_read_is_no_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.verify(FakeCluster({}), expected(), 60, clock=FakeClock()) == command.UNKNOWN
    assert "The cluster cannot be read: GET /version" in capsys.readouterr().err


def run(*arguments: str) -> Any:
    return CliRunner().invoke(command.main, list(arguments))


@pytest.mark.parametrize("context", [[], ["--context", ""]])
def test_the_context_is_never_guessed(context: list[str]) -> None:
    result = run("--stack", "dev", *context)
    assert result.exit_code == 2
    assert "CONTEXT: missing" in result.output


def test_an_unknown_stack_is_refused_with_those_there_are() -> None:
    result = run("--stack", "staging", "--context", "x")
    assert result.exit_code == 2
    assert "Pulumi.staging.yaml: no such file; the stacks are: dev, prod" in result.output


def test_the_exit_code_is_the_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = healthy()
    monkeypatch.setattr(command, "Kubectl", lambda _: FakeCluster(answers))
    monkeypatch.setattr(command, "expectations", expected)
    assert run("--stack", "dev", "--context", "x", "--timeout", "0").exit_code == 0
    without_target(job="kubelet")(answers)
    broken = run("--stack", "dev", "--context", "x", "--timeout", "0")
    assert broken.exit_code == 1
    assert "kubectl, in these remedies, is kubectl --context x --namespace monitoring\n" in broken.output
    assert "helm, in these remedies, is helm --kube-context x --namespace monitoring\n" in broken.output


def test_an_interrupt_ends_it_cleanly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: str) -> FakeCluster:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "Kubectl", interrupt)
    result = run("--stack", "dev", "--context", "x")
    assert result.exit_code == command.INTERRUPTED
    assert "the cluster was only read" in result.output


# kubectl


def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Kubectl:
    """A cluster whose kubectl is this shell script; it notes its arguments."""
    program = tmp_path / "kubectl"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/arguments\n{script}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return Kubectl("kind-dev")


def refusal(reason: str) -> str:
    return f"echo 'Error from server ({reason}): no' >&2; exit 1"


def test_kubectl_is_asked_for_the_context_and_only_to_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = kubectl(tmp_path, monkeypatch, f"echo '{json.dumps({'major': '1'})}'")
    assert cluster.get("/version") == {"major": "1"}
    assert (tmp_path / "arguments").read_text() == "--context kind-dev get --raw /version\n"


@pytest.mark.parametrize(
    ("kind", "script", "said"),
    [
        (NotServedError, refusal("NotFound"), r"GET /x: Error from server \(NotFound\)"),
        (ForbiddenError, refusal("Forbidden"), r"GET /x: Error from server \(Forbidden\)"),
        (ClusterError, refusal("ServiceUnavailable"), r"GET /x: Error from server \(ServiceUnavailable\)"),
        (ClusterError, "echo '<html>'", "GET /x: the answer is not JSON: '<html>"),
    ],
)
def test_what_kubectl_says_is_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[ClusterError], script: str, said: str
) -> None:
    with pytest.raises(ClusterError, match=said) as raised:
        kubectl(tmp_path, monkeypatch, script).get("/x")
    assert raised.type is kind


def test_a_missing_kubectl_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClusterError, match="kubectl is not on PATH"):
        Kubectl("kind-dev").get("/version")


def test_a_service_is_reached_through_the_api_server() -> None:
    path = behind_service("http://loki.elsewhere.svc:3100", "loki/api/v1/query", {"query": '{a="b"}'})
    assert path == "/api/v1/namespaces/elsewhere/services/loki:3100/proxy/loki/api/v1/query?query=%7Ba%3D%22b%22%7D"


def test_a_stack_without_a_context_is_not_deployed_anywhere() -> None:
    refused = CliRunner().invoke(context_command, ["dev"])
    assert refused.exit_code == 1
    assert "names no Kubernetes context" in refused.output
    assert "order-processor-monitoring:stack.kubeContext' NAME" in refused.output
