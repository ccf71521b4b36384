"""What everything else stands on: namespace, bounds, network policies, storage, volumes, resource definitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.batch.v1 import Job
from pulumi_kubernetes.core.v1 import LimitRange, Namespace, PersistentVolume, ResourceQuota
from pulumi_kubernetes.helm.v3 import Release
from pulumi_kubernetes.networking.v1 import NetworkPolicy
from pulumi_kubernetes.storage.v1 import StorageClass

from components import charts, storage
from settings import Settings

NAMESPACE = "monitoring"
BUSYBOX = "docker.io/library/busybox:1.37.0"


@dataclass(frozen=True, kw_only=True)
class FoundationArgs:
    """What the foundation depends on."""

    settings: Settings
    application_namespace: str


class Foundation(pulumi.ComponentResource):
    """The namespace and what it guarantees."""

    namespace: pulumi.Output[str]
    """Its name, for workloads: whatever uses it waits for the whole foundation."""

    def __init__(self, name: str, args: FoundationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monitoring:index:Foundation", name, {}, opts)
        self._settings = args.settings
        namespace = Namespace(NAMESPACE, metadata=namespace_metadata(), opts=self._keeps_data())
        self._name = namespace.metadata.name
        parts = [*self._bounds(args.application_namespace), *self._storage(), self._definitions()]
        # A component's depends_on does not reach its children; an output that hangs on everything does.
        self.namespace = pulumi.Output.all(self._name, *(part.urn for part in parts)).apply(lambda found: str(found[0]))
        self.register_outputs({"namespace": self.namespace})

    def _keeps_data(self) -> pulumi.ResourceOptions:
        """For what holds data: protected, and left in the cluster, where the stack says so."""
        protect = self._settings.storage.protect
        return pulumi.ResourceOptions(parent=self, protect=protect, retain_on_delete=protect)

    def _child(self, *after: pulumi.Resource) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self, depends_on=list(after))

    def _bounds(self, application_namespace: str) -> list[pulumi.Resource]:
        quota = ResourceQuota("bounds", metadata=self._named("bounds"), spec=quota_spec(), opts=self._child())
        limits = LimitRange("defaults", metadata=self._named("defaults"), spec=limits_spec(), opts=self._child())
        policies = [
            NetworkPolicy(name, metadata=self._named(name), spec=spec, opts=self._child())
            for name, spec in network_policies(application_namespace).items()
        ]
        return [quota, limits, *policies]

    def _named(self, name: str) -> dict[str, Any]:
        return {"name": name, "namespace": self._name}

    def _storage(self) -> list[pulumi.Resource]:
        kind = self._settings.storage.kind
        if kind == "local":
            return self._local_storage()
        if kind == "class" and self._settings.storage.create_class:
            return [self._ebs_class()]
        return []

    def _local_storage(self) -> list[pulumi.Resource]:
        classes = [
            StorageClass(
                storage.storage_class(self._settings, part),
                metadata={"name": storage.storage_class(self._settings, part)},
                provisioner=storage.LOCAL_PROVISIONER,
                volume_binding_mode="WaitForFirstConsumer",
                opts=self._child(),
            )
            for part in storage.parts(self._settings)
        ]
        directories = Job(
            "volume-directories",
            metadata=self._named("volume-directories"),
            spec=directories_job(self._settings),
            opts=self._child(),
        )
        keeps_data = pulumi.ResourceOptions.merge(self._keeps_data(), self._child(directories))
        volumes = [
            PersistentVolume(name, metadata={"name": f"{NAMESPACE}-{name}"}, spec=spec, opts=keeps_data)
            for name, spec in storage.local_volumes(self._settings).items()
        ]
        return [*classes, *volumes]

    def _ebs_class(self) -> StorageClass:
        name = self._settings.storage.class_name
        return StorageClass(
            name,
            metadata={"name": name},
            provisioner=storage.EBS_PROVISIONER,
            parameters={"type": "gp3", "encrypted": "true", "csi.storage.k8s.io/fstype": "ext4"},
            reclaim_policy="Retain" if self._settings.storage.protect else "Delete",
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            opts=self._keeps_data(),
        )

    def _definitions(self) -> Release:
        """The operator's resource definitions as a release of their own, so that upgrades upgrade them."""
        return charts.install(
            charts.PROMETHEUS_OPERATOR_CRDS,
            "prometheus-operator-crds",
            namespace=self._name,
            values={},
            source=self._settings.charts,
            opts=self._keeps_data(),
        )


def namespace_metadata() -> dict[str, Any]:
    """The namespace; node-exporter and the log agent read the node, which only `privileged` pods may."""
    return {
        "name": NAMESPACE,
        "labels": {
            "pod-security.kubernetes.io/enforce": "privileged",
            "pod-security.kubernetes.io/audit": "baseline",
            "pod-security.kubernetes.io/warn": "baseline",
        },
    }


def quota_spec() -> dict[str, Any]:
    """Counts that a runaway controller would exceed and the stack never does; nothing is exposed by accident."""
    return {"hard": {"pods": "100", "persistentvolumeclaims": "30", "services.loadbalancers": "0"}}


def limits_spec() -> dict[str, Any]:
    """Bounds for the containers that the charts do not let us size, such as hook jobs."""
    return {
        "limits": [
            {
                "type": "Container",
                "defaultRequest": {"cpu": "10m", "memory": "32Mi"},
                "default": {"cpu": "500m", "memory": "256Mi"},
            }
        ]
    }


def network_policies(application_namespace: str) -> dict[str, dict[str, Any]]:
    """Ingress that the namespace accepts: its own pods, traces from the application, the API server's webhooks."""
    policies: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "same-namespace": ({}, {"from": [{"podSelector": {}}]}),
        "traces-from-application": (
            {"matchLabels": {"app.kubernetes.io/name": "opentelemetry-collector"}},
            {
                "from": [
                    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": application_namespace}}}
                ],
                "ports": [{"port": 4317, "protocol": "TCP"}, {"port": 4318, "protocol": "TCP"}],
            },
        ),
        # The API server is outside the pod network, so its webhook calls can only be allowed by port.
        "operator-webhook": (
            {"matchLabels": {"app": "kube-prometheus-stack-operator"}},
            {"ports": [{"port": 10250, "protocol": "TCP"}]},
        ),
    }
    return {
        name: {"podSelector": selector, "policyTypes": ["Ingress"], "ingress": [ingress]}
        for name, (selector, ingress) in policies.items()
    }


def directories_job(settings: Settings) -> dict[str, Any]:
    """The job that makes the local volumes' directories on their node."""
    pod: dict[str, Any] = {
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "directories",
                "image": BUSYBOX,
                "command": ["sh", "-c", storage.ownership_script(settings)],
                "volumeMounts": [{"name": "volumes", "mountPath": "/volumes"}],
                "resources": {
                    "requests": {"cpu": "10m", "memory": "16Mi"},
                    "limits": {"cpu": "100m", "memory": "32Mi"},
                },
            }
        ],
        "volumes": [{"name": "volumes", "hostPath": {"path": settings.storage.node_path, "type": "DirectoryOrCreate"}}],
    }
    if settings.storage.node:
        pod["nodeSelector"] = {"kubernetes.io/hostname": settings.storage.node}
    return {"backoffLimit": 3, "template": {"spec": pod}}
