"""The way that tests run the program: alike every time, isolated, and with errors that surface."""

from __future__ import annotations

import pulumi
import pytest

import verify.program
from checks import program
from checks.program import document, evaluate, evaluated_anew

RELEASE = "kubernetes:helm.sh/v3:Release"


def test_the_same_stack_registers_the_same_every_time() -> None:
    def by_key(registered: program.Program) -> dict[str, program.Registered]:
        return {resource.key: resource for resource in registered}

    first = by_key(evaluate("dev"))
    assert by_key(evaluate("prod")) != first
    assert by_key(evaluated_anew("dev", document("dev"))) == first


def test_what_a_test_does_to_a_program_reaches_no_other_test() -> None:
    evaluate("dev").one(RELEASE, "loki").inputs.clear()
    assert evaluate("dev").one(RELEASE, "loki").inputs["values"]


def test_an_override_replaces_just_that_setting() -> None:
    spec = evaluate("dev", {"retention": {"metrics": "20d"}}).one(RELEASE, "kube-prometheus-stack").inputs["values"]
    assert spec["prometheus"]["prometheusSpec"]["retention"] == "20d"
    assert spec["prometheus"]["prometheusSpec"]["replicas"] == 1
    assert isinstance(spec["prometheus"]["prometheusSpec"]["replicas"], int)


def test_secrets_are_shown_in_clear_and_named() -> None:
    credentials = evaluate("prod").one("kubernetes:core/v1:Secret", "alertmanager-credentials")
    assert program.SECRETS["slackWebhookUrl"] in credentials.inputs["stringData"].values()
    assert any(path.startswith("stringData") for path in credentials.secrets)


def test_parents_and_dependencies_are_keys_of_what_is_registered() -> None:
    registered = evaluate("dev")
    keys = {resource.key for resource in registered}
    assert {resource.parent for resource in registered} <= keys | {""}
    assert {key for resource in registered for key in resource.dependencies} <= keys
    assert any(resource.dependencies for resource in registered)


def test_outputs_are_those_of_the_program() -> None:
    assert evaluate("dev").outputs["namespace"] == "monitoring"


def test_what_the_program_refuses_is_raised() -> None:
    with pytest.raises(pulumi.RunError, match="slackWebhookUrl: missing"):
        evaluate("prod", secrets={})


def test_a_look_up_that_is_not_answered_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify.program, "_LOOKUPS", {})
    with pytest.raises(LookupError, match="does not answer"):
        evaluated_anew("prod", document("prod"))


def test_a_resource_that_is_not_there_is_told_from_those_that_are() -> None:
    with pytest.raises(LookupError, match=r"no .* named 'lokki'; there are: .*'loki'"):
        evaluate("dev").one(RELEASE, "lokki")
