"""What everything else stands on: namespace, bounds, priorities, network policies, storage, resource definitions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from pulumi_kubernetes.batch.v1 import Job
from pulumi_kubernetes.core.v1 import LimitRange, Namespace, PersistentVolume, ResourceQuota
from pulumi_kubernetes.helm.v3 import Release
from pulumi_kubernetes.networking.v1 import NetworkPolicy
from pulumi_kubernetes.scheduling.v1 import PriorityClass
from pulumi_kubernetes.storage.v1 import StorageClass

import parts
from catalogue import Catalogue
from components import charts, flows, priorities, security, storage
from components.images import image
from facts import BUSYBOX, NAMESPACE
from settings import Settings

DIRECTORIES_NEED = ("CHOWN", "DAC_READ_SEARCH")
"""Capabilities of the job that makes directories: to give them away, and to look into them the next time."""


@dataclass(frozen=True, kw_only=True)
class FoundationArgs:
    """What the foundation depends on."""

    settings: Settings
    catalogue: Catalogue


class Foundation(pulumi.ComponentResource):
    """The namespace and what it guarantees."""

    namespace: pulumi.Output[str]
    """Its name."""

    def __init__(self, name: str, args: FoundationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("monitoring:index:Foundation", name, {}, opts)
        self._settings = args.settings
        storage_objects = self._storage()
        # Destroyed before the volumes, and with it the claims that would hold them back.
        namespace = Namespace(
            NAMESPACE,
            metadata=namespace_metadata(),
            opts=self._keeps_data(pulumi.ResourceOptions(depends_on=storage_objects)),
        )
        self.namespace = namespace.metadata.name
        self._first = [
            *self._bounds(args.catalogue),
            *self._priorities(),
            *self._directories(),
            self._definitions(),
        ]
        self.register_outputs({"namespace": self.namespace})

    def below(self, providers: list[pulumi.ProviderResource]) -> pulumi.ResourceOptions:
        """Options for a component whose every resource waits for this foundation.

        A component's own `depends_on` does not reach its children. An output that hangs on the foundation would: but
        then replacing a volume would replace every release.
        """

        def wait(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
            after = pulumi.ResourceOptions(depends_on=self._first)
            return pulumi.ResourceTransformationResult(args.props, pulumi.ResourceOptions.merge(args.opts, after))

        return pulumi.ResourceOptions(providers=providers, transformations=[wait])

    def _keeps_data(self, opts: pulumi.ResourceOptions | None = None) -> pulumi.ResourceOptions:
        """For what holds data: protected, and left in the cluster, where the stack says so."""
        protect = self._settings.storage.protect
        keeps = pulumi.ResourceOptions(parent=self, protect=protect, retain_on_delete=protect)
        return pulumi.ResourceOptions.merge(keeps, opts)

    def _child(self) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(parent=self)

    def _bounds(self, catalogue: Catalogue) -> list[pulumi.Resource]:
        quota = ResourceQuota("bounds", metadata=self._named("bounds"), spec=quota_spec(), opts=self._child())
        limits = LimitRange("defaults", metadata=self._named("defaults"), spec=limits_spec(), opts=self._child())
        return [quota, limits, *self._policies(flows.network_policies(flows.flows(self._settings, catalogue)))]

    def _policies(self, specs: Mapping[str, Any]) -> list[pulumi.Resource]:
        """Those that admit come before the one that refuses all else, so that no connection is cut meanwhile."""
        admitting: list[pulumi.Resource] = [
            NetworkPolicy(name, metadata=self._named(name), spec=spec, opts=self._child())
            for name, spec in specs.items()
            if name != flows.DENY
        ]
        last = pulumi.ResourceOptions.merge(self._child(), pulumi.ResourceOptions(depends_on=admitting))
        return [
            *admitting,
            NetworkPolicy(flows.DENY, metadata=self._named(flows.DENY), spec=specs[flows.DENY], opts=last),
        ]

    def _priorities(self) -> list[pulumi.Resource]:
        # The API server refuses to change these fields, and the provider would try.
        fixed = pulumi.ResourceOptions(replace_on_changes=["value", "preemptionPolicy"], delete_before_replace=True)
        opts = pulumi.ResourceOptions.merge(self._child(), fixed)
        return [
            PriorityClass(name, metadata={"name": name}, opts=opts, **fields)
            for name, fields in priorities.classes().items()
        ]

    def _named(self, name: str) -> dict[str, Any]:
        return {"name": name, "namespace": self.namespace}

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
        volumes = [
            PersistentVolume(name, metadata={"name": f"{NAMESPACE}-{name}"}, spec=spec, opts=self._keeps_data())
            for name, spec in storage.local_volumes(self._settings).items()
        ]
        return [*classes, *volumes]

    def _directories(self) -> list[pulumi.Resource]:
        """The job that makes the local volumes' directories, where there are any."""
        if self._settings.storage.kind != "local":
            return []
        metadata, spec = self._named("volume-directories"), directories_job(self._settings)
        return [Job("volume-directories", metadata=metadata, spec=spec, opts=self._child())]

    def _ebs_class(self) -> StorageClass:
        name = self._settings.storage.class_name
        return StorageClass(
            name,
            metadata={"name": name},
            provisioner=storage.EBS_PROVISIONER,
            parameters={"type": "gp3", "encrypted": "true", "csi.storage.k8s.io/fstype": "ext4"},
            reclaim_policy="Retain",  # a claim deleted by mistake must not take the data with it
            volume_binding_mode="WaitForFirstConsumer",
            allow_volume_expansion=True,
            opts=self._keeps_data(),
        )

    def _definitions(self) -> Release:
        """The operator's resource definitions as a release of their own, so that upgrades upgrade them."""
        return charts.install(
            charts.PROMETHEUS_OPERATOR_CRDS,
            parts.CRDS,
            namespace=self.namespace,
            values={},
            settings=self._settings,
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
    """Claims that a runaway controller would exceed and the stack never does; nothing is exposed by accident."""
    return {"hard": {"persistentvolumeclaims": "30", "services.loadbalancers": "0", "services.nodeports": "0"}}


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


def directories_job(settings: Settings) -> dict[str, Any]:
    """The job that makes the local volumes' directories on their node."""
    pod: dict[str, Any] = {
        "restartPolicy": "OnFailure",
        "automountServiceAccountToken": False,
        "containers": [
            {
                "name": "directories",
                "image": image(BUSYBOX, settings),
                "command": ["sh", "-c", storage.ownership_script(settings)],
                "volumeMounts": [{"name": "volumes", "mountPath": "/volumes"}],
                "securityContext": security.ROOT | {"capabilities": {"drop": ["ALL"], "add": list(DIRECTORIES_NEED)}},
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
