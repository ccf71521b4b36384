"""The real program, run in this process under Pulumi's mocks, and everything it registers.

program = evaluate("dev", overrides={"retention": {"metrics": "30d"}})
release = program.one("kubernetes:helm.sh/v3:Release", "loki")
assert release.inputs["values"]["loki"]["auth_enabled"] is False
"""

from __future__ import annotations

import copy
import functools
import json
import pickle
from collections.abc import Mapping
from typing import Any

from facts import ROOT
from settings import KEY, read_config
from verify import program
from verify.program import Program, Registered

__all__ = ["ROOT", "SECRETS", "Program", "Registered", "document", "evaluate", "evaluated_anew", "merged"]

SECRETS: Mapping[str, str] = {
    "slackWebhookUrl": "https://hooks.slack.test/fake",
    "pagerdutyRoutingKey": "fake-routing-key",
    "smtpPassword": "fake-smtp-password",
    "heartbeatUrl": "https://heartbeat.test/fake",
    "remoteWriteCredential": "fake-remote-write-credential",
    "grafanaClientSecret": "fake-grafana-client-secret",
    "grafanaAdminPassword": "fake-grafana-password",
}
"""A fabricated value for every secret that a stack can have."""


def evaluate(
    stack: str = "dev",
    overrides: Mapping[str, Any] | None = None,
    secrets: Mapping[str, str] = SECRETS,
) -> Program:
    """Run `__main__.py` for a stack and return what it registers.

    `overrides` is merged into the stack file's structured key (mappings deeply, anything else replaces); `secrets`
    are the only secrets set. What the program raises is raised here. Equal calls run it once, and each has a copy.
    """
    asked = json.dumps(document(stack, overrides)), json.dumps(dict(secrets))
    found: Program = pickle.loads(_evaluated(stack, *asked))  # noqa: S301 - pickled below
    return found


@functools.cache
def _evaluated(stack: str, settings: str, secrets: str) -> bytes:
    return pickle.dumps(evaluated_anew(stack, json.loads(settings), json.loads(secrets)))


def evaluated_anew(stack: str, settings: Mapping[str, Any], secrets: Mapping[str, str] = SECRETS) -> Program:
    """Run `__main__.py` now, with these settings under the stack file's structured key."""
    return program.evaluate(stack, {**_config(stack), KEY: settings}, secrets)


def document(stack: str, overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A stack file's structured key, with `overrides` merged into it."""
    return merged(_config(stack)[KEY], overrides or {})


@functools.cache
def _config(stack: str) -> Mapping[str, Any]:
    return read_config(ROOT / f"Pulumi.{stack}.yaml")


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `over` on top: mappings are merged deeply, anything else replaces."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result
