"""The command: what it says and returns, and how it asks kubectl."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click import Command
from click.testing import CliRunner

import incident.__main__
import review.__main__
import verify.__main__ as command
from facts import ROOT
from review import where
from settings import read_stack
from tests.unit.fake_cluster import (
    HEALTH,
    REFUSED,
    RULES,
    SECRETS,
    WATCHDOG,
    FakeCluster,
    expected,
    healthy,
    without_target,
)
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
        (
            ClusterError,
            "echo 'error: context \"kind-dev\" does not exist' >&2; exit 1",
            "^kubectl has no context kind-dev; `kubectl config get-contexts` lists those",
        ),
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


LOKI = behind_service("http://loki.elsewhere.svc:3100", "loki/api/v1/query", {"query": '{a="b"}'})
PROGRAM = """
import http.server, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'probe_success 0' if self.path == '/probe' else b'{"path": "%s"}' % self.path.encode()
        self.send_response(503 if self.path == '/gone' else 200)
        self.send_header('Content-Type', 'text/plain; version=0.0.4' if self.path == '/probe' else 'application/json')
        self.end_headers()
        self.wfile.write(body)

server = http.server.HTTPServer(('127.0.0.1', 0), Handler)
print(f'Forwarding from 127.0.0.1:{server.server_port} -> 3100', flush=True)
server.serve_forever()
"""
"""A port-forward, and what is behind it."""


@pytest.fixture
def forwarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubectl]:
    (tmp_path / "forward.py").write_text(PROGRAM)
    with closing(kubectl(tmp_path, monkeypatch, f"exec {sys.executable} {tmp_path}/forward.py")) as cluster:
        yield cluster


def test_a_service_is_reached_by_one_port_forward(forwarded: Kubectl, tmp_path: Path) -> None:
    assert forwarded.get(LOKI) == {"path": "/loki/api/v1/query?query=%7Ba%3D%22b%22%7D"}
    assert forwarded.get("http://loki.elsewhere.svc:3100/ready") == {"path": "/ready"}
    assert (tmp_path / "arguments").read_text() == (
        "--context kind-dev --namespace=elsewhere port-forward service/loki :3100 --address=127.0.0.1 "
        "--pod-running-timeout=5s\n"
    )


def test_text_behind_a_service_stays_text(forwarded: Kubectl) -> None:
    assert forwarded.get("http://prober.monitoring.svc:9115/probe") == "probe_success 0"


def test_after_a_failure_another_port_forward_is_opened(forwarded: Kubectl, tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="HTTP 503"):
        forwarded.get("http://loki.elsewhere.svc:3100/gone")
    assert forwarded.get("http://loki.elsewhere.svc:3100/ready") == {"path": "/ready"}
    assert len((tmp_path / "arguments").read_text().splitlines()) == 2


def test_no_port_forward_outlives_the_command(forwarded: Kubectl) -> None:
    forwarded.get(LOKI)
    (one,) = forwarded._forwards._open.values()
    forwarded.close()
    assert one._process.poll() is not None


@pytest.mark.parametrize(
    ("kind", "script", "said"),
    [
        (ForbiddenError, "echo 'error: pods \"loki-0\" is forbidden: no' >&2; exit 1", "is forbidden"),
        (NotServedError, refusal("NotFound"), "NotFound"),
        (ClusterError, "echo 'error: timed out waiting for the condition' >&2; exit 1", "timed out waiting"),
    ],
)
def test_what_keeps_a_port_forward_from_starting_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[ClusterError], script: str, said: str
) -> None:
    with pytest.raises(ClusterError, match=said) as raised:
        kubectl(tmp_path, monkeypatch, script).get(LOKI)
    assert raised.type is kind


def test_enforcement_that_the_stack_does_not_ask_for_is_not_tested(capsys: pytest.CaptureFixture[str]) -> None:
    answers = healthy()
    del answers[REFUSED]
    accepted = dataclasses.replace(expected(), policies_enforced=False)
    assert command.verify(FakeCluster(answers), accepted, 0, clock=FakeClock()) == command.WORKS
    said = capsys.readouterr().out
    assert (
        "Not shown: that the cluster enforces network policies, as the stack's settings say that it need not." in said
    )
    assert "ok  policies" not in said


def test_a_stack_without_a_context_is_not_deployed_anywhere() -> None:
    refused = CliRunner().invoke(context_command, ["dev"])
    assert refused.exit_code == 1
    assert "names no Kubernetes context" in refused.output
    assert "order-processor-monitoring:stack.kubeContext' NAME" in refused.output


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stack whose file names the context `prod`."""
    settings = read_stack(ROOT / "Pulumi.dev.yaml").model_copy(update={"kube_context": "prod"})
    monkeypatch.setattr("verify.context.read_stack", lambda _: settings)


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("flags", [[], ["--reads"]])
def test_another_context_than_the_stacks_is_refused(flags: list[str]) -> None:
    refused = CliRunner().invoke(context_command, [*flags, "--", "dev", "other"])
    assert refused.exit_code == 1
    assert "CONTEXT=other: the stack dev belongs in the context prod" in refused.output
    for given in ([], [""], ["prod"]):
        assert CliRunner().invoke(context_command, [*flags, "--", "dev", *given]).output == "prod\n"


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize("command", [review.__main__.main, incident.__main__.main])
def test_a_page_of_a_stack_is_of_its_own_cluster(command: Command) -> None:
    refused = CliRunner().invoke(command, ["--stack", "dev", "--context", "other"])
    assert refused.exit_code == 1
    assert "CONTEXT=other: the stack dev belongs in the context prod" in refused.output
    assert [where.asked("dev", given) for given in (None, "prod")] == ["prod", "prod"]
    assert [where.asked(None, given) for given in (None, "other")] == [None, "other"]


def test_a_context_serves_for_reading_where_the_stack_names_none() -> None:
    assert where.asked("dev", "kind-dev") == "kind-dev"
    assert CliRunner().invoke(context_command, ["--reads", "--", "dev", "kind-dev"]).output == "kind-dev\n"
    refused = CliRunner().invoke(context_command, ["--", "dev", "kind-dev"]).output
    assert "CONTEXT=kind-dev serves only what reads; the stack dev names no Kubernetes context" in refused
    assert "CONTEXT=NAME" not in refused
    assert "Name one with CONTEXT=NAME" in CliRunner().invoke(review.__main__.main, ["--stack", "dev"]).output
