"""How the settings of a stack fit together: what cannot work is refused, what works and may hurt is warned of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from quantities import mebibytes, millicores, seconds

if TYPE_CHECKING:
    from settings.model import Settings

LONGEST_LOOK_BACK = "14d"
"""What the error budget is counted over: no rule of `alerts/` looks back further (a test compares them)."""
LEAST_A_DAY = {"prometheus": 100, "loki": 20, "tempo": 20}
"""MiB that a small application writes in a day at the least: with more, a volume is full sooner."""
UNLIKE = ("a", "Z", "7")
"""Values of a tag that only an expression for all values finds; the exporter searches a value for it, as here."""
NEAR = ("http://localhost", "http://127.0.0.1")


def conflicts(of: Settings) -> list[str]:
    """What cannot work, each with its remedy."""
    bucket, loki = of.aws and of.aws.log_bucket, of.workloads.loki.replicas
    many, local, distributed = loki > 1, of.storage.kind == "local", of.logs.mode == "distributed"
    ebs = of.storage.kind == "class" and of.storage.create_class
    scattered = bool(_replicated(of)) and local and of.platform == "eks" and not of.storage.node
    rules = {
        "logs.mode: distributed needs aws.logBucket": distributed and not bucket,
        "storage.kind: local serves one Loki only; logs.mode: distributed needs class": distributed and local,
        f"workloads.loki.replicas: {loki} has no use if logs.mode is distributed; remove it": distributed and many,
        f"workloads.loki.replicas: {loki} needs aws.logBucket (a volume serves one replica)": many and not bucket,
        f"storage.kind: local serves one Loki only; workloads.loki.replicas: {loki} needs class": many and local,
        "storage.kind: local needs storage.node on platform eks with more than one Prometheus or Alertmanager, as the "
        "path is on one node; or set storage.kind to class": scattered,
        "storage.createClass makes EBS volumes, which need platform eks; set it to false, and storage.className to "
        "a class that the cluster has": ebs and of.platform != "eks",
        "workloads.grafana.replicas must be 1": of.workloads.grafana.replicas != 1,
        "workloads.tempo.replicas must be 1": of.workloads.tempo.replicas != 1,
        f"notifications.pagerduty.url: its port {_pagerduty_port(of)} is not in access.notificationPorts, so that the "
        "network policies would stop every page; add it": _pagerduty_port(of) not in of.access.notification_ports,
        f'grafana.ingress: links.grafana is "{of.links.grafana}"; it must be https:// and a host alone, as the Ingress '
        "serves one": of.grafana.ingress is not None and not re.fullmatch(r"https://[^/:]+", of.links.grafana),
        "grafana.ingress needs access.grafanaFrom: the namespace of its controller, or the subnets of its load "
        "balancer, which the network policies then admit": of.grafana.ingress is not None
        and not of.access.grafana_from,
        f'grafana.signIn: links.grafana is "{of.links.grafana}"; it must start with https://, as the provider sends '
        "people back to it": of.grafana.sign_in is not None and not of.links.grafana.startswith("https://"),
        "metrics.remoteWrite.workspace needs aws, which has its region": _workspace_without_aws(of),
        "aws needs platform eks": of.aws is not None and of.platform != "eks",
        "aws.monthlyBudgetUsd needs aws.billing": _budget_without_bill(of),
        f'retention.metrics: "{of.retention.metrics}" is less than the {LONGEST_LOOK_BACK} over which the error budget '
        f"is counted; keep at least {LONGEST_LOOK_BACK}": seconds(of.retention.metrics) < seconds(LONGEST_LOOK_BACK),
    }
    return [text for text, broken in rules.items() if broken]


def warnings(of: Settings) -> list[str]:
    """What works, and costs more or protects less than it seems to. Each is a sentence with its remedy."""
    near = [key for key in ("grafana", "alertmanager") if getattr(of.links, key).startswith(NEAR)]
    replicated = _replicated(of)
    closed = [key for key in ("grafana", "alertmanager") if key not in near and not getattr(of.access, f"{key}_from")]
    rules = {
        f"{' and '.join(f'links.{key}' for key in near)}: notifications link to {NEAR[0]}, which only a port-forward "
        "serves; set the addresses by which people reach them.": bool(near) and of.platform != "kind",
        f"{' and '.join(f'links.{key}' for key in closed)}: the network policies admit no client; name the namespace "
        f"of your Ingress or proxy under {' and '.join(f'access.{key}From' for key in closed)}.": bool(closed),
        f"storage.kind: local keeps every replica of {' and '.join(replicated)} on one node, with which all are lost; "
        "set storage.kind to class, or one replica.": bool(replicated) and of.storage.kind == "local",
        "aws.tags: without a tag whose expression leaves some values out, every load balancer and Redis of the region "
        "is read and paid for; name those of the application.": of.aws is not None
        and all(all(re.search(pattern, value) for value in UNLIKE) for pattern in of.aws.tags.values()),
    }
    return [
        *(text for text, hurts in rules.items() if hurts),
        *_beyond_the_volume(of),
        *_below_the_default(of),
    ]


def _pagerduty_port(of: Settings) -> int:
    if of.notifications.pagerduty is None:
        return of.access.notification_ports[0]
    return port_of(of.notifications.pagerduty.url)


def port_of(url: str) -> int:
    """The port of an HTTP address."""
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "https" else 80)


def _replicated(of: Settings) -> list[str]:
    return [name for name in ("prometheus", "alertmanager") if getattr(of.workloads, name).replicas > 1]


def _workspace_without_aws(of: Settings) -> bool:
    remote = of.metrics.remote_write
    return remote is not None and remote.workspace is not None and of.aws is None


def _budget_without_bill(of: Settings) -> bool:
    return of.aws is not None and of.aws.monthly_budget_usd is not None and not of.aws.billing


def _beyond_the_volume(of: Settings) -> list[str]:
    """Retentions for which the volumes are too small whatever the application does."""
    on_s3 = of.aws is not None and of.aws.log_bucket is not None
    kept = {
        "prometheus": ("retention.metrics", of.retention.metrics),
        **({} if on_s3 else {"loki": ("retention.logs", of.retention.logs)}),
        **({"tempo": ("tracing.retention", of.tracing.retention)} if of.tracing else {}),
    }
    return [
        f'{key}: "{retention}" is more than storage.sizes.{part}: {size} holds, at {LEAST_A_DAY[part]} MiB a day or '
        "more; choose a larger size or a shorter retention."
        for part, (key, retention) in kept.items()
        if of.storage.kind != "ephemeral"
        and seconds(retention) / 86400 * LEAST_A_DAY[part] > mebibytes(size := getattr(of.storage.sizes, part))
    ]


def _below_the_default(of: Settings) -> list[str]:
    """Limits below what the part requests by default, and so is measured to need."""
    parts = type(of.workloads).model_fields
    return [
        f'workloads.{field.alias}.{key}: "{limit}" is less than the {least} that it requests by default; it may be '
        f"{how}."
        for name, field in parts.items()
        for given, of_default in [(getattr(of.workloads, name), field.default)]
        for key, limit, least, number, how in (
            ("memoryLimit", given.memory_limit, of_default.memory, mebibytes, "OOM-killed"),
            ("cpuLimit", given.cpu_limit, of_default.cpu, millicores, "too slow to answer"),
        )
        if number(limit) < number(least)
    ]
