"""Which of kube-prometheus-stack's own rules stay, on which platform and how severe. Pure functions.

Every alert of the chart, the choice, and why: docs/default-rules.md.
"""

from __future__ import annotations

from typing import Any, Literal

from components.alerting.escalation import later
from facts import CHART_ALERTS_RUNBOOK
from settings import Escalation, Links

Platform = Literal["eks", "kind", "other"]

COVERED_BY_OURS: dict[str, tuple[str, ...]] = {
    "AlertmanagerClusterCrashlooping": ("ContainerCrashLooping",),
    "AlertmanagerClusterDown": ("TargetDown", "TargetMissing"),
    "AlertmanagerClusterFailedPeers": ("AlertmanagerDisagreeing",),
    "AlertmanagerClusterFailedToSendAlerts": ("NotificationsFailing",),
    "AlertmanagerConfigInconsistent": ("AlertmanagerDisagreeing",),
    "AlertmanagerFailedReload": ("ConfigurationReloadFailed",),
    "AlertmanagerFailedToSendAlerts": ("NotificationsFailing",),
    "AlertmanagerMembersInconsistent": ("AlertmanagerDisagreeing",),
    "CPUThrottlingHigh": ("ContainerThrottled",),
    "KubeAPIInstanceUnreachable": ("TargetDown",),
    "KubeContainerWaiting": ("PodNotReady",),
    "KubeControllerManagerInstanceUnreachable": ("TargetDown",),
    "KubeDaemonSetRolloutStuck": ("PodNotReady", "PodUnschedulable", "ContainerCrashLooping"),
    "KubeDeploymentReplicasMismatch": ("DeploymentReplicasMissing", "PodNotReady", "PodUnschedulable"),
    "KubeDeploymentRolloutStuck": ("DeploymentReplicasMissing", "PodNotReady", "PodUnschedulable"),
    "KubeNodeNotReady": ("NodeNotReady",),
    "KubeNodePressure": ("NodeMemoryNearlyFull", "NodeDiskFilling"),
    "KubeNodeUnreachable": ("NodeNotReady",),
    "KubePdbNotEnoughHealthyPods": ("PodNotReady", "PodUnschedulable", "ContainerCrashLooping"),
    "KubePersistentVolumeFillingUp": ("VolumeFilling", "VolumeFull"),
    "KubePodCrashLooping": ("ContainerCrashLooping", "ContainerOomKilled"),
    "KubePodNotReady": ("PodNotReady", "PodUnschedulable"),
    "KubeProxyInstanceUnreachable": ("TargetDown",),
    "KubeSchedulerInstanceUnreachable": ("TargetDown",),
    "KubeStatefulSetReplicasMismatch": ("PodNotReady", "PodUnschedulable", "ContainerCrashLooping"),
    "KubeStatefulSetUpdateNotRolledOut": ("PodNotReady", "PodUnschedulable", "ContainerCrashLooping"),
    "KubeletDown": ("TargetDown", "TargetMissing"),
    "KubeletInstanceUnreachable": ("TargetDown", "NodeNotReady"),
    "NodeFilesystemAlmostOutOfSpace": ("NodeDiskFilling",),
    "NodeFilesystemSpaceFillingUp": ("NodeDiskFilling",),
    "NodeMemoryHighUtilization": ("NodeMemoryNearlyFull",),
    "NodeMemoryMajorPagesFaults": ("NodeMemoryNearlyFull",),
    "PrometheusBadConfig": ("ConfigurationReloadFailed",),
    "PrometheusErrorSendingAlertsToAnyAlertmanager": ("PrometheusNotConnectedToAlertmanager",),
    "PrometheusErrorSendingAlertsToSomeAlertmanagers": ("TargetDown", "PrometheusNotConnectedToAlertmanager"),
    "PrometheusMissingRuleEvaluations": ("RuleEvaluationSlow",),
    "PrometheusNotConnectedToAlertmanagers": ("PrometheusNotConnectedToAlertmanager",),
    "PrometheusRemoteStorageFailures": ("RemoteWriteFailing",),
    "PrometheusRemoteWriteBehind": ("RemoteWriteBehind",),
    "PrometheusRemoteWriteDesiredShards": ("RemoteWriteAtMaximum",),
    "PrometheusRuleFailures": ("RuleEvaluationFailing",),
    "PrometheusScrapeSampleLimitHit": ("CardinalityNearLimit", "ServiceUnmeasured"),
    "PrometheusTSDBCompactionsFailing": ("PrometheusStorageFailing",),
    "PrometheusTSDBReloadsFailing": ("PrometheusStorageFailing",),
    "TargetDown": ("TargetDown", "ServiceTargetDown", "ServiceUnmeasured"),
    "Watchdog": ("Watchdog",),
}
"""Alerts of the chart that are off, and ours that say the same: no condition may notify twice."""

