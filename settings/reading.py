"""Reads a stack's settings: from Pulumi's configuration in a deployment, from its file elsewhere.

One structured key, `order-processor-monitoring:stack`, becomes one frozen `Settings`; secrets are separate keys
and become `Secrets`. Both are complete and consistent when `load` returns, or it raises with every problem found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pydantic import ValidationError

import documents
from problems import Loc, problems, unknown, without
from settings.keys import CHANNEL_SECRETS, GRAFANA_PASSWORD, KEY, PROJECT
from settings.model import Settings
from settings.notifications import Deployment
from validation import InvalidInputError

CONFIG_KEYS = tuple(f"{PROJECT}:{key}" for key in ("stack", *CHANNEL_SECRETS.values(), GRAFANA_PASSWORD))
"""Every key of this project; other projects' and providers' keys may stand beside them."""


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The stack's secrets; None where one is not set (only possible where the settings allow it)."""

    slack_webhook_url: pulumi.Output[str] | None = None
    pagerduty_routing_key: pulumi.Output[str] | None = None
    smtp_password: pulumi.Output[str] | None = None
    heartbeat_url: pulumi.Output[str] | None = None
    grafana_admin_password: pulumi.Output[str] | None = None


def load(config: pulumi.Config) -> tuple[Settings, Secrets]:
    """Read and validate the selected stack's configuration.

    Channels that the stack declares but has no secret for are refused or left out, as `unsetChannels` says:
    the returned settings name exactly the channels that can be used.
    Raises InvalidInputError with every problem, each naming the key, the value and the remedy.
    """
    document = config.get_object("stack")
    secrets = {key: config.get_secret(key) for key in (*CHANNEL_SECRETS.values(), GRAFANA_PASSWORD)}
    present = frozenset(key for key, value in secrets.items() if value is not None)
    return parse(document, Deployment(pulumi.get_stack(), present)), Secrets(
        **{_snake(key): value for key, value in secrets.items()}
    )


def stack_file(project: Path, stack: str) -> Path:
    """The `Pulumi.<stack>.yaml` of a stack that a command names. Raises InvalidInputError if there is none."""
    if stack not in _stacks(project):
        stacks = ", ".join(_stacks(project))
        raise InvalidInputError([f"STACK={stack}: Pulumi.{stack}.yaml: no such file; the stacks are: {stacks}"])
    return project / f"Pulumi.{stack}.yaml"


def _stacks(project: Path) -> list[str]:
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in project.glob("Pulumi.*.yaml"))


def read_stack(path: Path) -> Settings:
    """The settings of a `Pulumi.<stack>.yaml`, for what runs beside the program. Raises InvalidInputError."""
    return parse(read_config(path).get(KEY))


def read_config(path: Path) -> dict[str, Any]:
    """The configuration in a `Pulumi.<stack>.yaml`, encrypted values as they stand there.

    Raises InvalidInputError if it is not valid YAML or has keys that nothing reads, or with the stacks that there are
    if there is no such file.
    """
    if not path.exists():
        raise InvalidInputError([f"{path.name}: no such file; the stacks are: {', '.join(_stacks(path.parent))}"])
    document = documents.read(path) or {}
    config = document.get("config") or {} if isinstance(document, dict) else document
    if not isinstance(config, dict):
        raise InvalidInputError([f"{path.name}: expected the key `config`, and below it `{KEY}`; see Pulumi.dev.yaml"])
    wrong = [key for key in map(str, config) if key.startswith(f"{PROJECT}:") and key not in CONFIG_KEYS]
    if wrong:
        raise InvalidInputError(
            [f"{path.name} config.{key}: unknown key; {unknown(key, CONFIG_KEYS)}" for key in wrong]
        )
    return config


def config_schema(stack: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a whole `Pulumi.<stack>.yaml`, given that of the structured key."""
    mine = "|".join(key.removeprefix(f"{PROJECT}:") for key in CONFIG_KEYS)
    return {
        "type": "object",
        "required": ["config"],
        "properties": {
            "config": {
                "type": "object",
                "required": [KEY],
                "properties": {KEY: stack},
                "propertyNames": {"pattern": f"^(?:{PROJECT}:(?:{mine})|(?!{PROJECT}:).*)$"},
            }
        },
    }


def parse(document: Any, deployment: Deployment | None = None) -> Settings:
    """Validate the structured key's content. Raises InvalidInputError with every problem.

    In a deployment, channels whose secret is not set are refused or left out, as `unsetChannels` says.
    """
    if document is None:
        raise InvalidInputError([f"{KEY}: missing; Pulumi.<stack>.yaml needs it, docs/settings.md shows what is in it"])
    found: list[str] = []
    reported: set[Loc] = set()
    while True:
        try:
            settings = Settings.model_validate(document, context=deployment, by_alias=True, by_name=False)
        except ValidationError as error:
            new = problems(error, Settings, KEY, besides=reported)
            if not new:
                raise InvalidInputError(found) from error
            found += new
            reported |= {detail["loc"] for detail in error.errors()}
            # pydantic checks how settings fit together only where each is right in itself: look again without these.
            document = without(document, error)
        else:
            if found:
                raise InvalidInputError(found)
            return settings


def secret_keys(settings: Settings) -> list[str]:
    """The secret keys that this stack can use: those of the channels that it declares, and Grafana's."""
    declared = [key for channel, key in CHANNEL_SECRETS.items() if getattr(settings.notifications, channel) is not None]
    return [*declared, GRAFANA_PASSWORD]


def _snake(key: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", key).lower()
