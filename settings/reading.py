"""Reads a stack's settings: from Pulumi's configuration in a deployment, from its file elsewhere.

One structured key, `order-processor-monitoring:stack`, becomes one frozen `Settings`; secrets are separate keys
and become `Secrets`. Both are complete and consistent when `load` returns, or it raises with every problem found.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pydantic import ValidationError

import documents
from documents import Loc
from problems import problems, unknown, without
from settings.keys import (
    CHANNEL_SECRETS,
    GRAFANA_CLIENT_SECRET,
    GRAFANA_PASSWORD,
    KEY,
    PROJECT,
    REMOTE_WRITE_CREDENTIAL,
    SECRET_KEYS,
)
from settings.model import Settings
from settings.notifications import Deployment
from validation import InvalidInputError, collect

_STACK = KEY.removeprefix(f"{PROJECT}:")
CONFIG_KEYS = tuple(f"{PROJECT}:{key}" for key in (_STACK, *SECRET_KEYS))
"""Every key of this project; other projects' and providers' keys may stand beside them."""


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """The stack's secrets; None where one is not set (only possible where the settings allow it)."""

    slack_webhook_url: pulumi.Output[str] | None = None
    pagerduty_routing_key: pulumi.Output[str] | None = None
    smtp_password: pulumi.Output[str] | None = None
    heartbeat_url: pulumi.Output[str] | None = None
    remote_write_credential: pulumi.Output[str] | None = None
    grafana_client_secret: pulumi.Output[str] | None = None
    grafana_admin_password: pulumi.Output[str] | None = None


def load(config: pulumi.Config, project: Path) -> tuple[Settings, Secrets]:
    """Read and validate the selected stack's configuration; `project` is where its file is, unless it is elsewhere.

    Channels that the stack declares but has no secret for are refused or left out, as `unsetChannels` says:
    the returned settings name exactly the channels that can be used.
    Raises InvalidInputError with every problem, each naming the key, the value and the remedy.
    """
    document = config.get_object("stack")
    secrets = {key: config.get_secret(key) for key in SECRET_KEYS}
    present = frozenset(key for key, value in secrets.items() if value is not None)
    stack = pulumi.get_stack()
    file = _same(project / f"Pulumi.{stack}.yaml", document)
    written = pulumi.runtime.get_config_env()
    plain = [key for key in present if not pulumi.runtime.is_config_secret(f"{PROJECT}:{key}")]

    def keys() -> None:
        _refuse_keys(written, plain, stack, remedy=f"pulumi config rm --stack {stack} ")

    if document is None and KEY in _misspelt(written).values():
        keys()  # it is not missing as well
    meant = {key.removeprefix(f"{PROJECT}:") for key in _misspelt(written).values()}  # they are not missing as well
    _, settings = collect(keys, lambda: parse(document, Deployment(stack, present | meant), file))
    return settings, Secrets(**{_snake(key): value for key, value in secrets.items()})


def _same(file: Path, document: Any) -> Path | None:
    """The file if it holds what Pulumi has read: the lines of another one would mislead."""
    with contextlib.suppress(InvalidInputError, AttributeError):
        if documents.read(file)["config"][KEY] == document:
            return file
    return None


def _refuse_keys(
    config: Mapping[str, Any],
    plain: Collection[str],
    stack: str,
    line: Callable[[Loc], str] = lambda _: "",
    remedy: str = "",
) -> None:
    """Refuse keys that nothing reads, and the secrets that are `plain` text, whose values are not shown.

    `remedy` is a command that removes a key.
    """
    wrong = [
        f"{line(('config', key))}{key}: unknown key; {unknown(meant, CONFIG_KEYS)}"
        + (f"; remove it with: {remedy}{key.removeprefix(f'{PROJECT}:')}" if remedy else "")
        for key, meant in _misspelt(config).items()
    ] + [
        f"{line(('config', f'{PROJECT}:{key}'))}{PROJECT}:{key}: a secret in plain text; expected an encrypted one. "
        f"Replace it with: pulumi config set --stack {stack} --secret {key}"
        for key in plain
    ]
    if wrong:
        raise InvalidInputError(wrong)


def _misspelt(config: Mapping[str, Any]) -> dict[str, str]:
    """The keys that are meant for this project and that nothing reads, each with the one that is nearest by its name.

    Keys of other projects and of providers are left alone; one without a project Pulumi refuses.
    """
    found = {}
    for key in map(str, config):
        project, colon, name = key.rpartition(":")
        ours = difflib.get_close_matches(project.lower(), [PROJECT], cutoff=0.8) or not colon
        if key not in CONFIG_KEYS and (ours or (KEY not in config and name.lower() == _STACK)):
            near = difflib.get_close_matches(name, (_STACK, *SECRET_KEYS), n=1, cutoff=0.5)
            found[key] = f"{PROJECT}:{near[0] if near else _STACK}"
    return found