NOBODY_NEEDS = (
    "InfoInhibitor",
    "KubeCPUOvercommit",
    "KubeCPUQuotaOvercommit",
    "KubeMemoryOvercommit",
    "KubeMemoryQuotaOvercommit",
    "NodeCPUHighUsage",
    "PrometheusLabelLimitHit",
    "PrometheusScrapeBodySizeLimitHit",
    "PrometheusTargetLimitHit",
)
"""Alerts of the chart that are off although none of ours says the same."""

OFF_ON_PLATFORM: dict[Platform, tuple[str, ...]] = {
    "eks": ("KubeClientCertificateExpiration",),
    "kind": ("KubeAPIErrorBudgetBurn", "KubeClientCertificateExpiration", "NodeClockNotSynchronising"),
    "other": (),
}
"""Alerts that are off where the platform makes them false alarms, or somebody else's."""

PAGES_NOBODY = (
    "KubeAPIDown",
    "KubeAPIErrorBudgetBurn",
    "KubePersistentVolumeErrors",
    "KubeStateMetricsListErrors",
    "KubeStateMetricsShardingMismatch",
    "KubeStateMetricsShardsMissing",
    "KubeStateMetricsWatchErrors",
    "NodeRAIDDegraded",
    "PrometheusTargetSyncFailure",
)
"""Critical alerts of the chart that are warnings here: no user is harmed while they fire."""

KNOWS_NO_HOURS = ("KubeNodeEviction", "KubeQuotaAlmostFull", "KubeQuotaFullyUsed", "KubeletTooManyPods")
"""Info alerts of the chart that are warnings here: its rules cannot be given business hours."""

_WAITS = {
    "0s": ("KubeNodeEviction",),
    "2m": ("NodeNetworkInterfaceFlapping",),
    "5m": (
        "KubeAPITerminatedRequests",
        "KubeAggregatedAPIDown",
        "KubePersistentVolumeErrors",
        "KubeletPlegDurationHigh",
        "NodeBondingDegraded",
        "NodeSystemdServiceFailed",
        "PrometheusOperatorNotReady",
        "PrometheusOperatorRejectedResources",
        "PrometheusTargetSyncFailure",
        "etcdHighNumberOfLeaderChanges",
    ),
    "10m": (
        "ConfigReloaderSidecarErrors",
        "KubeAggregatedAPIErrors",
        "KubeDaemonSetNotScheduled",
        "NodeClockNotSynchronising",
        "NodeClockSkewDetected",
        "PrometheusDuplicateTimestamps",
        "PrometheusNotIngestingSamples",
        "PrometheusOperatorNodeLookupErrors",
        "PrometheusOperatorReconcileErrors",
        "PrometheusOperatorStatusUpdateErrors",
        "PrometheusOperatorSyncFailed",
        "PrometheusOutOfOrderTimestamps",
        "etcdDatabaseHighFragmentationRatio",
        "etcdExcessiveDatabaseGrowth",
        "etcdHighCommitDurations",
        "etcdMemberCommunicationSlow",
    ),
    "15m": (
        "KubeAPIDown",
        "KubeClientErrors",
        "KubeDaemonSetMisScheduled",
        "KubeDeploymentGenerationMismatch",
        "KubeHpaMaxedOut",
        "KubeHpaReplicasMismatch",
        "KubeJobFailed",
        "KubeNodeReadinessFlapping",
        "KubeQuotaAlmostFull",
        "KubeQuotaExceeded",
        "KubeQuotaFullyUsed",
        "KubeStateMetricsListErrors",
        "KubeStateMetricsShardingMismatch",
        "KubeStateMetricsShardsMissing",
        "KubeStateMetricsWatchErrors",
        "KubeStatefulSetGenerationMismatch",
        "KubeVersionMismatch",
        "KubeletClientCertificateRenewalErrors",
        "KubeletPodStartUpLatencyHigh",
        "KubeletTooManyPods",
        "KubeletServerCertificateRenewalErrors",
        "NodeRAIDDegraded",
        "NodeSystemSaturation",
        "NodeSystemdServiceCrashlooping",
        "PrometheusHighQueryLoad",
        "PrometheusKubernetesListWatchFailures",
        "PrometheusNotificationQueueRunningFull",
        "PrometheusOperatorListErrors",
        "PrometheusOperatorWatchErrors",
        "etcdHighNumberOfFailedProposals",
    ),
    "20m": ("PrometheusSDRefreshFailure", "etcdMembersDown"),
    "30m": ("NodeDiskIOSaturation",),
    "1h": ("NodeNetworkReceiveErrs", "NodeNetworkTransmitErrs"),
}
"""The `for` of the chart's warnings that stay (chart 88.5.3, templates/prometheus/rules-1.14)."""

