"""Metrics: the operator, Prometheus, Alertmanager, Grafana's server and the exporters, and what they scrape."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi_kubernetes.apiextensions import CustomResource
from pulumi_kubernetes.apps.v1 import Deployment
from pulumi_kubernetes.core.v1 import ConfigMap, Secret, Service
from pulumi_kubernetes.policy.v1 import PodDisruptionBudget

import parts
from catalogue import Catalogue
from components import charts, placement, priorities, security, sizing, storage
from components.alerting.routing import REMEMBERED
from components.aws_role import ServiceAccountRole, ServiceAccountRoleArgs
from components.grafana import GrafanaSecrets, grafana_values
from components.metrics import monitors, prober, remote_write, route_sums
from components.metrics.default_rules import custom_rules, default_rules
from quantities import mebibytes
from settings import Aws, RemoteWrite, Settings

UNREACHABLE_CONTROL_PLANE = ("kubeControllerManager", "kubeScheduler", "kubeEtcd", "kubeProxy")
"""Parts that EKS hides and that kind binds to its node's loopback: watching them would only raise false alarms."""

# renovate: image=quay.io/prometheus/alertmanager
ALERTMANAGER = "v0.35.0"
"""Image of Alertmanager: newer than the chart's."""

OBEYED = ("rule", "serviceMonitor", "podMonitor", "probe", "scrapeConfig")
"""Kinds of objects that Prometheus takes its configuration from."""

FOR_GRACE_PERIOD = "1m"
"""Alerts with a shorter `for` are pending anew after a restart of Prometheus. By default that is 10 m: Alertmanager,
which takes an alert for resolved 4 m after the last word of it, then tells that an outage has ended and pages again."""


@dataclass(frozen=True, kw_only=True)
class StackSecrets:
    """Names of the Secrets that the stack reads; as outputs, so that they exist before it starts."""

    configuration: pulumi.Input[str]
    """Alertmanager's configuration."""
    credentials: pulumi.Input[str]
    """The notification channels' credentials."""
    grafana: GrafanaSecrets
    """Grafana's administrator, and its client at the identity provider."""


@dataclass(frozen=True, kw_only=True)
class LongTerm:
    """What is written to a second place, where the stack has one."""

    recorded: remote_write.Levels = frozenset()
    """Levels of the series that the stack's rules record."""
    credential: pulumi.Output[str] | None = field(default=None, repr=False)
    """Password or token for the place, unless it is one of AWS."""


@dataclass(frozen=True, kw_only=True)
class MetricsArgs:
    """What the metrics stack depends on."""

    settings: Settings
    catalogue: Catalogue
    namespace: pulumi.Input[str]
    secrets: StackSecrets
    long_term: LongTerm


