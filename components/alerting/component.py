"""Alerting: the rules, and Alertmanager's configuration with its credentials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import yaml
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.core.v1 import Secret

from components.alerting.messages import CREDENTIAL_KEYS, CREDENTIALS_SECRET
from settings import Secrets

CONFIGURATION_SECRET = "alertmanager-configuration"  # noqa: S105 - the name of a Secret, not its content
CONFIGURATION_KEY = "alertmanager.yaml"


@dataclass(frozen=True, kw_only=True)
class AlertingArgs:
    """What is watched and who is told."""

    namespace: pulumi.Input[str]
    rules: dict[str, list[dict[str, Any]]]
    """Rule groups of each PrometheusRule by name."""
    configuration: dict[str, Any]
    """Alertmanager's configuration; credentials are references to mounted files."""
    templates: dict[str, str]
    """Message templates by file name."""
    secrets: Secrets


class Alerting(pulumi.ComponentResource):
    """The rules, and the Secrets that Alertmanager must find when it starts."""

    configuration_secret: pulumi.Output[str]
    """Name of the Secret with Alertmanager's configuration and message templates."""
    credentials_secret: pulumi.Output[str]
    """Name of the Secret with the channels' credentials."""

    def __init__(self, name: str, args: AlertingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monitoring:index:Alerting", name, {}, opts)
        self._namespace = args.namespace
        for rule, groups in sorted(args.rules.items()):
            self._rule(rule, groups)
        text = yaml.dump(args.configuration, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True, width=120)
        configuration = {CONFIGURATION_KEY: text, **args.templates}
        self.configuration_secret = self._secret(CONFIGURATION_SECRET, configuration).metadata.name
        self.credentials_secret = self._secret(CREDENTIALS_SECRET, credentials(args.secrets)).metadata.name
        self.register_outputs({})

    def _rule(self, name: str, groups: list[dict[str, Any]]) -> None:
        CustomResource(
            f"rules-{name}",
            api_version="monitoring.coreos.com/v1",
            kind="PrometheusRule",
            metadata={"name": f"order-processor-{name}", "namespace": self._namespace},
            spec={"groups": groups},
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _secret(self, name: str, data: dict[str, Any]) -> Secret:
        return Secret(
            name,
            metadata={"name": name, "namespace": self._namespace},
            string_data=data or None,  # an empty map is not kept, and every refresh would find it gone
            opts=pulumi.ResourceOptions(parent=self),
        )


def credentials(secrets: Secrets) -> dict[str, pulumi.Output[str]]:
    """The files of the credentials Secret: one for each secret that is set."""
    values = {key: getattr(secrets, key.replace("-", "_")) for key in CREDENTIAL_KEYS.values()}
    return {key: value for key, value in values.items() if value is not None}
