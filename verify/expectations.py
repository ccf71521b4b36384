"""What a stack should be like once it is deployed: what its program registers, here and now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
import yaml

import catalogue as catalogues
import parts
import settings as configuration
from catalogue import Catalogue
from components import addresses
from components.alerting.component import CONFIGURATION_KEY, CONFIGURATION_SECRET
from components.alerting.routing import HEARTBEAT
from components.expected import expected_jobs
from components.grafana import data_sources
from facts import ROOT
from settings import GRAFANA_PASSWORD, KEY, PROJECT, Settings
from validation import InvalidInputError
from verify.objects import Object, from_manifest
from verify.program import PLACEHOLDER, Program, Registered, evaluate
from verify.releases import Release

RELEASE = "kubernetes:helm.sh/v3:Release"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A stack that works."""

    stack: str
    """Its name."""
    catalogue: Catalogue
    """The monitored services."""
    objects: tuple[Object, ...]
    """Every Kubernetes object that the program deploys."""
    releases: tuple[Release, ...]
    """Every Helm release that the program installs."""
    jobs: frozenset[str]
    """Jobs that Prometheus must have targets for, besides the services."""
    loki: str
    """Loki's address in the cluster."""
    data_sources: frozenset[str]
    """Types, which are also the uids, of the data sources."""
    obeyed_namespaces: frozenset[str]
    """Namespaces whose rules Prometheus takes, beside our own."""
    policies_enforced: bool
    """Whether the cluster is to enforce network policies."""

    def of(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [each for each in self.objects if each.kind == kind]

    @property
    def alertmanager(self) -> Mapping[str, Any]:
        """Alertmanager's configuration."""
        (secret,) = (each for each in self.of("Secret") if each.name == CONFIGURATION_SECRET)
        text = secret.fields["stringData"][CONFIGURATION_KEY]
        document: Mapping[str, Any] = yaml.load(text, Loader=yaml.CSafeLoader)
        return document

    @property
    def heartbeat(self) -> bool:
        """Whether the Watchdog leaves the cluster."""
        return any(receiver["name"] == HEARTBEAT.name for receiver in self.alertmanager["receivers"])


def expectations(stack: str, root: Path = ROOT, config: Mapping[str, Any] | None = None) -> Expected:
    """What the named stack of the project in `root` should be like.

    `config` is taken in place of the section of the stack's file.
    Raises InvalidInputError if its settings or the catalogue are not valid.
    """
    config = config or configuration.read_config(configuration.stack_file(root, stack))
    settings = configuration.parse(config.get(KEY))
    known = catalogues.load(root / "services.yaml")
    program = registered(stack, settings, config, root)
    return Expected(
        stack=stack,
        catalogue=known.of_stack(settings),
        objects=tuple(from_manifest(each.inputs) for each in program if _is_object(each)),
        releases=tuple(_release(each.inputs) for each in program.of(RELEASE)),
        jobs=jobs(settings),
        loki=addresses.loki(settings),
        data_sources=frozenset(source["uid"] for source in data_sources(settings)),
        obeyed_namespaces=frozenset(settings.access.obeyed_namespaces),
        policies_enforced=settings.access.enforced,
    )


def registered(stack: str, settings: Settings, config: Mapping[str, Any], root: Path) -> Program:
    """What the program registers, with a placeholder for each secret that is set or without which it refuses."""
    keys = {key.removeprefix(f"{PROJECT}:") for key, value in config.items() if configuration.is_encrypted(value)}
    if settings.notifications.unset_channels == "refuse":
        keys |= set(configuration.secret_keys(settings)) - {GRAFANA_PASSWORD}  # without which the chart makes one
    try:
        return evaluate(stack, config, {key: f"{PLACEHOLDER}-{key}" for key in keys}, root)
    except pulumi.RunError as error:
        raise InvalidInputError([str(error)]) from None


def jobs(settings: Settings) -> frozenset[str]:
    """The jobs of the infrastructure and of the monitoring itself, as the charts' monitors name them."""
    return frozenset({*expected_jobs(settings), *(part.job for part in parts.of_stack(settings) if part.job)})


def _is_object(registered: Registered) -> bool:
    return registered.type.startswith("kubernetes:") and registered.type != RELEASE


def _release(inputs: Mapping[str, Any]) -> Release:
    chart = Path(inputs["chart"]).name  # a name, or below a registry or a directory
    version = inputs.get("version")
    return Release(
        name=inputs["name"],
        chart=f"{chart}-{version}" if version else chart.removesuffix(".tgz"),
        values=inputs["values"],
    )
