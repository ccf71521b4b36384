"""Whether the cluster enforces network policies: without a network that does, they are accepted and mean nothing."""

from __future__ import annotations

import parts
from components.metrics.prober import HTTP_2XX
from verify.cluster import Cluster, behind_service
from verify.expectations import Expected
from verify.finding import Finding

REFUSED = f"{parts.ALERTMANAGER.url}/-/healthy"
"""What the prober's policy does not let it reach, and Alertmanager's does not admit it to."""


def enforced(cluster: Cluster, _: Expected) -> list[Finding]:
    """The prober, asked for what its policy refuses, does not reach it."""
    page = cluster.get(behind_service(parts.BLACKBOX_EXPORTER.url, "probe", {"module": HTTP_2XX, "target": REFUSED}))
    if "\nprobe_success 0" in page:
        return []
    return [
        Finding(
            "the network policies are not enforced: the prober reaches Alertmanager, and so may every pod, to silence "
            "it",
            "EKS: set enableNetworkPolicy in the VPC CNI add-on's configuration; kind: 0.24 or newer; else install a "
            "network that enforces them, or accept it by access.enforced: false",
        )
    ]