TOLD_AT_ONCE = (
    "KubeJobNotCompleted",
    "NodeHighNumberConntrackEntriesUsed",
    "NodeRAIDDiskFailure",
    "NodeTextFileCollectorScrapeError",
)
"""Warnings of the chart that have no `for`, and that it lets nobody give one."""

_WITHOUT_ALERTS = ("general", "alertmanager", "windows")
"""Groups of which no alert is left; one without rules is not a valid object. Windows nodes are not supported."""

_CONTROL_PLANE = ("etcd", "kubeControllerManager", "kubeSchedulerAlerting", "kubeSchedulerRecording", "kubeProxy")
"""Groups about parts that only a cluster of one's own lets Prometheus reach (see metrics.control_plane)."""

_WITH_ALERTS = (
    "configReloaders",
    "etcd",
    "kubeApiserverSlos",
    "kubeControllerManager",
    "kubeProxy",
    "kubeSchedulerAlerting",
    "kubeStateMetrics",
    "kubernetesApps",
    "kubernetesResources",
    "kubernetesStorage",
    "kubernetesSystem",
    "network",
    "nodeExporterAlerting",
    "prometheus",
    "prometheusOperator",
)


def default_rules(platform: Platform, links: Links) -> dict[str, Any]:
    """The chart's value `defaultRules`: which groups and alerts stay, whose they are, and their runbook."""
    off = (*COVERED_BY_OURS, *NOBODY_NEEDS, *OFF_ON_PLATFORM[platform])
    # The exporter's own `service` would be taken for what the alert is about; an empty label is none.
    labels = {"owner": "platform", "service": ""}
    return {
        "create": True,
        # The chart adds /<group>/<alert in lower case>. Its own pages are on another host, and some do not exist.
        "runbookUrl": f"{links.runbooks}/{CHART_ALERTS_RUNBOOK}#",
        "rules": groups(platform),
        "disabled": dict.fromkeys(off, True),
        "additionalRuleGroupLabels": dict.fromkeys(_WITH_ALERTS, labels),
    }


def groups(platform: Platform) -> dict[str, bool]:
    """Which groups are off or depend on the platform; the chart's others are on."""
    return {
        **dict.fromkeys(_WITHOUT_ALERTS, False),
        **dict.fromkeys(_CONTROL_PLANE, platform == "other"),
        "kubeApiserverAvailability": False,  # over 30 d, and metrics are kept for less
        **dict.fromkeys(("kubeApiserverSlos", "kubeApiserverBurnrate"), platform != "kind"),
    }


def custom_rules(escalation: Escalation) -> dict[str, dict[str, str]]:
    """The chart's value `customRules`: severities that differ from the chart's, and when its warnings are told.

    As ours, `warningAfter` later (`alerting/escalation.py`). An alert that comes as a warning and as a page keeps the
    chart's `for`, since the value is that of both.
    """
    severities = {alert: {"severity": "warning"} for alert in (*PAGES_NOBODY, *KNOWS_NO_HOURS)}
    waits = {
        alert: {"for": later(wait, escalation.warning_after)} for wait, alerts in _WAITS.items() for alert in alerts
    }
    return {alert: severities.get(alert, {}) | waits.get(alert, {}) for alert in sorted({*severities, *waits})}
