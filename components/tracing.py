"""Tracing: Tempo, which the log agent forwards spans to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

import parts
from components import charts, security, sizing, storage
from components.logs.agent import sampler_values
from quantities import seconds
from settings import Settings, Tracing


@dataclass(frozen=True, kw_only=True)
class TracesArgs:
    """What the traces depend on."""

    settings: Settings
    tracing: Tracing
    namespace: pulumi.Input[str]


class Traces(pulumi.ComponentResource):
    """Tempo as one process, and before it what chooses the traces, where not all are kept."""

    def __init__(self, name: str, args: TracesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monitoring:index:Traces", name, {}, opts)
        charts.install(
            charts.TEMPO,
            parts.TEMPO.release,
            namespace=args.namespace,
            values=tempo_values(args.settings, args.tracing),
            settings=args.settings,
            opts=pulumi.ResourceOptions(parent=self),
        )
        if args.settings.samples:
            charts.install(
                charts.LOG_AGENT,
                parts.TRACE_SAMPLER.release,
                namespace=args.namespace,
                values=sampler_values(args.settings, args.tracing),
                settings=args.settings,
                opts=pulumi.ResourceOptions(parent=self),
            )
        self.register_outputs({})


def tempo_values(settings: Settings, tracing: Tracing) -> dict[str, Any]:
    """Values of Tempo's chart."""
    values: dict[str, Any] = {
        "tempo": {
            "reportingEnabled": False,
            "retention": f"{seconds(tracing.retention) // 3600}h",
            "memBallastSizeMbs": 64,  # the default of 1 GiB is all that the limit allows
            "resources": sizing.of(settings.workloads.tempo),
            "securityContext": security.LOCKED,
            "extraVolumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],  # noqa: S108 - in its container
        },
        "extraVolumes": [{"name": "scratch", "emptyDir": {}}],
        "serviceAccount": {"automountServiceAccountToken": False},  # it asks the API server for nothing
        "serviceMonitor": {"enabled": True, "interval": settings.scrape.infrastructure},
        "persistence": {"enabled": False},
    }
    if settings.storage.kind == "ephemeral":  # the chart leaves the data in the container, which nothing can write to
        values["tempo"]["extraVolumeMounts"].append({"name": "data", "mountPath": "/var/tempo"})
        values["extraVolumes"].append({"name": "data", "emptyDir": {}})
    else:
        values["persistence"] = {
            "enabled": True,
            "size": storage.size(settings, "tempo"),
            "storageClassName": storage.storage_class(settings, "tempo"),
        }
    return values
