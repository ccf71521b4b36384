"""What a stack should be like once it is deployed: derived from its settings and the catalogue, never written twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import catalogue as catalogues
import dashboards
import settings as configuration
from catalogue import Catalogue
from components import addresses
from components.expected import expected_jobs
from components.foundation import NAMESPACE
from components.grafana import data_sources
from settings import Settings

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A stack that works."""

    namespace: str
    """Namespace that the monitoring is in."""
    catalogue: Catalogue
    """The monitored services."""
    releases: frozenset[str]
    """Helm releases that have workloads."""
    jobs: frozenset[str]
    """Jobs that Prometheus must have targets for, besides the services."""
    loki: str
    """Loki's address in the cluster."""
    dashboards: frozenset[str]
    """Uids of the dashboards."""
    data_sources: frozenset[str]
    """Types, which are also the uids, of the data sources."""
    heartbeat_required: bool
    """Whether the heartbeat must leave the cluster; if not, it may where its channel is configured."""


def expectations(stack: str, namespace: str = NAMESPACE, root: Path = ROOT) -> Expected:
    """What the named stack should be like. Raises InvalidInputError if its settings or the catalogue are not valid."""
    settings = configuration.read_stack(root / f"Pulumi.{stack}.yaml")
    known = catalogues.load(root / "services.yaml")
    catalogue = known.instrumented(settings.instrumented_services).without(settings.absent_services)
    return Expected(
        namespace=namespace,
        catalogue=catalogue,
        releases=releases(settings),
        jobs=jobs(settings),
        loki=addresses.loki(settings),
        dashboards=frozenset(dashboards.load(catalogue)),
        data_sources=frozenset(source["uid"] for source in data_sources(settings)),
        heartbeat_required=settings.notifications.unset_channels == "refuse",
    )


def context(stack: str, root: Path = ROOT) -> str | None:
    """The kubectl context that the named stack is deployed to, if it names one. Raises InvalidInputError."""
    return configuration.read_stack(root / f"Pulumi.{stack}.yaml").kube_context


def releases(settings: Settings) -> frozenset[str]:
    """The releases with workloads; the one of the resource definitions has none."""
    logs = {"loki", "log-agent", "kubernetes-events"}
    return frozenset({"kube-prometheus-stack", "blackbox-exporter", *logs, *_optional(settings)})


def jobs(settings: Settings) -> frozenset[str]:
    """The jobs of the infrastructure and of the monitoring itself, as the charts' monitors name them."""
    return frozenset({*expected_jobs(settings), *_optional(settings)})


def _optional(settings: Settings) -> list[str]:
    """Parts that a stack may leave out; their releases are named like their jobs."""
    parts = {"tempo": settings.tracing, "cloudwatch-exporter": settings.aws}
    return [name for name, section in parts.items() if section]