def is_encrypted(value: Any) -> bool:
    """Whether a value of a stack's file is what `pulumi config set --secret` leaves there."""
    return isinstance(value, Mapping) and "secure" in value


def stack_file(project: Path, stack: str) -> Path:
    """The `Pulumi.<stack>.yaml` of a stack that a command names. Raises InvalidInputError if there is none."""
    if stack not in _stacks(project):
        file = f"Pulumi.{stack}.yaml: no such file; " if stack else ""
        raise InvalidInputError([f"STACK={stack}: {file}the stacks are: {', '.join(_stacks(project))}"])
    return project / f"Pulumi.{stack}.yaml"


def _stacks(project: Path) -> list[str]:
    return sorted(path.name.removeprefix("Pulumi.").removesuffix(".yaml") for path in project.glob("Pulumi.*.yaml"))


def read_stack(path: Path, deployment: Deployment | None = None, instead: Mapping[str, Any] | None = None) -> Settings:
    """The settings of a `Pulumi.<stack>.yaml`, for what runs beside the program, with `instead` in place of its own.

    Raises InvalidInputError with every problem, of keys and of values, in the order of the file.
    """
    config = _config(path)

    def values() -> Settings:
        own = config.get(KEY)
        return parse({**own, **instead} if instead and isinstance(own, dict) else own, deployment, path)

    if KEY not in config and KEY in _misspelt(config).values():
        _refuse_keys_of(config, path)  # it is not missing as well
    try:
        return collect(lambda: _refuse_keys_of(config, path), values)[1]
    except InvalidInputError as error:
        raise InvalidInputError(sorted(error.problems, key=_line)) from None


def _line(problem: str) -> int:
    """The line of a file that a problem begins with, if it does."""
    found = re.match(r"[^\s:]+:(\d+): ", problem)
    return int(found[1]) if found else 0


def read_config(path: Path) -> dict[str, Any]:
    """The configuration in a `Pulumi.<stack>.yaml`, encrypted values as they stand there.

    Raises InvalidInputError if it is not valid YAML, has keys that nothing reads or secrets in plain text, or with the
    stacks that there are if there is no such file.
    """
    config = _config(path)
    _refuse_keys_of(config, path)
    return config


def _config(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InvalidInputError([f"{path.name}: no such file; the stacks are: {', '.join(_stacks(path.parent))}"])
    document = documents.read(path)
    config = document.get("config") if isinstance(document, dict) else document
    if config is not None and not isinstance(config, dict):
        shown = "docs/settings.md shows what is in it"
        raise InvalidInputError([f"{path.name}: expected the key `config`, and below it `{KEY}`; {shown}"])
    return config or {}


def _refuse_keys_of(config: Mapping[str, Any], path: Path) -> None:
    plain = [key for key in SECRET_KEYS if (full := f"{PROJECT}:{key}") in config and not is_encrypted(config[full])]
    _refuse_keys(config, plain, path.stem.removeprefix("Pulumi."), documents.places(path))


_ENCRYPTED = {"type": "object", "required": ["secure"]}


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
                "properties": {KEY: stack} | {f"{PROJECT}:{key}": _ENCRYPTED for key in SECRET_KEYS},
                "propertyNames": {"pattern": f"^(?:{PROJECT}:(?:{mine})|(?!{PROJECT}:).*:.*)$"},
            }
        },
    }


def parse(document: Any, deployment: Deployment | None = None, file: Path | None = None) -> Settings:
    """Validate the structured key's content. Raises InvalidInputError with every problem, and its line in `file`.

    In a deployment, channels whose secret is not set are refused or left out, as `unsetChannels` says.
    """
    if document is None:
        start = f"{file.name}: " if file else ""
        needed = "Pulumi.<stack>.yaml needs it, docs/settings.md shows what is in it"
        raise InvalidInputError([f"{start}{KEY}: missing; {needed}"])
    found: list[str] = []
    reported: set[Loc] = set()
    while True:
        try:
            settings = Settings.model_validate(document, context=deployment, by_alias=True, by_name=False)
        except ValidationError as error:
            line = documents.places(file, below=("config", KEY)) if file else lambda _: ""
            new = problems(error, Settings, KEY, besides=reported, line=line)
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
    """The secret keys that this stack can use: channels' that it declares, a second place's, Grafana's two."""
    declared = [key for channel, key in CHANNEL_SECRETS.items() if getattr(settings.notifications, channel) is not None]
    remote = settings.metrics.remote_write
    wanted = {
        REMOTE_WRITE_CREDENTIAL: remote is not None and remote.url is not None,
        GRAFANA_CLIENT_SECRET: settings.grafana.sign_in is not None,
    }
    return [*declared, *(key for key, used in wanted.items() if used), GRAFANA_PASSWORD]


def _snake(key: str) -> str:
    return re.sub(r"([A-Z])", r"_\1", key).lower()
