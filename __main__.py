"""The monitoring of the order processor: settings, then components, then exports."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pulumi_aws
import pulumi_kubernetes

import catalogue as catalogues
import dashboards
import inputs
import parts
import settings as configuration
from components import addresses
from components.alerting import messages, routing
from components.alerting.component import Alerting, AlertingArgs
from components.cloudwatch import CloudWatch, CloudWatchArgs, monthly_cost
from components.foundation import Foundation, FoundationArgs
from components.grafana import CHART_ADMIN_SECRET, Grafana, GrafanaArgs, GrafanaSecrets
from components.logs.component import Logs, LogsArgs
from components.metrics.component import LongTerm, Metrics, MetricsArgs, StackSecrets
from components.metrics.remote_write import levels
from components.protection import guard
from components.tracing import Traces, TracesArgs
from validation import InvalidInputError, collect

ROOT = Path(__file__).parent


def main() -> None:
    """Deploy the selected stack, or say everything that is wrong with its input and register nothing."""
    try:
        (settings, secrets), known = collect(
            lambda: configuration.load(pulumi.Config(), ROOT), lambda: catalogues.load(ROOT / "services.yaml")
        )
        made = inputs.fitting(ROOT, settings, known)
    except InvalidInputError as error:
        raise pulumi.RunError(f"the input is not valid; nothing was deployed:\n{error}") from None
    catalogue = made.catalogue
    channels_missing = routing.missing_channels(settings)
    for sentence in (*channels_missing, *configuration.warnings(settings)):
        pulumi.warn(sentence)

    # In place, where the default is to delete and create: a dashboard or a configuration must not vanish meanwhile.
    cluster = pulumi_kubernetes.Provider(
        "kubernetes", context=settings.kube_context, enable_config_map_mutable=True, enable_secret_mutable=True
    )
    providers: list[pulumi.ProviderResource] = [cluster]
    if settings.aws:
        providers.append(pulumi_aws.Provider("aws", region=settings.aws.region))
    foundation = Foundation(
        "foundation",
        FoundationArgs(settings=settings, catalogue=catalogue),
        pulumi.ResourceOptions(providers=providers),
    )
    namespace, opts = foundation.namespace, foundation.below(providers)
    alerting = Alerting(
        "alerting",
        AlertingArgs(
            namespace=namespace,
            rules=made.rules,
            configuration=routing.alertmanager_configuration(settings),
            templates=messages.templates(),
            secrets=secrets,
        ),
        opts,
    )
    grafana = Grafana(
        "grafana",
        GrafanaArgs(
            settings=settings,
            namespace=namespace,
            dashboards=dashboards.load(catalogue, settings),
            admin_password=secrets.grafana_admin_password,
            client_secret=secrets.grafana_client_secret,
        ),
        opts,
    )
    stack_secrets = StackSecrets(
        configuration=alerting.configuration_secret,
        credentials=alerting.credentials_secret,
        grafana=GrafanaSecrets(admin=grafana.admin_secret, sign_in=grafana.sign_in_secret),
    )
    metrics = Metrics(
        "metrics",
        MetricsArgs(
            settings=settings,
            catalogue=catalogue,
            namespace=namespace,
            secrets=stack_secrets,
            long_term=LongTerm(recorded=levels(made.rules), credential=secrets.remote_write_credential),
        ),
        opts,
    )
    logs_args = LogsArgs(settings=settings, catalogue=catalogue, namespace=namespace)
    deployed: list[pulumi.Resource] = [foundation, alerting, grafana, metrics, Logs("logs", logs_args, opts)]
    if settings.tracing:
        traces_args = TracesArgs(settings=settings, tracing=settings.tracing, namespace=namespace)
        deployed.append(Traces("traces", traces_args, opts))
    if settings.aws:
        cloudwatch_args = CloudWatchArgs(aws=settings.aws, settings=settings, namespace=namespace)
        deployed.append(CloudWatch("cloudwatch", cloudwatch_args, opts))
    guard(settings.storage.protect, deployed)

    pulumi.export("namespace", namespace)
    pulumi.export("prometheus", parts.PROMETHEUS.url)
    pulumi.export("alertmanager", parts.ALERTMANAGER.url)
    pulumi.export("grafana", parts.GRAFANA.url)
    pulumi.export("loki", addresses.loki(settings))
    pulumi.export("grafanaSecret", grafana.admin_secret or CHART_ADMIN_SECRET)
    pulumi.export("grafanaAccess", addresses.GRAFANA_ACCESS)
    pulumi.export("channelsMissing", channels_missing)
    pulumi.export("cloudwatchMonthlyUsd", monthly_cost(settings.aws) if settings.aws else 0)


main()
