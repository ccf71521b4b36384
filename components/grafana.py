"""Grafana: its Helm values, data sources, dashboards and administrator."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pulumi
from pulumi_kubernetes.core.v1 import ConfigMap, Secret
from pulumi_kubernetes.rbac.v1 import Role, RoleBinding

import parts
from components import sizing, storage
from components.addresses import loki
from dashboards.links import NO_REFRESH
from dashboards.logs import ONE_REQUEST
from dashboards.panels import panel_id
from facts import GRAFANA_DATA_SOURCES, GRAFANA_FOLDER, GRAFANA_HOME, NAMESPACE
from settings import Ingress, Settings, SignIn

DASHBOARDS = "/tmp/dashboards"  # noqa: S108 - a directory of the pod, where the chart's sidecar writes
HOME = "/etc/grafana/home"
"""A directory of the pod with the dashboard that Grafana opens with."""
SIDECARS = "grafana-sidecars"
"""Name of the Role and RoleBinding of Grafana's account."""
ADMIN_SECRET = "grafana-admin"  # noqa: S105 - the name of a Secret, not its content
SIGN_IN_SECRET, SIGN_IN_KEY = "grafana-sign-in", "client-secret"
SIGN_IN_PATH = f"/etc/secrets/{SIGN_IN_SECRET}"
"""A directory of the pod with the client's secret."""
CHART_ADMIN_SECRET = parts.GRAFANA.service


@dataclass(frozen=True, kw_only=True)
class GrafanaArgs:
    """What Grafana shows and to whom."""

    settings: Settings
    namespace: pulumi.Input[str]
    dashboards: dict[str, str]
    """JSON of each dashboard by uid."""
    admin_password: pulumi.Output[str] | None
    client_secret: pulumi.Output[str] | None
    """Of the identity provider's client; None without one."""