class Metrics(pulumi.ComponentResource):
    """kube-prometheus-stack, the prober, what adds up routes, and the monitors of every service in the catalogue."""

    def __init__(self, name: str, args: MetricsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monitoring:index:Metrics", name, {}, opts)
        self._args = args
        values = stack_values(args.settings, args.secrets, args.long_term.recorded)
        if remote := args.settings.metrics.remote_write:
            self._write_remotely(remote, args.settings.aws, values["prometheus"])
        self._install(charts.KUBE_PROMETHEUS_STACK, parts.STACK, values)
        self._install(charts.BLACKBOX_EXPORTER, parts.BLACKBOX_EXPORTER.release, prober.values(args.settings.redis))
        settings, catalogue = args.settings, args.catalogue
        if any(service.added_up for service in catalogue.services):
            self._add_up_routes()
        for service in catalogue.measured:
            self._custom("ServiceMonitor", service.name, monitors.service_monitor(service, catalogue, settings))
        for service in catalogue.services:
            self._custom("Probe", service.name, monitors.probe(service, catalogue, settings))
        if settings.public_urls:
            self._custom("Probe", monitors.PUBLIC_PROBES, monitors.public_probe(settings.public_urls, settings))
        if settings.redis:
            self._custom("Probe", monitors.REDIS_PROBE, monitors.redis_probe(settings.redis, settings))
        self.register_outputs({})

    def _install(self, chart: charts.Chart, release: str, values: dict[str, Any]) -> None:
        charts.install(
            chart,
            release,
            namespace=self._args.namespace,
            values=values,
            settings=self._args.settings,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _write_remotely(self, remote: RemoteWrite, aws: Aws | None, values: dict[str, Any]) -> None:
        """Make what Prometheus proves itself with, and add it to its values."""
        opts = pulumi.ResourceOptions(parent=self)
        if remote.workspace and aws:
            args = ServiceAccountRoleArgs(
                cluster_name=aws.cluster_name,
                service_account=remote_write.SERVICE_ACCOUNT,
                statements=remote_write.write_statements(remote.workspace, aws.region),
            )
            annotation = {"eks.amazonaws.com/role-arn": ServiceAccountRole("remote-write", args, opts).arn}
            values["serviceAccount"] = {"annotations": annotation}
            # A pod gets its role when it is made: with this, those that run are made again.
            values["prometheusSpec"]["podMetadata"] = {"annotations": annotation}
            return
        metadata = {"name": remote_write.SECRET, "namespace": self._args.namespace}
        data = remote_write.credential(remote, self._args.long_term.credential)
        Secret(remote_write.SECRET, metadata=metadata, string_data=data, opts=opts)

    def _add_up_routes(self) -> None:
        name, opts = route_sums.NAME, pulumi.ResourceOptions(parent=self)
        metadata = {"name": name, "namespace": self._args.namespace, "labels": route_sums.LABELS}
        ConfigMap(name, metadata=metadata, data=route_sums.config_map(), opts=opts)
        Service(name, metadata=metadata, spec=route_sums.service_spec(), opts=opts)
        Deployment(name, metadata=metadata, spec=route_sums.deployment_spec(self._args.settings), opts=opts)
        if budget := route_sums.disruption_budget(self._args.settings):
            PodDisruptionBudget(name, metadata=metadata, spec=budget, opts=opts)

    def _custom(self, kind: str, service: str, spec: dict[str, Any]) -> None:
        CustomResource(
            f"{kind.lower()}-{service}",
            api_version="monitoring.coreos.com/v1",
            kind=kind,
            metadata={"name": service, "namespace": self._args.namespace},
            spec=spec,
            opts=pulumi.ResourceOptions(parent=self),
        )


def stack_values(settings: Settings, secrets: StackSecrets, recorded: remote_write.Levels) -> dict[str, Any]:
    """Values of kube-prometheus-stack, whose rules record series of these levels."""
    interval = settings.scrape.infrastructure
    return {
        "crds": {"enabled": False},  # the foundation's own release, so that upgrades upgrade them
        "prometheus": {
            "prometheusSpec": prometheus_spec(settings, recorded),
            # Replicas scrape at different moments: all panels of a page must ask the same one.
            "service": {"sessionAffinity": "ClientIP"},
            **placement.disruption_budget(settings.workloads.prometheus.replicas),
        },
        "alertmanager": {
            "alertmanagerSpec": alertmanager_spec(settings, secrets),
            "serviceAccount": {"automountServiceAccountToken": False},  # it asks the API server for nothing
            **placement.disruption_budget(settings.workloads.alertmanager.replicas),
        },
        "grafana": grafana_values(settings, secrets.grafana),
        "prometheusOperator": {
            "resources": sizing.OPERATOR,
            "kubeletEndpointSliceEnabled": True,
            "prometheusConfigReloader": {"resources": sizing.SMALL},
            # A webhook that cannot be reached must not block an upgrade; contract tests check every rule first.
            "admissionWebhooks": {"failurePolicy": "Ignore", "patch": {"resources": sizing.SMALL}},
        },
        "kube-state-metrics": {
            "resources": sizing.sized("20m", "64Mi", "200m", "256Mi"),
            "metricLabelsAllowlist": ["pods=[app,component]"],
            "collectorsExclude": ["configmaps", "secrets"],  # nothing reads their series: it need not read them
            # Without its own metrics nobody would learn that it cannot list the cluster's objects.
            "selfMonitor": {"enabled": True},
            "priorityClassName": priorities.ALERTING,
        },
        "prometheus-node-exporter": {
            "resources": sizing.SMALL,
            "priorityClassName": priorities.NODE_AGENT,
            "containerSecurityContext": security.LOCKED,
        },
        # cAdvisor's own default of 10 s would cost half as much again as the stack's interval.
        "kubelet": {
            "serviceMonitor": {"interval": interval, "cAdvisorInterval": interval, "resourceInterval": interval}
        },
        **control_plane(settings),
        "defaultRules": default_rules(settings.platform, settings.links),
        "customRules": custom_rules(settings.escalation),
    }


def prometheus_spec(settings: Settings, recorded: remote_write.Levels = frozenset()) -> dict[str, Any]:
    """Prometheus itself: how often, how long, how much, where else, and every monitor and rule of the cluster."""
    spec: dict[str, Any] = {
        "replicas": settings.workloads.prometheus.replicas,
        "priorityClassName": priorities.ALERTING,
        "scrapeInterval": settings.scrape.infrastructure,
        "scrapeTimeout": "10s",
        "evaluationInterval": settings.scrape.infrastructure,
        "retention": settings.retention.metrics,
        "externalLabels": {"cluster": settings.cluster},
        # Fuses of every monitor that has none of its own: an exporter that goes wild must not take all memory.
        "bodySizeLimit": "128MB",
        "sampleLimit": 500_000,
        "labelLimit": 64,
        "labelNameLengthLimit": 256,
        "labelValueLengthLimit": 4096,
        "resources": sizing.of(settings.workloads.prometheus),
        # By a signal from the reloader beside it: the endpoint for it would also let whoever reaches it end Prometheus.
        "reloadStrategy": "ProcessSignal",
        "serviceDiscoveryRole": "EndpointSlice",  # the Endpoints API is deprecated
        **{f"{kind}NamespaceSelector": security.obeyed(*settings.access.obeyed_namespaces) for kind in OBEYED},
        **placement.spread(parts.PROMETHEUS, settings.workloads.prometheus.replicas),
        # Without these only objects labelled with this release's name would be read.
        **{f"{kind}SelectorNilUsesHelmValues": False for kind in OBEYED},
        # The log agent pushes counters that it derives from logs, possibly late after an outage.
        "enableOTLPReceiver": True,
        "otlp": {
            "promoteResourceAttributes": ["service.name", "k8s.namespace.name", "k8s.pod.name"],
            "translationStrategy": "UnderscoreEscapingWithSuffixes",
        },
        "tsdb": {"outOfOrderTimeWindow": "10m"},
        "additionalConfig": {"rules": {"alert": {"forGracePeriod": FOR_GRACE_PERIOD}}},
    }
    if settings.tracing:  # which request was so slow: the newest 100,000, about 10 MB; by default none are kept
        spec["enableFeatures"] = ["exemplar-storage"]
    if remote := settings.metrics.remote_write:
        spec |= remote_write.prometheus_spec(remote, settings.aws, recorded)
    if settings.storage.kind != "ephemeral":
        spec["storageSpec"] = storage.claim_template(settings, "prometheus")
        spec["retentionSize"] = size_limit(settings.storage.sizes.prometheus)
    return spec


def size_limit(volume: str) -> str:
    """Nine tenths of a volume such as `20Gi`, in MiB: room for the write-ahead log and compaction."""
    return f"{mebibytes(volume) * 9 // 10}MiB"


def alertmanager_spec(settings: Settings, secrets: StackSecrets) -> dict[str, Any]:
    """Alertmanager: its whole configuration is our Secret, its credentials are mounted files."""
    spec: dict[str, Any] = {
        "replicas": settings.workloads.alertmanager.replicas,
        "priorityClassName": priorities.ALERTING,
        "resources": sizing.of(settings.workloads.alertmanager),
        # 0.34.0, which the chart has, does not try again what Slack refuses with 429, and tells what two alerts mute
        # when one of them ends; 0.35.0 has mended both.
        "image": {"tag": ALERTMANAGER},
        "useExistingSecret": True,
        "configSecret": secrets.configuration,
        "secrets": [secrets.credentials],
        "retention": REMEMBERED,
        "externalUrl": settings.links.alertmanager,  # where the silence links of notifications lead
        "alertmanagerConfigNamespaceSelector": security.obeyed(),
        "automountServiceAccountToken": False,
        **placement.spread(parts.ALERTMANAGER, settings.workloads.alertmanager.replicas),
    }
    if settings.storage.kind != "ephemeral":
        spec["storage"] = storage.claim_template(settings, "alertmanager")
    return spec


def control_plane(settings: Settings) -> dict[str, Any]:
    """Which control-plane parts are watched on this platform."""
    reachable = settings.platform == "other"
    return {part: {"enabled": reachable} for part in UNREACHABLE_CONTROL_PLANE}
