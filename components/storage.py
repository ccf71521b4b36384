"""Which volume each part of the stack writes to: pure functions of the storage settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from settings import Settings

LOCAL_PROVISIONER = "kubernetes.io/no-provisioner"
EBS_PROVISIONER = "ebs.csi.aws.com"


@dataclass(frozen=True)
class Owner:
    """The user and group that a part's container runs as, and so must own its volume."""

    user: int
    group: int


OWNERS = {
    "prometheus": Owner(1000, 2000),
    "alertmanager": Owner(1000, 2000),
    "loki": Owner(10001, 10001),
    "grafana": Owner(472, 472),
    "tempo": Owner(10001, 10001),
}
"""Every part with a volume; the numbers are the charts' security contexts."""


def storage_class(settings: Settings, part: str) -> str:
    """The storage class that the part's claims name; local volumes have one each, so that none is mixed up."""
    return f"local-{part}" if settings.storage.kind == "local" else settings.storage.class_name


def size(settings: Settings, part: str) -> str:
    """Size of each of the part's volumes."""
    return str(getattr(settings.storage.sizes, part))


def claim_template(settings: Settings, part: str) -> dict[str, Any]:
    """The claim template of a Prometheus or Alertmanager object."""
    return {
        "volumeClaimTemplate": {
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "storageClassName": storage_class(settings, part),
                "resources": {"requests": {"storage": size(settings, part)}},
            }
        }
    }


def parts(settings: Settings) -> list[str]:
    """The parts of this stack that have a volume."""
    return [part for part in OWNERS if part != "tempo" or settings.tracing]


def replicas(settings: Settings, part: str) -> int:
    """Number of volumes that the part needs."""
    return int(getattr(settings.workloads, part).replicas)


def local_volumes(settings: Settings) -> dict[str, dict[str, Any]]:
    """PersistentVolumes on the node's path, by name: one for each replica of each part."""
    return {
        f"{part}-{index}": _local_volume(settings, part, index)
        for part in parts(settings)
        for index in range(replicas(settings, part))
    }


def _local_volume(settings: Settings, part: str, index: int) -> dict[str, Any]:
    storage = settings.storage
    # Not DirectoryOrCreate: on a node without the directory the pod must fail and say so, not find nothing and start.
    spec: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": size(settings, part)},
        "storageClassName": storage_class(settings, part),
        "persistentVolumeReclaimPolicy": "Retain",
        "hostPath": {"path": f"{storage.node_path}/{part}-{index}", "type": "Directory"},
    }
    if storage.node:
        spec["nodeAffinity"] = {
            "required": {
                "nodeSelectorTerms": [
                    {
                        "matchExpressions": [
                            {"key": "kubernetes.io/hostname", "operator": "In", "values": [storage.node]}
                        ]
                    }
                ]
            }
        }
    return spec


def ownership_script(settings: Settings) -> str:
    """Shell commands that make the local directories and give each to its owner.

    A hostPath volume ignores `fsGroup`, so without this nothing that runs as a plain user could write.
    """
    lines = ["set -eu"]
    for part in parts(settings):
        owner = OWNERS[part]
        for index in range(replicas(settings, part)):
            directory = f"/volumes/{part}-{index}"
            lines.append(f"mkdir -p {directory} && chown -R {owner.user}:{owner.group} {directory}")
    return "\n".join(lines) + "\n"