class Grafana(pulumi.ComponentResource):
    """Everything Grafana is provisioned with. The server itself comes with kube-prometheus-stack."""

    admin_secret: pulumi.Output[str] | None
    """Name of our Secret with `admin-user` and `admin-password`; None where the chart generates one."""
    sign_in_secret: pulumi.Output[str] | None
    """Name of the Secret with the client's secret; None where nobody logs in by an identity provider."""

    def __init__(self, name: str, args: GrafanaArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monitoring:index:Grafana", name, {}, opts)
        self._namespace = args.namespace
        self._config_map(GRAFANA_DATA_SOURCES, data_sources_file(args.settings), "grafana_datasource")
        for uid, text in sorted(args.dashboards.items()):
            self._config_map(_dashboard(uid), {f"{uid}.json": text}, "grafana_dashboard", folder=GRAFANA_FOLDER)
        self._sidecars()
        self.admin_secret = self.sign_in_secret = None
        if args.admin_password:
            data: dict[str, pulumi.Input[str]] = {"admin-user": "admin", "admin-password": args.admin_password}
            self.admin_secret = self._secret(ADMIN_SECRET, data)
        if args.settings.grafana.sign_in and args.client_secret:
            self.sign_in_secret = self._secret(SIGN_IN_SECRET, {SIGN_IN_KEY: args.client_secret})
        self.register_outputs({"adminSecret": self.admin_secret, "signInSecret": self.sign_in_secret})

    def _config_map(self, name: str, data: dict[str, str], label: str, folder: str | None = None) -> None:
        """A ConfigMap that Grafana's sidecar picks up by its label."""
        metadata: dict[str, Any] = {"name": name, "namespace": self._namespace, "labels": {label: "1"}}
        if folder:
            metadata["annotations"] = {"grafana_folder": folder}
        ConfigMap(name, metadata=metadata, data=data, opts=pulumi.ResourceOptions(parent=self))

    def _sidecars(self) -> None:
        """What Grafana's account may do: read ConfigMaps of its namespace, for its sidecars, and no Secrets."""
        metadata = {"name": SIDECARS, "namespace": self._namespace}
        opts = pulumi.ResourceOptions(parent=self)
        Role(
            SIDECARS,
            metadata=metadata,
            rules=[{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"]}],
            opts=opts,
        )
        RoleBinding(
            SIDECARS,
            metadata=metadata,
            role_ref={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": SIDECARS},
            subjects=[{"kind": "ServiceAccount", "name": parts.GRAFANA.workload, "namespace": self._namespace}],
            opts=opts,
        )

    def _secret(self, name: str, data: dict[str, pulumi.Input[str]]) -> pulumi.Output[str]:
        secret = Secret(
            name,
            metadata={"name": name, "namespace": self._namespace},
            string_data=data,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return pulumi.Output.from_input(secret.metadata.name).apply(str)


def _dashboard(uid: str) -> str:
    """Name of the ConfigMap with a dashboard."""
    return f"dashboard-{uid}"


def data_sources_file(settings: Settings) -> dict[str, str]:
    """The provisioning file of Grafana's data sources, as the data of a ConfigMap."""
    document = {"apiVersion": 1, "prune": True, "datasources": data_sources(settings)}
    return {"datasources.yaml": json.dumps(document, indent=2)}


def data_sources(settings: Settings) -> list[dict[str, Any]]:
    """Prometheus, Alertmanager, Loki and, where the stack traces, Tempo, under fixed uids."""
    sources = [
        # One interval for all of it: $__rate_interval must hold four scrapes of the slowest target.
        _source(
            "prometheus",
            parts.PROMETHEUS.url,
            default=True,
            timeInterval=settings.scrape.applications,
            httpMethod="POST",
            **({"exemplarTraceIdDestinations": [_TRACE_OF_AN_EXEMPLAR]} if settings.tracing else {}),
        ),
        _source("alertmanager", parts.ALERTMANAGER.url, implementation="prometheus", handleGrafanaManagedAlerts=False),
        # Longer than Loki searches, so that its own answer is shown; by default Grafana gives up after 30 s.
        _source("loki", loki(settings), timeout=65, derivedFields=_derived_fields(settings)),
    ]
    if settings.tracing:
        sources.append(
            _source(
                "tempo",
                parts.TEMPO.url,
                nodeGraph={"enabled": True},  # of one trace, from its spans alone
                tracesToLogsV2=_LINES_OF_A_SPAN,
                tracesToMetrics=_METRICS_OF_A_SPAN,
            )
        )
    return sources


_TRACE_OF_AN_EXEMPLAR = {"name": "trace_id", "datasourceUid": "tempo", "urlDisplayLabel": "Trace"}
"""`name` is the exemplar's label, as the instrumentation package writes it."""
_LINES_OF_A_SPAN = {
    "datasourceUid": "loki",
    # Grafana's own query searches the span's service alone. In provisioning files a dollar is written twice.
    "customQuery": True,
    "query": '{service_name=~".+"} | trace_id="$${__trace.traceId}"',
    # A line about a span may be written after its end, and clocks differ.
    "spanStartTimeShift": "-1m",
    "spanEndTimeShift": "1m",
}
_METRICS_OF_A_SPAN = {
    "datasourceUid": "prometheus",
    # Their windows are 5 minutes: around the span, it is seen what came before and after.
    "spanStartTimeShift": "-30m",
    "spanEndTimeShift": "30m",
    "tags": [{"key": "service.name", "value": "service"}],
    "queries": [
        {"name": "Request rate", "query": "service:http_requests:rate5m{$$__tags}"},
        {"name": "Error rate", "query": "service:http_errors:ratio_rate5m{$$__tags}"},
        {"name": "P95", "query": "service:http_request_latency_seconds:p95_rate5m{$$__tags}"},
    ],
}
"""The service's own metrics, which count every request: series made of spans would count those that are sent."""


def _source(kind: str, url: str, *, default: bool = False, **options: Any) -> dict[str, Any]:
    return {
        "name": kind.capitalize(),
        "uid": kind,
        "type": kind,
        "access": "proxy",
        "url": url,
        "isDefault": default,
        "jsonData": options,
    }


def _derived_fields(settings: Settings) -> list[dict[str, str]]:
    """Links from a log line to all lines of its request and of its chain of requests, and to its trace."""
    fields = [
        *_to_lines(settings, "request_id", "All lines of this request"),
        *_to_lines(settings, "correlation_id", "All lines of this chain of requests"),
    ]
    if settings.tracing:
        fields.append(_derived("trace_id", "Trace", datasourceUid="tempo", url="$${__value.raw}"))
    return fields


_AROUND_THE_LINE = "time=$${__data.fields.Time.numeric}&time.window=7200000"
"""Milliseconds: an hour before the line to an hour after it. Explore does not know `__value.time`, as panels do."""


def _to_lines(settings: Settings, field: str, title: str) -> Iterator[dict[str, str]]:
    """Links to the lines with the field's value as an id, of every service: around the line, and all that are kept.

    They lead to the dashboard Logs, as Viewers may not use Explore, and to one panel only: each of the others would
    search as much, too.
    """
    # Grafana expands $NAME in provisioning files, so the dollar is written twice. A client's own id may have a plus.
    url = "/d/logs?var-namespace=All&var-request=$${__value.raw:percentencode}"
    kept = f"from=now-{settings.retention.logs}&to=now"
    shown = f"{NO_REFRESH}&viewPanel=panel-{panel_id(ONE_REQUEST)}"
    # A line whose time Grafana does not find leads to all that is kept.
    yield _derived(field, title, url=f"{url}&{kept}&{_AROUND_THE_LINE}&{shown}")
    yield _derived(field, f"{title}, in all logs kept", url=f"{url}&{kept}&{shown}")


def _derived(field: str, title: str, **link: str) -> dict[str, str]:
    return {"name": field, "matcherType": "label", "matcherRegex": field, "urlDisplayLabel": title, **link}


@dataclass(frozen=True, kw_only=True)
class GrafanaSecrets:
    """Names of the Secrets that Grafana reads; None where there is none."""

    admin: pulumi.Input[str] | None
    sign_in: pulumi.Input[str] | None


def grafana_values(settings: Settings, secrets: GrafanaSecrets) -> dict[str, Any]:
    """The `grafana` section of kube-prometheus-stack's values."""
    values: dict[str, Any] = {
        "resources": sizing.of(settings.workloads.grafana),
        # A volume serves one pod at a time: the old one must go before the new one starts.
        "deploymentStrategy": {"type": "Recreate"},
        "initChownData": {"enabled": False},
        "testFramework": {"enabled": False},
        "rbac": {"create": False},  # Ours: the chart's reads Secrets too, of the whole cluster by default.
        "persistence": _persistence(settings),
        "grafana.ini": {
            "server": {"root_url": settings.links.grafana},
            "analytics": {
                "check_for_updates": False,
                "check_for_plugin_updates": False,
                "reporting_enabled": False,
            },
            # Grafana updates the plugins of its image by itself at each start, which no pinned version survives.
            "plugins": {"preinstall_auto_update": False, "plugin_admin_enabled": False},
            "snapshots": {"external_enabled": False},  # figures of the business on a public server
            "security": {
                "cookie_secure": settings.links.grafana.startswith("https://"),
                "disable_gravatar": True,
            },
            "users": {"allow_sign_up": False},
            "dashboards": {"default_home_dashboard_path": f"{HOME}/{GRAFANA_HOME}.json"},
            # Its own counts of dashboards and data sources, which `make verify` reads; by default every half hour.
            "metrics": {"total_stats_collector_interval_seconds": 60},
        },
        # Not where the sidecar writes it, some time after Grafana has started and would open with an error.
        "extraConfigmapMounts": [
            {
                "name": "home",
                "configMap": _dashboard(GRAFANA_HOME),
                "mountPath": HOME,
                "readOnly": True,
                "optional": True,  # a pod would wait for one that a failed deployment has not made
            }
        ],
        "sidecar": _sidecar(),
    }
    if settings.grafana.ingress:
        values["ingress"] = _ingress(settings.grafana.ingress, settings.links.grafana)
    if settings.grafana.sign_in:
        values["grafana.ini"]["auth.generic_oauth"] = _sign_in(settings.grafana.sign_in)
        values["extraSecretMounts"] = [
            {"name": "sign-in", "secretName": secrets.sign_in, "mountPath": SIGN_IN_PATH, "readOnly": True}
        ]
    if secrets.admin is not None:
        values["admin"] = {
            "existingSecret": secrets.admin,
            "userKey": "admin-user",
            "passwordKey": "admin-password",
        }
    return values


def _ingress(ingress: Ingress, address: str) -> dict[str, Any]:
    host = urlsplit(address).hostname
    return {
        "enabled": True,
        "ingressClassName": ingress.class_name,
        "annotations": ingress.annotations,
        "hosts": [host],
        "path": "/",
        "tls": [{"secretName": ingress.tls_secret, "hosts": [host]}] if ingress.tls_secret else [],
    }


def _sign_in(provider: SignIn) -> dict[str, Any]:
    """Grafana's section for any OpenID Connect provider."""
    return {
        "enabled": True,
        "name": provider.name,
        "client_id": provider.client_id,
        "client_secret": f"$__file{{{SIGN_IN_PATH}/{SIGN_IN_KEY}}}",
        "auth_url": provider.auth_url,
        "token_url": provider.token_url,
        "api_url": provider.user_url,
        "scopes": " ".join(provider.scopes),
        "use_pkce": True,
        # Whom the provider lets in; `users.allow_sign_up` is of forms.
        "allow_sign_up": True,
        "role_attribute_path": role_of(provider),
    }


def role_of(provider: SignIn) -> str:
    """The JMESPath expression by which Grafana chooses a person's role from the claims."""
    wanted = [*((group, "Admin") for group in provider.admins), *((group, "Editor") for group in provider.editors)]
    # A person without any group has no such claim.
    groups = f"{provider.groups_claim} || `[]`"
    return " || ".join([*(f"contains({groups}, '{group}') && '{role}'" for group, role in wanted), "'Viewer'"])


def _persistence(settings: Settings) -> dict[str, Any]:
    if settings.storage.kind == "ephemeral":
        return {"enabled": False}
    return {
        "enabled": True,
        "type": "pvc",
        "storageClassName": storage.storage_class(settings, "grafana"),
        "size": storage.size(settings, "grafana"),
        # Looking the name up would make the claim immutable and a rollback impossible.
        "lookupVolumeName": False,
        # Rolling a first install back would delete the claim, and no other may bind its volume then.
        "annotations": {"helm.sh/resource-policy": "keep"},
    }


def _sidecar() -> dict[str, Any]:
    return {
        "resources": sizing.SMALL,
        "dashboards": {
            "enabled": True,
            "label": "grafana_dashboard",
            "labelValue": "1",
            "searchNamespace": NAMESPACE,
            "resource": "configmap",  # by default Secrets, too
            "folder": DASHBOARDS,
            "folderAnnotation": "grafana_folder",
            "provider": {"foldersFromFilesStructure": True, "allowUiUpdates": False},
        },
        "datasources": {
            "enabled": True,
            "label": "grafana_datasource",
            "labelValue": "1",
            "resource": "configmap",
            # Every data source is ours (data_sources above): two defaults would stop Grafana.
            "defaultDatasourceEnabled": False,
            "alertmanager": {"enabled": False},
        },
    }
